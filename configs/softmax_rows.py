"""Do all weights of a softmax classifier get equal updates when they start at zero, or at any one number?

    python -m symmetry_jax run --config=configs/softmax_rows.py --workdir=DIR

One layer on scikit-learn's handwritten digits, for several numbers of classes: its first step on one example, on a minibatch,
on the whole training set and on a balanced one, and then long training with several optimizers from several constants.
Presets: `smoke` (half a minute), none (about two minutes on two cores), `full` (one accelerator).

Found: "all updates have equal magnitude" is right between the two rows of K = 2, for any batch, and never between inputs, since
weights move in proportion to their pixel. For K > 2 the true class's row moves the other way, K - 1 times as far as each other.
Rows sum to zero for ever, to 1e-15, but with Adam only for K = 2. A constant start is the zero start shifted, to 5e-15 after
1,000 steps (Adam: 1e-14); what weight decay leaves of the shift is c (1 - lr wd)^t for sgd and AdamW, and something else
with momentum.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "softmax_rows"
    config.dataset = "digits"
    config.precision = "float64"  # float32 checks to fewer digits, and nothing that its rounding may hide: Adam's sums, shifts

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()
    config.sweep.classes = "2,3,5,10"  # the first so many digits; a program each; long runs take the fewest and the most
    config.sweep.batch = "example,minibatch,full,balanced"  # of the first step; a program each; long runs see minibatches
    config.sweep.optimizer = "sgd,momentum,nesterov,adam,adamw"  # of long runs; a program each
    config.sweep.seed = "0:64"  # minibatches; the first steps of as many single examples
    config.sweep.constant = "0,0.1,-0.5,1"  # all weights at the start; 0 among them
    config.sweep.learning_rate = "log:1e-6:1e-1:6"  # of the first step; long runs take the largest
    config.sweep.weight_decay = "0,0.01,0.1"  # of long runs; the first step is without
    config.sweep.bias = "0.0"  # all biases at the start
    config.sweep.momentum = "0.9"  # read by momentum, nesterov
    config.sweep.beta1 = "0.9"  # read by adam, adamw; beta2 and adam_eps too
    config.sweep.beta2 = "0.999"
    config.sweep.adam_eps = "1e-8"

    config.batch_size = 32  # of a minibatch
    config.few_seeds = 8  # the first few, for long runs and for steps of which the weights are kept

    config.steps = 1000  # of long runs
    config.records = 31  # about how many times measures are read in long runs
    config.spacing = "log"  # of records in steps; or even

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.classes = "2,4"
    config.sweep.batch = "example,balanced"
    config.sweep.optimizer = "sgd"
    config.sweep.seed = "0:8"
    config.sweep.constant = "0,0.5"
    config.sweep.learning_rate = "log:1e-6:1e-1:3"
    config.sweep.weight_decay = "0,0.1"
    config.few_seeds = 2
    config.steps = 60
    config.records = 11
    config.save_steps = 20
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.classes = "2:11"
    config.sweep.seed = "0:1024"
    config.sweep.constant = "0,lin:-1:1:8"
    config.sweep.weight_decay = "0,log:1e-4:1:5"
    config.few_seeds = 32
    config.steps = 10_000
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
