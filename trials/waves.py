"""Whether memory stays flat when a sweep passes in waves: `make waves`, about three minutes.

The same small training with 10,000 and with 100,000 runs, 2,048 of them resident at once. The record of the last run is
`results/waves.json`.
"""

from pathlib import Path
from typing import Any

from symmetry_jax.sweeps.sealed import read_sealed, write_json
from trials.studies import finish, machine_of, record_parser, study, temporary_folder

SEEDS = (2_500, 25_000)  # at four sizes of epsilon
TINY = (
    "--config=configs/near_identical_filters.py:smoke",
    "--config.sweep.learning_rate=0.1",
    "--config.filters=(2,2)",
    "--config.batch_size=4",
    "--config.steps=10",
    "--config.records=3",
    "--config.quotient_steps=2",
    "--config.save_steps=0",
    "--config.wave=2048",
)


def main() -> None:
    """Runs both sweeps, prints what they took and writes the record."""
    arguments = record_parser(__doc__).parse_args()
    with temporary_folder() as folder:
        _run(Path(folder), "first", SEEDS[0])  # compiles, which takes memory too
        sweeps = [_run(Path(folder), "recorded", seeds) for seeds in SEEDS]
        machine = machine_of(Path(folder) / f"recorded_{SEEDS[-1]}")
    print(*sweeps, sep="\n")
    arguments.results.mkdir(parents=True, exist_ok=True)
    write_json(arguments.results / "waves.json", {"sweeps": sweeps, "machine": machine})


def _run(folder: Path, name: str, seeds: int) -> dict[str, Any]:
    """What a sweep took: peak memory is that of the whole process, jax and all compiled programs among it."""
    workdir = folder / f"{name}_{seeds}"
    finish(study(*TINY, f"--config.sweep.seed=0:{seeds}"), workdir, folder / "cache")
    manifest = read_sealed(workdir / "manifest.json")
    first = manifest["programs"][0]
    results = sum(path.stat().st_size for path in (workdir / "results.zarr").rglob("*") if path.is_file())
    return {
        "runs": first["runs"],
        "resident": manifest["wave"],
        "peak_memory_bytes": manifest["peak_memory_bytes"],
        "result_bytes_on_disk": results,
        "seconds": first["seconds"],
    }


if __name__ == "__main__":
    main()
