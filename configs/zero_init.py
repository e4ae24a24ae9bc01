"""What exactly happens with zero or constant initial weights?

    python -m symmetry_jax run --config=configs/zero_init.py --workdir=DIR

Perceptrons of one to five weight layers on scikit-learn's handwritten digits, all weights of which start at one constant. For
every array the step of its first move, the size of its first gradient and the rank it ever has are predicted without running a
network, and then measured. Presets: `smoke` (half a minute), none (about five minutes on two cores), `full` (an accelerator).
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "zero_init"
    config.precision = "float64"  # in float32 gradients of the first of five layers underflow to zero

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names. The first eight make another program each.
    config.sweep = ConfigDict()
    config.sweep.dataset = "digits"
    config.sweep.classes = "10"  # the examples of the first so many digits
    config.sweep.batch = "full,balanced,minibatch"  # balanced: as many examples of each class, and all of them at every step
    config.sweep.batch_size = "32"  # of a minibatch
    config.sweep.layers = "2,3,1,4,5"  # weight layers; see `crossed`
    config.sweep.activation = "tanh,sigmoid,relu,gelu,silu,softplus,identity"  # of hidden layers; see `crossed`
    config.sweep.width = "8"  # of hidden layers; at most others arithmetic takes ties apart, with jax 0.12.0.1 at 16 too
    config.sweep.optimizer = "sgd"  # also momentum, nesterov, adam, adamw; sizes and escapes are predicted for sgd
    config.sweep.seed = "0:2"  # minibatches; what does not depend on them runs once
    config.sweep.constant = "0.0,0.01,0.1,1.0"  # all weights at the start
    config.sweep.bias = "0.0"  # all biases at the start
    config.sweep.learning_rate = "0.1,1.0"  # at the larger one what leaves a standstill does so within the steps
    config.sweep.weight_decay = "0.0"
    config.sweep.momentum = "0.9"  # read by momentum, nesterov
    config.sweep.beta1 = "0.9"  # read by adam, adamw; beta2 and adam_eps too
    config.sweep.beta2 = "0.999"
    config.sweep.adam_eps = "1e-8"
    config.zipped = ""  # axes that vary together, as in "layers+activation"

    config.crossed = 2  # the first so many layers meet every activation, and activations every layer; 0 for the whole product
    config.hold_ties = False  # project each update on the subspace in which all units of a layer are equal
    config.random_seeds = 4  # of random starts beside the constant ones, on the first batch; 0 for none

    config.steps = 1300
    config.records = 61  # about how many times measures are read
    config.spacing = "log"  # of records in steps; or even

    config.tile = 2  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.layers = "2,3"
    config.sweep.activation = "tanh,sigmoid"
    config.sweep.batch = "full,balanced"
    config.sweep.classes = "4"
    config.sweep.constant = "0.0,0.1"
    config.sweep.learning_rate = "1.0"
    config.crossed = 1
    config.random_seeds = 2
    config.steps = 400
    config.records = 31
    config.save_steps = 200
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.seed = "0:64"
    config.sweep.constant = "0.0,log:1e-3:1:13,-0.1,-1.0"
    config.sweep.learning_rate = "0.01,0.1,1.0"
    config.crossed = 0
    config.random_seeds = 64
    config.steps = 5000
    config.tile = 0
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
