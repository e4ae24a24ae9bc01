"""What takes filters apart that are exactly equal, when, and by how much?

    python -m symmetry_jax run --config=configs/symmetry_breakers.py --workdir=DIR

Two filters of a CNN are tied exactly and trained on scikit-learn's handwritten digits with one source of asymmetry at a time,
its strength an axis; every step is watched for the first bit in which they differ. Then dropout's kick is held against its
formula, and arithmetic itself is looked at: networks whose hidden units all start equal, at every width from 2 to 64.
Presets: `smoke` (a minute, most of it compiling), none (about ten minutes on two cores), `full` (one accelerator).

Found: minibatches, momentum, Adam, weight decay, augmentation, batch norm, noise on labels and dropout elsewhere changed no bit
in 448 runs. Dropout on the filters, noise on gradients and weights, rounding and unequal fan-out part them. The first kick is
that of a closed form for noise at all strengths and for rounding at grids up to 1e-3; dropout's formula was checked in
regressions of one step alone. In float64 all widths but 2, 4 and multiples of 8 lose the tie to the last bit of a sum (in
float32 one does, 49), and split into 2 to 4 distinct units, never into all of a layer; the step at which that is seen is told
to 2% by the transverse exponent. Units that part learn more than the same with ties held. That was with jax 0.10.2; with
0.12.0.1 the widths are 3, 5-7, 9-11, 13-19, 21-23, 25-31, 33-35, 37-43, 45-47, 49-55, 57-59 and 61-64 in float64, and 3 and
5-7 in float32.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "symmetry_breakers"
    config.dataset = "digits"
    config.precision = "float32"  # of the sources; arithmetic has precisions of its own

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()
    # see SOURCES in the experiment; a program each
    config.sweep.source = (
        "minibatches,momentum,adam,weight_decay,augmentation,batch_norm,label_noise,dropout_elsewhere,"
        "dropout,gradient_noise,weight_noise,fan_out,rounding"
    )
    config.sweep.seed = "0:16"  # weights, minibatches, noise
    config.sweep.strength = "0,1e-4,1e-3,0.01,0.1,0.5"  # a chance, a coefficient, a deviation, a grid or a distance
    config.sweep.learning_rate = "0.1"
    config.sweep.beta1 = "0.9"  # read by adam; beta2 and adam_eps too, and its rate is a hundredth of the learning rate
    config.sweep.beta2 = "0.999"
    config.sweep.adam_eps = "1e-8"

    config.dropout = ConfigDict()  # axes too: the first step of small regressions
    config.dropout.seed = "0:4096"
    config.dropout.dropout = "0.05,0.2,0.5,0.8"
    config.dropout.learning_rate = "0.1"

    config.arithmetic = ConfigDict()  # axes too: perceptrons with one hidden layer, all weights equal at the start
    config.arithmetic.floats = "float64,float32"  # a program for each of these
    config.arithmetic.width = "2:65"  # and each of these
    config.arithmetic.seed = "0:16"  # minibatches
    config.arithmetic.constant = "0.1"  # every weight at the start
    config.arithmetic.learning_rate = "0.3"
    config.followed = "3,7,12,20,31,48"  # widths whose ties are held as well, with a difference followed; in float64

    config.steps = 500
    config.arithmetic_steps = 1500
    config.records = 51  # about how many times measures are read

    config.tile = 8  # runs computed side by side in a device: which widths lose a tie depends on shapes; 0 for what is fastest
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.source = "label_noise,gradient_noise,rounding"
    config.sweep.seed = "0:4"
    config.sweep.strength = "0,1e-3"
    config.dropout.seed = "0:512"
    config.dropout.dropout = "0.3"
    config.arithmetic.width = "7,8"
    config.arithmetic.floats = "float64"
    config.arithmetic.seed = "0:2"
    config.followed = "7,8"
    config.steps = 30
    config.arithmetic_steps = 1000
    config.records = 11
    config.save_steps = 15
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.seed = "0:256"
    config.sweep.strength = "0,log:1e-6:0.5:24"
    config.dropout.seed = "0:65536"
    config.arithmetic.seed = "0:64"
    config.arithmetic.width = "2:257"
    config.followed = "3,7,12,20,31,48,65,100,129,200"
    config.steps = 5000
    config.arithmetic_steps = 5000
    config.tile = 0
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
