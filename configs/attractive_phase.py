"""Where does a symmetric phase attract, so that units that are almost equal merge instead of parting?

    python -m symmetry_jax run --config=configs/attractive_phase.py --workdir=DIR

A committee of equal units imitates a teacher of the same size, without noise, on a fixed sample: on one input with one unit of
the teacher pointing the other way, on several inputs with random teachers, and on the plateau that is known. Presets: `smoke`
(three quarters of a minute), none (seven minutes on two cores), `full` (one accelerator).

Found: yes, without noise and in tasks that can be learned. On one input without biases equal units attract once the opposite
unit of the teacher is longer than 1.81 (erf) or 2.68 (tanh); the population has 1.85 and 2.79. Twins that start up to 1 apart
merge there, those 2 apart learn the task. Adjustable biases end it: erf and tanh never attract then, on one input or on eight.
GELU does: of students of random teachers that are told none from hidden biases at 0, 98% and 99% from biases at -2 and -3.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "attractive_phase"
    config.precision = "float64"  # a difference that shrinks is followed over many decades

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()
    config.sweep.activation = "erf,tanh,gelu"  # another program each; gelu not on one input, and the plateau with erf alone
    config.sweep.biases = "fixed,free"  # of the hidden units on one input; another program each; elsewhere they are free
    config.sweep.seed = "0:48"  # teachers, lines on which students start; samples of the plateau; the first alone on one input
    config.sweep.length = "0.5,1,lin:1.5:3.5:21,4,5"  # on one input, of the teacher's unit that points the other way
    config.sweep.bias_scale = "0,0.5,1"  # standard deviation of the biases of random teachers
    config.sweep.start_bias = "0,-0.5,-1,-1.5,-2,-3"  # hidden biases of the students of random teachers, at the start
    config.sweep.start_weight = "0.6"  # norm of a student's weights at the start
    config.sweep.epsilon = "1e-6,1e-3,1,2"  # distances above 0 of twins that are let go, on one input; the smallest elsewhere
    config.sweep.learning_rate = "0.5"
    config.zipped = ""  # each axis of this study is one of its own

    config.examples = 512  # of the fixed sample, of which half are the other half times -1
    config.inputs = 8  # of random teachers
    config.units = 2  # of random and orthonormal teachers, and of their students
    config.opposed_units = 3  # on one input; at least 3
    config.plateau_examples = 2048  # of the sample that each seed draws for the plateau

    config.steps = 2000  # with the tie held, and as many again with twins apart
    config.records = 21  # about how many times measures are read; at least 3

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.activation = "erf,gelu"
    config.sweep.biases = "fixed"
    config.sweep.seed = "0:4"
    config.sweep.length = "1,1.5,1.75,2,3"
    config.sweep.bias_scale = "0.5"
    config.sweep.start_bias = "0,-2"
    config.sweep.epsilon = "1e-6,2"
    config.examples = 128
    config.plateau_examples = 256
    config.steps = 1000
    config.records = 11
    config.save_steps = 500
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.activation = "erf,tanh,gelu,silu"
    config.sweep.seed = "0:256"
    config.sweep.length = "lin:0.5:6:31"
    config.sweep.bias_scale = "0,0.5,1,2"
    config.sweep.start_bias = "lin:-4:0:9"
    config.sweep.epsilon = "1e-6,1e-3,1,2"
    config.plateau_examples = 8192
    config.steps = 10_000
    config.records = 41
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
