"""What does the gradient of each filter depend on, and which of that makes filters different?

    python -m symmetry_jax run --config=configs/gradient_sources.py --workdir=DIR

Perceptrons and small CNNs learn scikit-learn's handwritten digits. At records, the difference between the gradients of two
units is split into upstream input, local derivative and downstream error, which add up to it: for twins that started a distance
epsilon apart, for units that started at random, and for units that started equal in different layers. Presets: `smoke` (half a
minute to a minute on two cores), none (four to six), `full` (one accelerator).

Found: the three sources add up to what the training step computed, to rounding, and units of one layer read the same, so that
nothing is upstream between them. Between twins of smooth activations downstream error makes most of it in 7 of 8 layers at
first (44% to 96% in the first tenth of 1,000 steps, medians), and in 4 of 8 in the second half (22% to 90%): the local
derivative takes over where units are tanh; gelu bends at 0, and its twins in a perceptron's first layer differ more in the
local derivative from the start, and less later (56% to 44%). Relu twins differ in the downstream error alone except where an
example falls between their kinks (13% of records). There the local derivative's share spreads widely, with quartiles 42%, 93%
and 100%, where nine tenths was expected of the lowest. With fan-outs held equal twins hardly part: their fan-ins end 0.9 to 1.8
times as far apart as they start, otherwise 1.9 to 18 times. Different fan-outs alone put units lr |G (a_i - a_j)| apart at the
first step. Units of equal weights in different layers have gradients as different as unrelated ones (1.42 of their size), of
which 16% to 44% is upstream at the start (medians).
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "gradient_sources"
    config.dataset = "digits"
    config.precision = "float64"  # no other: in float32 rounding hides what close twins differ in

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()
    config.sweep.network = "mlp,cnn"  # another program each
    config.sweep.activation = "tanh,relu,gelu"  # also erf, silu, sigmoid, softplus, identity; another program each
    config.sweep.held = "0,1"  # 1: the twins' fan-outs are equal from the start and made equal after every step
    config.sweep.seed = "0:24"  # weights, minibatches, direction between the twins
    config.sweep.epsilon = "1e-6,1e-4"  # distance of the twins at the start, in all that belongs to them
    config.sweep.learning_rate = "0.3"  # one value; so for what follows
    config.sweep.weight_decay = "0.0"
    config.sweep.bias = "0.1"  # all biases at the start; at 0 a blank patch lies exactly on the kink of relu

    config.kicks = ConfigDict()
    config.kicks.epsilon = "log:1e-4:1:5"  # distance of the twins' fan-outs at the start, where nothing else differs

    config.width = 16  # units of each hidden layer of perceptrons
    config.filters = 8  # of each layer of CNNs, 3x3
    config.batch_size = 32
    config.minibatches = "per_seed"  # or shared: all seeds see the same examples; or full

    config.steps = 1000
    config.records = 41  # about how many times gradients are split, at steps spaced evenly in their logarithm
    config.kick_steps = 100  # over which twins are followed whose fan-outs alone differ

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.network = "mlp"
    config.sweep.activation = "tanh,relu"
    config.sweep.seed = "0:4"
    config.sweep.epsilon = "1e-6,1e-4"
    config.kicks.epsilon = "1e-3,1"
    config.steps = 60
    config.records = 13
    config.kick_steps = 20
    config.save_steps = 20
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.activation = "tanh,relu,gelu,sigmoid"
    config.sweep.seed = "0:256"
    config.sweep.epsilon = "log:1e-7:1:8"
    config.kicks.epsilon = "log:1e-6:10:8"
    config.width = 64
    config.filters = 16
    config.steps = 10000
    config.records = 101
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
