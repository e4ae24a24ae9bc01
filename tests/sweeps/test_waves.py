"""The trial of waves, small."""

import json
import sys

from symmetry_jax.sweeps.sealed import write_sealed
from trials import waves


def test_the_record_tells_of_the_machine_that_computed(tmp_path, monkeypatch):
    devices = {"started": "", "versions": {}, "commit": None, "devices": {"platform": "cpu", "kind": "cpu", "count": 7}}
    manifest = {**devices, "processes": 1, "wave": 2048, "peak_memory_bytes": 1, "programs": [{"runs": 4, "seconds": 1.0}]}

    def finish(command, workdir, cache):
        workdir.mkdir()
        write_sealed(workdir / "manifest.json", manifest)

    monkeypatch.setattr(waves, "finish", finish)
    monkeypatch.setattr(sys, "argv", ["waves", f"--results={tmp_path}"])
    waves.main()
    assert json.loads((tmp_path / "waves.json").read_text())["machine"]["devices"]["count"] == 7
