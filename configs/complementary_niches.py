"""Do filters fill niches that do not overlap?

    python -m symmetry_jax run --config=configs/complementary_niches.py --workdir=DIR

Small networks learn scikit-learn's handwritten digits, from units that are each their own and from units that are almost the
same, with the hidden layer trained and left as it was drawn. Then with something added to the loss that pushes units apart.
Presets: `smoke` (about half a minute), none (about five minutes on two cores that are free), `full` (one accelerator).

Found: not in general. Of 12 cases (network, activation, width) training from independent units lowers the mean |cosine| of
fan-ins in none and raises it in 4; in 3 it does not lower it by a tenth of what it could, and 5 cannot be told. What two units
add to the outputs correlates less than in random features in 1, more in 3, not less by a tenth in 5 (3 untold); the effective
rank of activations rises in 1, falls in 6, does not rise by a tenth in 3 (2 untold). The one case is an MLP of 4 relus (-.10,
and +.7), of 32 it is the reverse (+.03, and -3.1). Contributions correlate .26 to .47 in CNNs, -.06 to .06 in MLPs. Two units
that are removed cost up to 0.29 nats beyond the sum of each, more than in random features in 5 cases, less in 5: widening a CNN
turns more into less. With a margin, cross-entropy does this to units that do not overlap as well. More units than a fan-in has
numbers cannot but overlap: 16 or 32 directions of 9 numbers have a mean |cosine| of .19 or .24 where they are spread evenly,
.27 by chance. Units that start alike are still more alike than others at the end. Orthogonality takes these apart and makes up
for their start (92.6% of the digits to 96.4%); units that start independent gain nothing that can be told. Decorrelation at its
greatest strength silences two thirds of relus that start alike, and one third of those that start independent. Exactly equal
units stay exactly equal under both.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "complementary_niches"
    config.dataset = "digits"
    config.precision = "float32"

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()
    config.sweep.network = "cnn,cnn,mlp"  # one hidden layer; also deep: two of filters; another program each
    config.sweep.activation = "relu,tanh,relu"  # zipped with the network: see `zipped`
    config.sweep.width = "4,8,16,32"  # units of each hidden layer; another program each
    config.sweep.seed = "0:16"  # weights, minibatches
    config.sweep.spread = "0.001,1"  # what units have of their own at the start: 0 all equal, 1 independent
    config.sweep.hidden_rate = "0,1"  # times the learning rate, below the output: 0 for random features
    config.sweep.learning_rate = "0.1"
    config.sweep.weight_decay = "0.0"
    config.zipped = "network+activation"  # axes that vary together

    config.penalised = ConfigDict()  # axes too: what is added to the loss
    config.penalised.network = "cnn"
    config.penalised.activation = "relu"
    config.penalised.width = "16"  # at which XLA on CPU was seen to compute equal columns alike, in float32
    config.penalised.penalty = "orthogonality,decorrelation"  # of fan-ins, of activations; another program each
    config.penalised.seed = "0:16"
    config.penalised.spread = "0,0.001,1"
    config.penalised.strength = "0,0.1,1,10"  # nats, where all units are equal
    config.penalised.learning_rate = "0.1"
    config.penalised.weight_decay = "0.0"

    config.initializer = "lecun"  # or he
    config.batch_size = 32
    config.minibatches = "per_seed"  # or shared: all seeds see the same examples

    config.steps = 2000
    config.records = 9  # about how many times measures are read, at steps spaced evenly in their logarithm

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.network = "cnn"
    config.sweep.activation = "relu"
    config.sweep.width = "4,8"
    config.sweep.seed = "0:4"
    config.penalised.width = "8"
    config.penalised.penalty = "orthogonality"
    config.penalised.seed = "0:4"
    config.penalised.strength = "0,10"
    config.steps = 100
    config.records = 5
    config.save_steps = 50
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.network = "cnn,cnn,mlp,mlp,deep"
    config.sweep.activation = "relu,tanh,relu,tanh,relu"
    config.sweep.width = "4,8,16,32,64"
    config.sweep.seed = "0:128"
    config.sweep.spread = "0.001,0.01,0.1,1"
    config.penalised.seed = "0:128"
    config.penalised.strength = "0,log:0.01:100:9"
    config.steps = 20000
    config.records = 17
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
