"""Imports run one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "symmetry_jax"

# for each room of the house, the rooms it may import from besides itself
ALLOWED = {
    "errors": set(),
    "caching": set(),
    "kernels": {"caching"},
    "symmetry": {"errors"},
    "theory": {"errors"},
    "learning": {"errors", "symmetry", "kernels"},
    "measures": {"errors", "symmetry", "theory", "learning"},
    "sweeps": {"errors", "caching", "kernels", "learning"},
    "reports": {"errors", "theory", "sweeps"},
    "command_line": {"errors", "caching", "sweeps", "reports"},
    "__main__": {"errors", "command_line"},
}
ONLY_IN = {
    "orbax": {"sweeps/checkpoints.py"},
    "flax.linen": {"learning/layers.py", "learning/models.py", "learning/starts.py"},
    "jax.interpreters.mlir": {"kernels/linear_maps.py"},
    "ctypes": {"kernels/library.py", "sweeps/devices.py"},
    "zarr": {"sweeps/results.py"},
}


def imported(path):
    """Absolute names of the modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def files():
    return [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_edge_goes_up(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for name in imported(path):
        assert not name.startswith(("experiments", "configs", "tests", "benchmarks")), name
        if name.startswith("symmetry_jax."):
            target = name.split(".")[1]
            assert target == room or target in ALLOWED[room], f"{room} imports {target}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_some_libraries_have_one_home(library):
    for path in files():
        if any(name == library or name.startswith(library + ".") for name in imported(path)):
            assert path.relative_to(PACKAGE).as_posix() in ONLY_IN[library], path


def test_nothing_is_pickled():
    for path in files():
        assert not {"pickle", "cloudpickle", "dill", "joblib"} & {name.split(".")[0] for name in imported(path)}, path
        assert "allow_pickle=True" not in path.read_text(), path


def test_only_the_engine_vmaps_over_runs():
    """A vmap elsewhere runs over units or over vectors, never over runs; each such place is named here."""
    places = {path.relative_to(PACKAGE).as_posix() for path in files() if "jax.vmap" in path.read_text()}
    assert places == {"sweeps/engine.py", "symmetry/separation.py", "symmetry/curvature.py"}
    assert "batch_size=layout.tile" in (PACKAGE / "sweeps" / "engine.py").read_text()


def test_public_names_are_there_and_importing_them_is_lazy():
    import symmetry_jax

    for name in symmetry_jax.__all__:
        assert callable(getattr(symmetry_jax, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = symmetry_jax.nothing
