"""The notebook for Colab, executed from end to end; and what of it has to hold on a machine that may go at any moment."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent.parent
NOTEBOOK = ROOT / "experiments" / "colab.ipynb"
PAGE = "github.com/symmetry-jax/symmetry_jax"


def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def tags(cell):
    return cell.metadata.get("tags", [])


def names_of(tag, **given):
    """The names that the cells with a tag define, in a namespace that holds those given."""
    namespace = {"os": os, **given}
    for cell in notebook().cells:
        if tag in tags(cell):
            exec(cell.source, namespace)
    return namespace


def test_it_is_a_notebook_without_outputs_and_says_what_each_cell_is_for():
    nbformat.validate(notebook())
    cells = notebook().cells
    for before, cell in zip([None, *cells], cells, strict=False):
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            assert before.cell_type == "markdown" and before.source
    assert not re.search(r"/(home|root|tmp|usr|Users)/", NOTEBOOK.read_text())


def test_badge_readme_and_clone_name_the_same_place():
    badge = f"https://colab.research.google.com/{PAGE.replace('.com', '')}/blob/main/{NOTEBOOK.relative_to(ROOT)}"
    assert badge in notebook().cells[0].source and badge in (ROOT / "README.md").read_text()
    assert f'"https://{PAGE}"' in NOTEBOOK.read_text().replace("\\", "")


def test_installing_keeps_the_versions_that_are_there(tmp_path):
    pytest.importorskip("pip")
    install = names_of("constraints")
    versions = install["installed_versions"]()
    assert versions["jax"] and versions["jaxlib"] and "libtpu" in install["KEPT"]
    assert install["constraints"]({"jax": "0.7.2", "libtpu": "0.0.21"}) == "jax==0.7.2\nlibtpu==0.0.21\n"
    (tmp_path / "constraints.txt").write_text(install["constraints"](versions))
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "-r", ROOT / "requirements.txt"]
    done = subprocess.run([*pip, "-c", tmp_path / "constraints.txt"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Would install" not in done.stdout, done.stderr


CHILD = """
import signal, sys, time
from pathlib import Path
heard = 0
def hear(number, frame):
    global heard
    heard += 1
signal.signal(signal.SIGINT, hear)
Path(sys.argv[1]).touch()
print("\\u00e9 begun", flush=True)
deadline = time.monotonic() + 60
while not heard and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.3)
print(f"heard {heard}", flush=True)
sys.exit(75)
"""


def test_a_command_that_is_stopped_may_finish(tmp_path, capsys):
    follow = names_of("follow")["follow"]
    assert follow([sys.executable, "-c", "import sys; print('out'); sys.exit('err')"]) == 1
    assert capsys.readouterr().out == "out\nerr\n"
    assert follow([sys.executable, "-c", CHILD, tmp_path / "begun"], stop_when=(tmp_path / "begun").exists) == 75
    assert capsys.readouterr().out == "é begun\nheard 1\n"


def test_interrupting_a_cell_interrupts_its_command_once_and_waits(kernel, tmp_path):
    source = next(cell.source for cell in notebook().cells if "follow" in tags(cell))
    (tmp_path / "child.py").write_text(CHILD)
    manager, client = start_new_kernel(kernel_name=kernel)

    def interrupt():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        manager.interrupt_kernel()

    try:
        threading.Thread(target=interrupt, daemon=True).start()
        child = [sys.executable, str(tmp_path / "child.py"), str(tmp_path / "begun")]
        said = []
        reply = client.execute_interactive(
            f"{source}\nprint('code', follow({child}))", timeout=60, output_hook=lambda message: said.append(message["content"])
        )
    finally:
        manager.shutdown_kernel(now=True)
        client.stop_channels()
    assert reply["content"]["status"] == "ok"
    assert "heard 1\ncode 75\n" in "".join(content.get("text", "") for content in said)


class StudyOnDisk:
    """Files that are written in the order in which a study writes them; each holds as many letters as steps were done."""

    def __init__(self, folder):
        self.folder, self.steps = folder, 0
        for unfinished in ("lock", "manifest.json.partial", "checkpoints/000/0000/7.orbax-checkpoint-tmp/data"):
            self.write(unfinished, "")
        self.write("config.json", "settings")
        self.advance()

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name("new.partial").write_text(content)
        path.with_name("new.partial").rename(path)

    def advance(self):
        self.steps += 1
        content = "x" * self.steps
        self.write("results.zarr/000/loss/c/0/0", content)
        self.write("results.zarr/000/zarr.json", content)
        for name in ("a", "b"):
            self.write(f"checkpoints/000/0000/{self.steps}/{name}", content)
        shutil.rmtree(self.folder / f"checkpoints/000/0000/{self.steps - 2}", ignore_errors=True)


def usable_step(copy):
    """The step from which a copy lets a study go on; checks that it is one that was there."""
    chunk, ledger = (len((copy / "results.zarr/000" / name).read_text()) for name in ("loss/c/0/0", "zarr.json"))
    assert chunk >= ledger
    whole = []
    for folder in (copy / "checkpoints/000/0000").iterdir():
        contents = [(folder / name).read_text() for name in ("a", "b") if (folder / name).exists()]
        assert set(contents) <= {"x" * int(folder.name)}
        whole += [int(folder.name)] if len(contents) == 2 and int(folder.name) <= ledger else []
    return max(whole)


class Death(BaseException):
    pass


@pytest.mark.parametrize("seed", range(20))
def test_whenever_the_machine_dies_the_copy_is_of_use(tmp_path, monkeypatch, seed):
    """A study goes on while it is copied, and the machine dies at any write: never does the copy fall back."""
    chance = np.random.default_rng(seed)
    copies = names_of("copy", COPIES=tmp_path / "drive")
    workdir, copy = tmp_path / "study", tmp_path / "drive" / "study"
    study, reached, left = StudyOnDisk(workdir), 0, 10**9

    def living(original, goes_on=False):
        def call(*arguments, **named):
            nonlocal left
            left -= 1
            if left < 0:
                raise Death
            if goes_on and chance.random() < 0.2:
                study.advance()
            return original(*arguments, **named)

        return call

    copies["copy_to_drive"](workdir)
    monkeypatch.setattr(shutil, "copyfile", living(shutil.copyfile, goes_on=True))
    monkeypatch.setattr(os, "replace", living(os.replace))
    monkeypatch.setattr(Path, "unlink", living(Path.unlink))
    for _ in range(20):
        study.advance()
        left = int(chance.integers(30))
        with contextlib.suppress(Death):
            copies["copy_to_drive"](workdir)
        left = 10**9
        step = usable_step(copy)
        assert step >= reached
        reached = step
    monkeypatch.undo()
    copies["copy_to_drive"](workdir)
    assert usable_step(copy) == study.steps
    shutil.rmtree(workdir)
    copies["restore_from_drive"](workdir)
    assert {path.name for path in workdir.iterdir()} == {"config.json", "results.zarr", "checkpoints"}
    assert {path.name for path in (workdir / "checkpoints/000/0000").iterdir()} == {str(study.steps - 1), str(study.steps)}


def test_only_what_changed_is_copied_and_what_is_here_is_not_replaced(tmp_path):
    copies = names_of("copy", COPIES=tmp_path / "drive")
    study = StudyOnDisk(tmp_path / "study")
    assert copies["copy_to_drive"](study.folder) == 5 and copies["copy_to_drive"](study.folder) == 0
    study.advance()
    assert copies["copy_to_drive"](study.folder) == 4
    study.write("config.json", "of this machine")
    copies["restore_from_drive"](study.folder)
    assert (study.folder / "config.json").read_text() == "of this machine"
    assert not copies["came_from_drive"](study.folder).exists()
    (study.folder / "config.json").unlink()  # of a study that had not yet begun there
    copies["restore_from_drive"](study.folder)
    assert (study.folder / "config.json").read_text() == "settings" and not (study.folder / "lock").exists()
    assert copies["came_from_drive"](study.folder).exists()


def test_a_copy_is_made_while_a_run_is_on_and_at_its_end(tmp_path, capsys):
    copies = names_of("copy", COPIES=tmp_path / "drive")
    copies["COPY_SECONDS"] = 0.01
    study, copy = StudyOnDisk(tmp_path / "study"), tmp_path / "drive" / "study"
    with copies["copying"](study.folder):
        deadline = time.monotonic() + 30
        while not (copy / "checkpoints/000/0000/1/a").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert usable_step(copy) == 1
        copies["COPY_SECONDS"] = 1000
        time.sleep(0.1)
        study.advance()
    assert usable_step(copy) == 2 and "copied 4 changed files" in capsys.readouterr().out


@pytest.mark.slow
def test_it_runs_is_interrupted_goes_on_and_draws(kernel, tmp_path, monkeypatch):
    work = tmp_path / "work"
    for name, value in {
        "SYMMETRY_WORK": work,
        "JAX_COMPILATION_CACHE_DIR": tmp_path / "compiled",
        "JAX_PLATFORMS": "cpu",
    }.items():
        monkeypatch.setenv(name, str(value))
    executed = notebook()
    executed.cells = [cell for cell in executed.cells if "install" not in tags(cell)]
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(executed, timeout=600, kernel_name=kernel, resources=where).execute()  # raises what a cell raises
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "This is a CPU" in said and "stands in for Drive" in said
    assert "Traceback" not in said and "FutureWarning" not in said
    assert "exit code 75" in said and f"restored {work / 'lost'}" in said
    done, total = (int(number.replace(",", "")) for number in re.search(r"([\d,]+) of ([\d,]+) run-steps", said).groups())
    assert 0 < done < total and "stopped (process" in said
    assert "the results of the uninterrupted one, bit for bit" in said
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    assert not [path for path in (work / "drive").rglob("*") if path.name == "lock" or "tmp" in path.name]
