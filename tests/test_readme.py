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
    few = program.replace("range(100)", "range(2)").replace("steps=1000", "steps=20")
    assert few != program
    done = subprocess.run([sys.executable, "-c", few], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "group  units  array  axis  positions  role\nin     8" in done.stdout
