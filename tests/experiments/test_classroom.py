"""The notebook for a class: executed from end to end, and at other picks."""

import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from tests.test_configs import ROOT

NOTEBOOK = ROOT / "experiments" / "classroom.ipynb"
PICKS = [(4, "relu", -0.1), (2, "softplus", 0.1), (3, "tanh", 1.0), (1, "identity", 0.0)]


def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_has_no_outputs_and_names_the_place_of_the_repository():
    nbformat.validate(notebook())
    code = [cell for cell in notebook().cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert "github/symmetry-jax/symmetry_jax/blob/main/experiments/classroom.ipynb" in notebook().cells[0].source
    assert not re.search(r"/(home|root|tmp|usr|Users)/", NOTEBOOK.read_text())


@pytest.mark.slow
def test_what_is_predicted_is_measured_whatever_is_picked(kernel, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    executed = notebook()
    picked = [new_code_cell(f"side_by_side(*{pick})") for pick in PICKS]
    executed.cells = [cell for cell in executed.cells if "install" not in cell.metadata.get("tags", [])] + picked
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(executed, timeout=600, kernel_name=kernel, resources=where).execute()  # raises what a cell raises
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    found = re.findall(r"(\d+) of (\d+) as predicted", said)
    assert len(found) == 4 + len(PICKS) and all(right == total for right, total in found)
    predicted, measured = map(float, re.search(r"growth per step: predicted ([\d.]+), measured ([\d.]+)", said).groups())
    assert predicted > 1.01 and abs(measured - predicted) < 0.02 * (predicted - 1)
    assert "K =  2, one example: true class" in said and "1 times as far" in said and "Warning" not in said
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
