"""What the tests of notebooks share."""

import json
import sys

import pytest


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """The name of a kernel that runs this very interpreter, with nothing of the user's."""
    spec = tmp_path / "jupyter" / "kernels" / "this_interpreter" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "this interpreter", "language": "python"}))
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    return "this_interpreter"
