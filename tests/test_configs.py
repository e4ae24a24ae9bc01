"""Every config builds with every preset."""

import importlib.util
from pathlib import Path

import pytest

from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.sweeps.engine import Engine

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.py"))


def load(path, preset=""):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(preset)


def near_identical(**changes):
    config = load(ROOT / "configs" / "near_identical_filters.py", "smoke")
    for name, value in changes.items():
        config[name] = value
    return config


# programs of a study are traced, at most so many: some have hundreds that differ in a width
@pytest.mark.parametrize("preset, traced", [("", 5), ("smoke", 24), pytest.param("full", 24, marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_preset_builds(path, preset, traced):
    config = load(path, preset)
    programs = load_study(config.study).build(config)
    assert programs and config.study == path.stem
    for program in programs[:: -(-len(programs) // traced)]:
        assert Engine(program, 8).shapes


def test_the_default_study_is_as_large_as_promised():
    def main_runs(preset):
        config = load(ROOT / "configs" / "near_identical_filters.py", preset)
        programs = [program for program in load_study(config.study).build(config) if program.sweep == "twins"]
        return [(program.axes, program.steps) for program in programs]

    for axes, steps in main_runs(""):
        shape = dict(zip(axes.dims, axes.shape, strict=True))
        assert shape["seed"] >= 32 and shape["epsilon"] >= 9 and shape["learning_rate"] >= 2
        assert axes.size >= 512 and steps >= 1000
    for axes, _ in main_runs("full"):
        shape = dict(zip(axes.dims, axes.shape, strict=True))
        assert shape["seed"] >= 256 and shape["epsilon"] >= 32 and shape["learning_rate"] >= 4


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam", "adamw"])
def test_any_optimizer_may_be_asked_for(optimizer):
    config = near_identical()
    config.sweep.optimizer = optimizer
    programs = load_study(config.study).build(config)
    assert "quotient" in {program.sweep for program in programs}
    assert all(Engine(program, 8).shapes for program in programs)


def test_an_axis_that_the_study_needs():
    config = near_identical()
    del config.sweep["epsilon"]
    with pytest.raises(InputError, match="this study needs an axis for epsilon"):
        load_study(config.study).build(config)
