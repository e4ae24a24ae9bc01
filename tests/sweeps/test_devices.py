"""The number of devices, which needs processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_number_of_devices_changes_no_bit_also_half_way(tmp_path):
    command = [sys.executable, "-m", "trials.devices", f"--results={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "devices_cpu.json").read_text())
    assert list(record["trained_on"]) == ["1", "2", "4", "8"] and len(record["saved_and_restored_on"]) == 12
    assert len({*record["trained_on"].values(), *record["saved_and_restored_on"].values()}) == 1
