"""Do two convolutional filters that start almost equal grow apart?

    python -m symmetry_jax run --config=configs/near_identical_filters.py --workdir=DIR

A small CNN on scikit-learn's handwritten digits. In each convolutional layer filters 0 and 1 are twins that start epsilon
apart. Presets: `smoke` (half a minute), none (about four minutes on two cores), `full` (one accelerator); and `model=PATH`,
which trains a network of your own instead: a Python file that defines `init(key, inputs)`, which returns parameters, and
`apply(params, inputs)`, which returns logits. Its groups of units are read off the program, and each has twins.

Found: tied twins stay tied in every bit. With tanh distance grows by a factor (1.2 to 6.7 in the median seed) that does not
depend on epsilon until float32 rounds; with relu twins forget how close they were, most of them at the first step.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose

OWN = "model="
OF_THE_CNN = ("filters", "strides", "kernel", "padding", "head", "lowering", "quotient_steps")
AXES_OF_THE_CNN = ("activation", "initializer", "bias", "constant")


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "near_identical_filters"
    config.dataset = "digits"
    config.precision = "float32"  # float64 moves the rounding that ends the linear regime from about 1e-6 to 1e-15

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()
    config.sweep.activation = "tanh,relu"  # also erf, gelu, silu, sigmoid, softplus, identity; another program each
    config.sweep.optimizer = "sgd"  # also momentum, nesterov, adam, adamw; another program each
    config.sweep.initializer = "lecun"  # also he, zero, constant; another program each
    config.sweep.seed = "0:32"  # weights, direction between the twins, minibatches
    config.sweep.epsilon = "0,log:1e-7:1:15"  # distance of the twins at the start
    config.sweep.learning_rate = "0.1,0.3"
    config.sweep.bias = "0.0"  # all biases at the start; at 0 a blank patch lies exactly on the kink of relu
    config.sweep.weight_decay = "0.0"
    config.sweep.momentum = "0.9"  # read by momentum, nesterov
    config.sweep.beta1 = "0.9"  # read by adam, adamw; beta2 and adam_eps too
    config.sweep.beta2 = "0.999"
    config.sweep.adam_eps = "1e-8"
    config.sweep.constant = "0.1"  # all weights at the start, where the initializer is constant
    config.zipped = ""  # axes that vary together, as in "learning_rate+momentum"

    config.twins = (0, 1)  # their places in each layer; equal columns are computed alike at 0 and 1 on every backend seen
    config.filters = (8, 8)  # filters of each convolutional layer
    config.strides = (1, 2)  # one for each layer
    config.kernel = 3  # side of the kernels
    config.padding = "SAME"  # or VALID
    config.head = "flatten"  # or average
    config.batch_size = 32
    config.minibatches = "per_seed"  # or shared: all seeds see the same examples

    config.steps = 1000
    config.records = 51  # about how many times measures are read
    config.spacing = "log"  # of records in steps; or even
    config.quotient_steps = 200  # steps over which tied filters are compared with their quotient network
    config.check_seeds = 4  # the first few seeds, for what is checked in float64

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.lowering = ""  # how convolutions are computed: patches, xla, or "" for what is faster in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    if preset.startswith(OWN):
        return _own(config, preset.removeprefix(OWN))
    return choose("preset", preset, _PRESETS)(config)


def _own(config: ConfigDict, path: str) -> ConfigDict:
    from symmetry_jax.learning.own_models import digest_of  # jax comes with it, and takes a second

    for name in OF_THE_CNN:
        del config[name]
    for name in AXES_OF_THE_CNN:
        del config.sweep[name]
    config.model = path
    config.model_digest = digest_of(path)  # a study goes on only with the file that it began with
    return config


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.activation = "tanh"
    config.sweep.seed = "0:3"
    config.sweep.epsilon = "0,log:1e-6:1e-2:3"
    config.steps = 60
    config.records = 11
    config.quotient_steps = 30
    config.check_seeds = 2
    config.save_steps = 20
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.seed = "0:256"
    config.sweep.epsilon = "0,log:1e-8:1:31"
    config.sweep.learning_rate = "0.03,0.1,0.3,0.5"
    config.steps = 5000
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
