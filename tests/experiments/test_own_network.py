"""The first study on a network that its user wrote, and what is said of files that cannot be used."""

import json

import numpy as np
import pytest

from symmetry_jax import load_results
from symmetry_jax.command_line import load_study
from symmetry_jax.errors import InputError
from symmetry_jax.reports.report import write_report
from symmetry_jax.sweeps.runner import run_study
from tests.test_configs import ROOT, load

STUDY = load_study("near_identical_filters")
WHOLE = """
import jax
import jax.numpy as jnp

def init(key, inputs):
    first, second, third = jax.random.split(key, 3)
    return [
        (jax.random.normal(first, (inputs[0].size, 4)) / 8, jnp.zeros(4)),
        {"into": jax.random.normal(second, (4, 5)) / 2, "out_of": jax.random.normal(third, (5, 10))},
    ]

def apply(params, inputs):
    (kernel, bias), dense = params
    sums = inputs.reshape(len(inputs), -1) @ kernel
    first = jax.nn.relu(sums + bias)  # of different ranks, as jax allows by default
    return jnp.tanh(first @ dense["into"]) @ dense["out_of"]
"""


def settings(path, content=WHOLE, **changes):
    path.write_text(content)
    config = load(ROOT / "configs" / "near_identical_filters.py", f"model={path}")
    config.sweep.update(seed="0:2", epsilon="0,1e-6,1e-3", learning_rate="0.1")
    config.update(steps=20, records=5, check_seeds=1, **changes)
    return config


def test_each_group_of_the_network_has_twins(tmp_path):
    config, workdir = settings(tmp_path / "mine.py"), tmp_path / "work"
    run_study(STUDY, config, workdir, "python -m symmetry_jax run", say=lambda line: None)
    write_report(STUDY, workdir)
    results = load_results(workdir)
    assert results.group.values.tolist() == ["0", "1"]
    apart = results.separation.sel(part="orbit")
    assert (apart.sel(epsilon=0) == 0).all() and (apart.isel(step=-1).sel(epsilon=1e-3) != apart.isel(step=0)).all()
    np.testing.assert_allclose(apart.isel(step=0).sel(epsilon=1e-3), 1e-3, rtol=1e-3)
    assert results.loss.isel(step=-1).mean() < results.loss.isel(step=0).mean()
    found = json.loads((workdir / "claims.json").read_text())["claims"]
    assert [claim["name"] for claim in found] == ["tied"] and found[0]["holds"]  # of a network like this nothing else is known

    with pytest.raises(InputError, match="model_digest"):
        run_study(STUDY, settings(tmp_path / "mine.py", WHOLE + "\n"), workdir, "", say=lambda line: None)


@pytest.mark.slow
def test_results_do_not_depend_on_how_the_network_was_written(tmp_path):
    """Units in another order of arrays and axes: the same start, the same training, the same distances."""
    turned = WHOLE.replace('"into": jax.random.normal(second, (4, 5)) / 2', '"into": jax.random.normal(second, (4, 5)).T / 2')
    turned = turned.replace('first @ dense["into"]', 'jnp.einsum("bi,ui->bu", first, dense["into"])')
    assert turned.count(".T") == turned.count("einsum") == 1
    found = []
    for name, content in {"one": WHOLE, "other": turned}.items():
        config = settings(tmp_path / f"{name}.py", content, precision="float64")
        config.sweep.epsilon = "0"
        run_study(STUDY, config, tmp_path / name, "", say=lambda line: None)
        found.append(load_results(tmp_path / name))
    np.testing.assert_allclose(found[0].loss, found[1].loss, rtol=1e-12)
    np.testing.assert_allclose(found[0].smallest_separation, found[1].smallest_separation, atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (WHOLE, "import nothing_of_this_name", r"mine.py:1: it raised ModuleNotFoundError: No module named"),
        (WHOLE, "def init(key:", r"mine.py: it raised SyntaxError"),
        ("def apply", "def predict", r"defines no function apply: init\(key, inputs\) and apply\(params, inputs\) are needed"),
        ('dense["into"]', 'dense["missing"]', r"mine.py:16: apply raised KeyError: 'missing'"),
        ("(4, 5)", "(3, 5)", r"mine.py:16: apply raised TypeError: dot_general requires"),
        ("(5, 10)", "(5, 9)", r"apply returns \(2, 9\) for 2 examples, and logits \(2, 10\) are needed"),
        ("return jnp.tanh", "return len(first), jnp.tanh", r"apply returns tuple for 2 examples, and logits \(2, 10\)"),
        ("jnp.zeros(4)", "jnp.zeros(4, int)", r"init returns a int32, and parameters are floating numbers"),
        (
            "return [",
            "return {'params': 0.0, 'batch_stats': 0.0}; [",
            "init returns batch_stats beside params, and nothing but",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path, old, new, words):
    config = settings(tmp_path / "mine.py", WHOLE.replace(old, new))
    with pytest.raises(InputError, match=words) as error:
        STUDY.build(config)
    assert len(str(error.value).splitlines()) == 1


def test_a_network_in_which_there_are_no_units(tmp_path):
    summed = WHOLE.replace("(sums + bias)", "(sums + bias).cumsum(1)").replace('dense["into"])', 'dense["into"]).cumsum(1)')
    assert summed.count("cumsum") == 2
    with pytest.raises(InputError, match=r"mine\.py: no units were found that may be permuted"):
        STUDY.build(settings(tmp_path / "mine.py", summed))


def test_twins_that_a_group_has_not(tmp_path):
    with pytest.raises(InputError, match=r"twins=\(0, 4\) are not two units of 0, which has 0..3"):
        STUDY.build(settings(tmp_path / "mine.py", twins=(0, 4)))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.py: No such file or directory; a Python file that defines init and apply"):
        load(ROOT / "configs" / "near_identical_filters.py", f"model={tmp_path}/nowhere.py")
