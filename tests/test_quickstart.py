"""The notebook docs/quickstart.ipynb runs from its first cell to its last, with few steps."""

import json
import pathlib

import pytest

NOTEBOOK = pathlib.Path(__file__).parent.parent / "docs" / "quickstart.ipynb"
STEPS = "config.steps, config.segment = 200, 100"


def cells(kind: str) -> list[str]:
    """The sources of the notebook's cells of a kind."""
    found = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


@pytest.mark.slow
def test_the_cells_run_in_order(capsys):
    code = cells("code")
    assert sum(STEPS in cell for cell in code) == 1
    variables = {}
    for cell in code:
        exec(cell.replace(STEPS, "config.steps, config.segment = 4, 2"), variables)
    assert variables["logits"].shape == (4, len(variables["task"].classes))
    assert 0 <= variables["scores"].accuracy <= 1
    assert f"{variables['scores'].accuracy:.1%}" in capsys.readouterr().out


def test_outputs_are_not_kept():
    found = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(not cell["outputs"] for cell in found if cell["cell_type"] == "code")
