"""What can exactly equal filters do for a network, and what do more filters buy?

    python -m symmetry_jax run --config=configs/identical_filters.py --workdir=DIR

First, filters of a small CNN are tied in blocks of 2, 3 and all, and never again: whether they stay equal in every bit under
each optimizer, and whether the network with one filter for each block learns the same. Then networks of one convolution on
scikit-learn's handwritten digits: without a nonlinearity, with ReLU, and 16 filters of which few are distinct, beside softmax
regression; on true labels, and on labels in a random order. Presets: `smoke` (under a minute), none (about six minutes on two
cores), `full` (one accelerator).

Found: tied filters stay tied in every bit in 960 of 960 runs under five optimizers, and one filter in place of each block
learns the same to 1e-14 nats. Without a nonlinearity any number of filters is softmax regression: 1 gets 96.4% of the test
digits right and 16 get 96.5%, which only start faster (13 times softmax regression, with one 1.0; in the end 41 and 32);
softmax regression itself gets 97.0% in as many steps at the rate of its least training loss, of three, where networks have one
rate. With ReLU 1 to 16 get 95.5% to 97.2%: that 16 get more than softmax regression is not shown (0.21 points more, 95%
interval -0.09 to 0.50). They learn labels in a random order to 2.21 down to 1.80 nats; the least of any linear network is
2.159, softmax regression gets to 2.19 in as many steps and to 2.12 trained for long. With one distinct filter of 16, one seed
of sixteen learns nothing.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "identical_filters"
    config.dataset = "digits"
    config.precision = "float32"  # quotient networks are compared in float64 whatever this is

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()  # tied filters, and their quotient networks
    config.sweep.optimizer = "sgd,momentum,nesterov,adam,adamw"  # another program each
    config.sweep.seed = "0:32"  # weights, minibatches
    config.sweep.copies = "2,3,8"  # filters in a block; those left over stay alone
    config.sweep.tied_layers = "1,2"  # how many layers are tied, from the first
    config.sweep.learning_rate = "0.01"  # modest, so that rounding does not grow; the rates of blocks multiply it
    config.sweep.weight_decay = "0.01"
    config.sweep.momentum = "0.9"  # read by momentum, nesterov
    config.sweep.beta1 = "0.9"  # read by adam, adamw; beta2 and adam_eps too
    config.sweep.beta2 = "0.999"
    config.sweep.adam_eps = "1e-8"

    config.activation = "tanh"  # of the tied network
    config.filters = (8, 8)  # of each of its layers
    config.strides = (1, 2)  # one for each layer
    config.kernel = 3  # side of the kernels
    config.batch_size = 32
    config.steps = 500
    config.records = 26  # about how many times measures are read
    config.quotient_steps = 200  # over which quotient networks are compared, at every step
    config.quotient_seeds = 16  # the first few

    config.width = ConfigDict()  # axes too: networks of one convolution
    config.width.filters = "1,2,3,4,8,16"  # another program each; the most of them are also tied in blocks
    config.width.seed = "0:16"
    config.width.learning_rate = "0.1"
    config.width.weight_decay = "0.0"
    config.unpadded_filters = "1,2,3,4"  # where the convolution is VALID, and few filters cannot tell all images apart
    config.scrambled_filters = "1,4,16"  # where labels are in a random order; with the most of width.filters
    config.softmax_rates = "0.1,0.4,1.6"  # learning rates of softmax regression
    config.width_steps = 2500
    config.width_records = 17
    config.optimum_steps = 6000  # of softmax regression on all examples at once, by Nesterov's rule
    config.optimum_rate = 0.3

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.optimizer = "adamw"
    config.sweep.seed = "0:3"
    config.sweep.copies = "3"
    config.sweep.tied_layers = "2"
    config.steps = 40
    config.records = 5
    config.quotient_steps = 20
    config.quotient_seeds = 2
    config.width.filters = "1,4"
    config.width.seed = "0:4"
    config.unpadded_filters = "1"
    config.scrambled_filters = "1,4"
    config.width_steps = 60
    config.width_records = 7
    config.optimum_steps = 60
    config.save_steps = 20
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.seed = "0:256"
    config.sweep.learning_rate = "0.003,0.01,0.03"
    config.steps = 5000
    config.quotient_seeds = 32
    config.width.filters = "1,2,3,4,6,8,12,16,32"
    config.width.seed = "0:128"
    config.unpadded_filters = "1,2,3,4,6,8,12,16,32"
    config.scrambled_filters = "1,2,4,8,16,32"
    config.width_steps = 10000
    config.optimum_steps = 20000
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
