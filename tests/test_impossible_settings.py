"""A list of all settings that cannot be: each is told in one line before anything is compiled, and nothing is touched."""

import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags
from absl.testing import flagsaver
from ml_collections import config_flags

from symmetry_jax import command_line
from symmetry_jax.errors import InputError
from symmetry_jax.sweeps.runner import run_study

pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),  # a warning of numpy would be another line
    pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning"),  # how ml_collections reads a config
]

ROOT = Path(__file__).parent.parent
SMOKE = "configs/near_identical_filters.py:smoke"
STUDIES = ", ".join(sorted(path.stem for path in (ROOT / "configs").glob("*.py")))

# Every row: overrides, separated by blanks, and words of the line that is told.

SIZES = [
    ("filters=()", "filters=(): a CNN has at least one convolution"),
    ("filters=", "filters=('',): whole numbers, at least 1"),
    ("filters=0,8", "filters=(0, 8): whole numbers, at least 1"),
    ("filters=8,-1", "filters=(8, -1): whole numbers, at least 1"),
    ("filters=8.5,8", "filters=(8.5, 8): whole numbers, at least 1"),
    ("filters=True,True", "filters=(True, True): whole numbers, at least 1"),
    ("filters=None", "filters=(None,): whole numbers, at least 1"),
    ("filters=tanh", "filters=('tanh',): whole numbers, at least 1"),
    ("filters='8,16'", "filters=('8,16',): whole numbers, at least 1"),
    ("filters=8", "filters=(8,) and strides=(1, 2): one stride for each layer"),
    ("filters=8,8,8", "filters=(8, 8, 8) and strides=(1, 2): one stride for each layer"),
    ("filters=(8,", "flag --config.filters=(8,: Error while parsing"),
    ("filters=1000000000,8", "weights, and at most 268,435,456 are possible"),
    ("filters=1000000000,1000000000", "weights, and at most 268,435,456 are possible"),
    ("strides=()", "strides=(): one stride for each layer"),
    ("strides=1", "strides=(1,): one stride for each layer"),
    ("strides=1,0", "strides=(1, 0): whole numbers, at least 1"),
    ("strides=-1,1", "strides=(-1, 1): whole numbers, at least 1"),
    ("strides=1,1.5", "strides=(1, 1.5): whole numbers, at least 1"),
    ("strides=9,1", "strides=(9, 1): at most 8 for layer conv_0, which reads maps of 8x8"),
    ("strides=1,1000000000000", "at most 8 for layer conv_1, which reads maps of 8x8"),
    ("strides=8,2 padding=VALID", "strides=(8, 2): at most 1 for layer conv_1, which reads maps of 1x1"),
    ("strides=4,1 padding=VALID", "a kernel of 3x3 does not fit maps of 2x2"),
    ("kernel=0", "kernel=0: whole numbers, at least 1"),
    ("kernel=-3", "kernel=-3: whole numbers, at least 1"),
    ("kernel=16", "kernel=16: at most 15 for images of 8x8"),
    ("kernel=100000000", "kernel=100000000: at most 15 for images of 8x8"),
    ("kernel=9 padding=VALID", "a kernel of 9x9 does not fit maps of 8x8"),
    ("kernel=5 padding=VALID", "a kernel of 5x5 does not fit maps of 4x4"),
    ("kernel=5 padding=VALID lowering=xla", "a kernel of 5x5 does not fit maps of 4x4"),
    ("batch_size=0", "batch_size=0: at least 1 example"),
    ("batch_size=-32", "batch_size=-32: at least 1 example"),
    ("batch_size=1438", "batch_size=1438: at most 1,437, the examples of the training set"),
    ("steps=0", "steps=0 and records=11: at least 1 step and 2 records"),
    ("steps=-60", "steps=-60 and records=11: at least 1 step and 2 records"),
    ("steps=2147483647", "steps=2147483647 and records=11: at least 1 step and 2 records are needed, at most 2,147,483,646"),
    ("records=1", "steps=60 and records=1: at least 1 step and 2 records"),
    ("records=-11", "steps=60 and records=-11: at least 1 step and 2 records"),
    ("records=10000000000", "at most 2,147,483,646 and 1,000,000 are possible"),
    ("quotient_steps=0", "quotient_steps=0: 1 to 999,999"),
    ("quotient_steps=-30", "quotient_steps=-30: 1 to 999,999"),
    ("quotient_steps=3000000000", "quotient_steps=3000000000: 1 to 999,999"),
    ("check_seeds=0", "check_seeds=0: at least 1"),
    ("check_seeds=-2", "check_seeds=-2: at least 1"),
    ("twins=()", "twins=() are not two units of conv_0, which has 0..7"),
    ("twins=0", "twins=(0,) are not two units"),
    ("twins=0,1,2", "twins=(0, 1, 2) are not two units"),
    ("twins=2,2", "twins=(2, 2) are not two units"),
    ("twins=0,8", "twins=(0, 8) are not two units"),
    ("twins=0,-1", "twins=(0, -1) are not two units"),
    ("twins=0.0,1.0", "twins=(0.0, 1.0) are not two units"),
    ("twins=False,True", "twins=(False, True) are not two units"),
    ("twins=('a','b')", "twins=('a', 'b') are not two units"),
    ("filters=8,1", "twins=(0, 1) are not two units of conv_1, which has 0..0"),
    ("tile=-1", "tile=-1: 0 (automatic) or more"),
    ("tile=1000000000000", "make it smaller"),
    ("wave=-1", "wave=-1: 0 (automatic) or more"),
    ("save_steps=-1", "save_steps=-1: 0 (automatic) or more"),
    ("save_seconds=0", "save_seconds=0.0: a number above 0"),
    ("save_seconds=-60", "save_seconds=-60.0: a number above 0"),
    ("save_seconds=nan", "save_seconds=nan: a number above 0"),
    ("save_seconds=inf", "save_seconds=inf: a number above 0"),
]

NAMES = [
    ("study=none", f"unknown study 'none': choose from {STUDIES}"),
    ("study=", f"unknown study '': choose from {STUDIES}"),
    ("study=../setup", f"unknown study '../setup': choose from {STUDIES}"),
    ("dataset=mnits", "unknown dataset 'mnits': choose from digits"),
    ("precision=float16", "unknown precision 'float16': choose from float32, float64"),
    ("head=max", "unknown head 'max': choose from flatten, average"),
    ("padding=same", "unknown padding 'same': choose from SAME, VALID"),
    ("padding=", "unknown padding '': choose from SAME, VALID"),
    ("lowering=fft", "unknown lowering 'fft': choose from patches, xla"),
    ("minibatches=own", "unknown minibatches 'own': choose from per_seed, shared"),
    ("spacing=square", "unknown spacing 'square': choose from even, log"),
    ("sweep.activation=tanhh", "unknown activation 'tanhh': choose from tanh, erf, relu"),
    ("sweep.activation=tanh,tahn", "unknown activation 'tahn': choose from tanh, erf, relu"),
    ("sweep.activation=0.1", "unknown activation 0.1: choose from tanh, erf, relu"),
    ("sweep.activation=0:2", "unknown activation 0: choose from tanh, erf, relu"),
    ("sweep.optimizer=sgdd", "unknown optimizer 'sgdd': choose from sgd, momentum"),
    ("sweep.optimizer=3", "unknown optimizer 3: choose from sgd, momentum"),
    ("sweep.initializer=xavier", "unknown initializer 'xavier': choose from he, lecun"),
    ("sweep.initializer=0", "unknown initializer 0: choose from he, lecun"),
]

TYPES = [
    ("steps=many", "--config.steps=many"),
    ("steps=1e3", "--config.steps=1e3"),
    ("steps=", "--config.steps=:"),
    ("steps", "Missing value for flag --config.steps"),
    ("records=2.5", "--config.records=2.5"),
    ("quotient_steps=ten", "--config.quotient_steps=ten"),
    ("check_seeds=0:2", "--config.check_seeds=0:2"),
    ("batch_size=16,32", "--config.batch_size=16,32"),
    ("kernel=3,5", "--config.kernel=3,5"),
    ("kernel=3.5", "--config.kernel=3.5"),
    ("tile=auto", "--config.tile=auto"),
    ("wave=0.5", "--config.wave=0.5"),
    ("save_steps=False", "--config.save_steps=False"),
    ("save_seconds=soon", "--config.save_seconds=soon"),
    ("sweep=3", "--config.sweep=3"),
    ("sweep={}", "this study needs an axis for activation, epsilon, initializer, learning_rate, optimizer, seed"),
    ("stepz=3", "an override names no setting of the config: 'stepz' Did you mean \"steps\""),
    ("sweep.sead=0:3", "an override names no setting of the config: 'sead' Did you mean \"seed\""),
    ("sweep.batch_size=16,32", "an override names no setting of the config: 'batch_size'"),
    ("sweep.filters=8,16", "an override names no setting of the config: 'filters'"),
    ("steps.most=3", "steps.most"),
]

AXES = [
    ("sweep.seed=", "axis seed='': cannot read '': an axis is a value, a union a,b,c"),
    ("sweep.activation=", "axis activation='': cannot read ''"),
    ("sweep.epsilon=0,,1", "axis epsilon='0,,1': cannot read ''"),
    ("sweep.optimizer=sgd,", "axis optimizer='sgd,': cannot read ''"),
    ("sweep.seed=3:3", "axis seed='3:3': '3:3' cannot be: it has 0 points, and 1 to 1,000,000 are possible"),
    ("sweep.seed=5:3", "it has 0 points"),
    ("sweep.seed=log:1:1:0", "it has 0 points"),
    ("sweep.epsilon=lin:0:1:-3", "it has 0 points"),
    ("sweep.seed=0:2000000", "it has 2,000,000 points, and 1 to 1,000,000 are possible"),
    ("sweep.epsilon=lin:0:1:100000000000", "it has 100,000,000,000 points, and 1 to 1,000,000 are possible"),
    ("sweep.seed=0:600000,1000000:1600000", "has 1,200,000 points: at most 1,000,000 are possible"),
    ("sweep.seed=0:400000 sweep.bias=0:30", "bias 30 x epsilon 4 x learning_rate 2 x seed 400,000 make 96,000,000 runs"),
    ("sweep.epsilon=log:0:1:4", "the ends of log:a:b:n have the same sign, and neither is 0"),
    ("sweep.epsilon=log:1:0:4", "the ends of log:a:b:n have the same sign, and neither is 0"),
    ("sweep.bias=log:-1:1:4", "the ends of log:a:b:n have the same sign, and neither is 0"),
    ("sweep.bias=lin:-1e308:1e308:3", "the distance between the ends is finite"),
    ("sweep.epsilon=log:1e-3:1", "cannot read 'log:1e-3:1': an axis is a value"),
    ("sweep.epsilon=log:1e-3:1:2.5", "cannot read 'log:1e-3:1:2.5': an axis is a value"),
    ("sweep.epsilon=log:a:b:3", "cannot read 'log:a:b:3': an axis is a value"),
    ("sweep.seed=0-8", "axis seed='0-8': cannot read '0-8'"),
    ("sweep.seed=0:4:2", "cannot read '0:4:2'"),
    ("sweep.seed=0.5:4", "cannot read '0.5:4'"),
    ("sweep.seed=:4", "cannot read ':4'"),
    ("sweep.learning_rate=[0.1,0.3]", "cannot read '[0.1'"),
    ("sweep.learning_rate=0.1;0.3", "cannot read '0.1;0.3'"),
    ("sweep.activation=tanh,1", "axis activation='tanh,1' mixes names and numbers"),
    ("sweep.seed=0:3,2", "axis seed has the same value twice: 2"),
    ("sweep.epsilon=0,0.0", "axis epsilon has the same value twice: 0"),
    ("sweep.epsilon=log:1:1:3", "axis epsilon has the same value twice: 1.0"),
    ("sweep.activation=relu,relu", "axis activation has the same value twice: relu"),
    ("sweep.momentum=0.1,0.2", "axis momentum has several values, but 'twins activation=tanh"),
    ("zipped=seed", "zipped: axis 'seed' is alone: join what varies together by +"),
    ("zipped=learning_rate,momentum", "zipped: axis 'learning_rate' is alone"),
    ("zipped=,", "zipped: no axis '': choose from activation"),
    ("zipped=seed+", "zipped: no axis '': choose from activation"),
    ("zipped=seed+rate", "zipped: no axis 'rate': choose from activation"),
    ("zipped=bias+bias", "zipped: axis 'bias' is named twice"),
    ("zipped=bias+beta1,beta1+beta2", "zipped: axis 'beta1' is named twice"),
    ("zipped=learning_rate+bias", "zipped: axes learning_rate+bias have different lengths"),
    ("zipped=learning_rate+seed sweep.seed=0:2", "seed and epsilon are axes of their own"),
    ("zipped=bias+activation", "zips a setting that changes the program with one that does not"),
]

NUMBERS = [
    ("sweep.seed=-1", "axis seed: -1: seeds are whole numbers from 0 to 2147483647"),
    ("sweep.seed=-3:3", "axis seed: -3: seeds are whole numbers"),
    ("sweep.seed=0.5", "axis seed: 0.5: seeds are whole numbers"),
    ("sweep.seed=1e3", "axis seed: 1000.0: seeds are whole numbers"),
    ("sweep.seed=lin:0:2:3", "axis seed: 0.0: seeds are whole numbers"),
    ("sweep.seed=2147483648", "axis seed: 2147483648: seeds are whole numbers"),
    ("sweep.seed=99999999999999999999", "whole numbers are at most 9223372036854775807 in size"),
    ("sweep.seed=tanh", "axis seed: 'tanh' is a name, but seed is a number"),
    ("sweep.epsilon=small", "axis epsilon: 'small' is a name, but epsilon is a number"),
    ("sweep.learning_rate=fast", "axis learning_rate: 'fast' is a name, but learning_rate is a number"),
    ("sweep.constant=he", "axis constant: 'he' is a name, but constant is a number"),
    ("sweep.learning_rate=nan", "'nan' cannot be: values are finite"),
    ("sweep.learning_rate=NaN", "'NaN' cannot be: values are finite"),
    ("sweep.learning_rate=-inf", "'-inf' cannot be: values are finite"),
    ("sweep.weight_decay=Infinity", "'Infinity' cannot be: values are finite"),
    ("sweep.bias=1e999", "'1e999' cannot be: values are finite"),
    ("sweep.epsilon=lin:0:inf:3", "values are finite"),
    ("sweep.epsilon=-1", "axis epsilon: -1 is outside of [0, inf) in float32"),
    ("sweep.epsilon=0,-1e-3", "axis epsilon: -0.001 is outside of [0, inf) in float32"),
    ("sweep.learning_rate=-0.1", "axis learning_rate: -0.1 is outside of [0, inf) in float32"),
    ("sweep.weight_decay=-0.1", "axis weight_decay: -0.1 is outside of [0, inf) in float32"),
    ("sweep.momentum=1", "axis momentum: 1 is outside of [0, 1) in float32"),
    ("sweep.momentum=-0.9", "axis momentum: -0.9 is outside of [0, 1) in float32"),
    ("sweep.momentum=0.999999999", "axis momentum: 0.999999999 is outside of [0, 1) in float32"),
    ("sweep.optimizer=momentum sweep.momentum=0.9,1.5", "axis momentum: 1.5 is outside of [0, 1) in float32"),
    ("sweep.beta1=1.0", "axis beta1: 1.0 is outside of [0, 1) in float32"),
    ("sweep.beta1=-0.1", "axis beta1: -0.1 is outside of [0, 1) in float32"),
    ("sweep.beta2=1 precision=float64", "axis beta2: 1 is outside of [0, 1) in float64"),
    ("sweep.beta2=-1", "axis beta2: -1 is outside of [0, 1) in float32"),
    ("sweep.adam_eps=0", "axis adam_eps: 0 is outside of (0, inf) in float32"),
    ("sweep.adam_eps=-1e-8", "axis adam_eps: -1e-08 is outside of (0, inf) in float32"),
    ("sweep.adam_eps=1e-60", "axis adam_eps: 1e-60 cannot be in float32: 0, or from 1.18e-38 to 3.4e+38 in size"),
    ("sweep.epsilon=0,1e-60", "axis epsilon: 1e-60 cannot be in float32"),
    ("sweep.bias=-1e39", "axis bias: -1e+39 cannot be in float32"),
    ("sweep.learning_rate=0.1,0.10000000001", "axis learning_rate: 0.1 and 0.10000000001 are the same number in float32"),
]

CONFIGS = [
    ("configs/none.py", "--config=configs/none.py: no config that names a study"),
    ("configs", "--config=configs: no config that names a study"),
    ("", "--config=: no config that names a study"),
    ("README.md", "README.md, line"),
    ("tests/drawing.py", "no attribute 'get_config'"),
    ("configs/near_identical_filters.py:huge", "unknown preset 'huge': choose from '' (none), smoke, full"),
]


BROKEN = [  # what a config says, and words of the line that is told
    ("import nothing_like_it", "config.py, line 1: ModuleNotFoundError: No module named 'nothing_like_it'"),
    ("from os import nothing_like_it", "config.py, line 1: ImportError: cannot import name 'nothing_like_it'"),
    ("get_config = nothing_like_it", "config.py, line 1: NameError: name 'nothing_like_it' is not defined"),
    ("def get_config(preset=''): return {}['lost']", "config.py, line 1: KeyError: 'lost'"),
    ("def get_config(preset=''): return 1 / 0", "config.py, line 1: ZeroDivisionError: division by zero"),
    ("def get_config(preset=''): return ''.lost", "no attribute 'lost'"),
    ("def get_config(preset=''): return 1 + ''", "TypeError: unsupported operand"),
    ("def get_config(preset='')", "(config.py, line 1)"),
]

PROCESSES = [
    ("--coordinator=localhost --processes=2 --process=0", "--coordinator=localhost: HOST:PORT"),
    ("--coordinator=localhost: --processes=2 --process=0", "--coordinator=localhost:: HOST:PORT"),
    ("--coordinator=:1234 --processes=2 --process=0", "--coordinator=:1234: HOST:PORT"),
    ("--coordinator=localhost:http --processes=2 --process=0", "--coordinator=localhost:http: HOST:PORT"),
    ("--coordinator=localhost:65536 --processes=2 --process=0", "with a port from 1 to 65535"),
    ("--coordinator=localhost:1234 --processes=2 --process=2", "--process=2: 0 to 1, with --processes=2"),
    ("--coordinator=localhost:1234 --processes=2", "name all of --coordinator=HOST:PORT"),
    ("--processes=2 --process=0 --distributed=true", "name all of --coordinator=HOST:PORT"),
]


@pytest.fixture
def settings(monkeypatch):
    """The config that a command line asks for, as `python -m symmetry_jax run` reads it."""
    monkeypatch.chdir(ROOT)

    def parse(config, *overrides):
        arguments = ["symmetry_jax", f"--config={config}", *(f"--config.{override}" for override in overrides)]
        values = flags.FlagValues()
        holder = config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=arguments)
        monkeypatch.setattr(flags, "FLAGS", values)
        monkeypatch.delitem(sys.modules, "config_config", raising=False)  # a config is loaded over the one before
        monkeypatch.setattr(command_line, "CONFIG", holder)
        command_line._parse(arguments)
        return command_line._config()

    return parse


@pytest.mark.parametrize("overrides, words", SIZES + NAMES + TYPES + AXES + NUMBERS)
def test_a_setting_that_cannot_be_is_told_in_one_line(overrides, words, settings, tmp_path):
    def compiling(line):
        raise AssertionError(f"about to be computed: {line}")

    with pytest.raises(InputError) as caught:
        config = settings(SMOKE, *overrides.split())
        run_study(command_line.load_study(config.study), config, tmp_path / "new", "", say=compiling)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("config, words", CONFIGS)
def test_a_config_that_cannot_be_is_told_in_one_line(config, words, settings):
    with pytest.raises(InputError) as caught:
        settings(config)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content, words", BROKEN)
def test_a_config_that_is_broken_is_told_in_one_line(content, words, settings, tmp_path):
    (tmp_path / "config.py").write_text(content)
    with pytest.raises(InputError) as caught:
        settings(tmp_path / "config.py")
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("given, words", PROCESSES)
def test_processes_that_cannot_be_are_told_in_one_line(given, words):
    flags.FLAGS.mark_as_parsed()
    values = dict(flag.removeprefix("--").split("=") for flag in given.split())
    with flagsaver.as_parsed(**values), pytest.raises(InputError) as caught:
        command_line._check_processes()
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "place, override, words",
    [
        ("new", "sweep.momentum=1.5", "error: axis momentum: 1.5 is outside of [0, 1) in float32"),
        ("file", "sweep.momentum=0.5", "file cannot be used: Not a directory"),
    ],
)
def test_the_command_line_ends_with_1_and_touches_nothing(place, override, words, tmp_path):
    (tmp_path / "file").write_text("mine")
    settings = [f"--config={SMOKE}", f"--workdir={tmp_path / place}", f"--config.{override}"]
    command = [sys.executable, "-m", "symmetry_jax", "run", *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1 and words in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "mine"
