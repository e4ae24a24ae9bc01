"""Is there no collusion between filters: may one as well freeze all the others and train one at a time?

    python -m symmetry_jax run --config=configs/frozen_filters.py --workdir=DIR

Small networks on scikit-learn's digits, each from the same weights on the same minibatches: all units of a layer together;
one at a time for a step, in turn; one by one, each once and for all; one alone, all others frozen for ever. From random
weights, from weights gathered around one unit, with twins. A unit's fan-in, bias and fan-out train and freeze together;
what belongs to no unit has as many updates as each of them. Presets: `smoke` (a quarter of a minute), none (about seven
minutes on two quiet cores), `full` (one accelerator).

Found: from random weights, training in turn ends like training together (test loss within 2.7% and redundancy within .004, at
the ends of 95% intervals over seeds) after as many updates of each unit; but that is 8 times the steps, and after equally many
steps its loss is 105% to 158% higher. One by one ends 9% to 41% higher, one alone 170% to 390%. From units that are nearly
equal (spread .001) one by one is the better way: 85.5% of the digits against 66.2% together (mlp), 78.4% against 48.9% (deep).
Units do interact: equal twins in turn, which would stay equal if the step of one left the gradient of the other as it is (H_ij
= 0), end .6% (cnn), 2% (mlp) and 7% (deep) of their norm apart in the median seed; the first round parts them by lr^2 ||H_ij
g||, within 8%. Twins 1e-4 apart end as far apart as those in turn, and together at 1.5 to 5.4 times their distance, which feels
no Gauss-Newton part. If one is frozen, the other walks .8 to 1.2 of its norm away from it by its whole gradient, which no
interaction is needed for. Along the line between twins the interaction attracts, in a last hidden layer always, since their
equal Gauss-Newton parts are positive semidefinite and the residual one is 0, and under another layer at 98% of the records of a
seed. Of 28 pairs two others were looked at, one of them with a twin in it: they repel at 81% to 92% of the records of a seed
(means over 16 seeds; records are denser early on), and at more than half in every interval.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "frozen_filters"
    config.dataset = "digits"
    config.precision = "float32"  # of filters from random and gathered starts; twins are followed in float64 whatever this is

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()
    config.sweep.network = "cnn,mlp,deep"  # one convolution, one hidden layer, two hidden layers; another program each
    config.sweep.units = "8"  # of the layer that is looked at, and of the second hidden layer; another program each
    config.sweep.regime = "0:4"  # 0 together, 1 one at a time in turn, 2 one by one, 3 one alone, the others frozen for ever
    config.sweep.seed = "0:32"  # weights, direction between the twins, minibatches
    config.sweep.spread = "0,1e-3,0.1,1"  # of random weights around the first unit's: at 0 units are equal, at 1 random
    config.sweep.epsilon = "0,1e-6,1e-4,1e-2"  # distance of the twins at the start, all other units being random
    config.sweep.learning_rate = "0.1"
    config.zipped = ""  # axes that vary together, as in "seed+learning_rate"

    config.activation = "tanh"
    config.batch_size = 32
    config.minibatches = "per_seed"  # or shared: all seeds see the same examples
    config.twin_seeds = 16  # the first few seeds, for twins

    config.updates = 500  # of each unit that trains; in turn and one by one they take `units` times as many steps
    config.records = 21  # about how many times measures are read up to the last update

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.network = "mlp"
    config.sweep.units = "4"
    config.sweep.seed = "0:4"
    config.twin_seeds = 2
    config.updates = 40
    config.records = 9
    config.save_steps = 160
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.seed = "0:256"
    config.twin_seeds = 64
    config.updates = 5000
    config.records = 41
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
