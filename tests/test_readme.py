"""What the README shows of Python runs, in its order, as it is."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FROM_DISK = "load_results"  # what reads a study that the commands before it made


def test_its_program_runs():
    blocks = re.findall("```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    program = "\n".join(block for block in blocks if FROM_DISK not in block)
    for usual, few in (("range(100)", "range(2)"), ("steps=1000", "steps=20")):
        assert usual in program
        program = program.replace(usual, few)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    symmetry, noise = done.stdout.split("an axis of the input")
    assert "group  units  array  axis  positions  role\nin     8" in symmetry
    found = [float(number) for number in re.findall(r"\d\S*\d", noise)]
    assert len(found) == 2 and all(0 < each < 0.1 for each in found)  # at each of two learning rates
