"""Do biases have to be random, where weights are? Can they be random instead of the weights?

    python -m symmetry_jax run --config=configs/bias_zero.py --workdir=DIR

A perceptron learns scikit-learn's handwritten digits. First with random weights, from zero biases and from random biases of
several scales; then with random biases and weights that are zero, or all the same. Presets: `smoke` (well under half a minute),
none (two and a half minutes on two cores), `full` (one accelerator).

Found: with random weights no scale of random biases is better than zero by more than 0.49% of the test digits or 1% of the
steps (95% confidence for all scales together, 32 seeds); a scale of 3 loses 0.3% to 0.8% of the digits and needs 7% to 200%
more steps to a test loss of 0.5. From zero weights, random biases move layer l of L first at step L - l + 1, all its units on
one line. Units of tanh leave the line, and two layers get 95.7% right (random weights: 96.8%), three 81.8%. Units of relu are
copies of one for ever, and half of them dead: one unit a layer gets 31% to 34%. With two layers training enlarges rounding from
1e-16 until it sets units apart after about 1,000 steps, and 2,000 steps get 76%.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "bias_zero"
    config.dataset = "digits"
    config.precision = "float32"  # with random weights; ties and ranks, without them, are read in float64 whatever this is

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()
    config.sweep.activation = "tanh,relu"  # also erf, gelu, silu, sigmoid, softplus, identity; another program each
    config.sweep.layers = "2,3"  # layers of weights, all but the last of them hidden; another program each
    config.sweep.initializer = "lecun,constant"  # also he; another program each; zero is a constant of 0
    config.sweep.seed = "0:32"  # weights, biases, minibatches
    config.sweep.bias_scale = "0,0.01,0.1,0.3,1,3"  # standard deviation of all biases at the start, those of the output too
    config.sweep.constant = "0,0.01,0.1"  # all weights at the start, where the initializer is constant
    config.sweep.learning_rate = "0.1"
    config.sweep.weight_decay = "0.0"  # 0 is needed by what is known in closed form
    config.zipped = ""  # axes that vary together, as in "learning_rate+weight_decay"

    config.width = 32  # units of each hidden layer; at which XLA on CPU was seen to compute equal columns alike
    config.batch_size = 32
    config.minibatches = "per_seed"  # or shared: all seeds see the same examples
    config.constant_seeds = 8  # the first few seeds, for what starts at constant weights

    config.steps = 2000
    config.records = 41  # about how many times measures are read, at steps spaced evenly in their logarithm

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.activation = "relu"
    config.sweep.layers = "2"
    config.sweep.seed = "0:16"
    config.sweep.bias_scale = "0,0.3,3"
    config.sweep.constant = "0,0.1"
    config.sweep.learning_rate = "0.3"
    config.constant_seeds = 2
    config.steps = 200
    config.records = 21
    config.save_steps = 100
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.layers = "2,3,4"
    config.sweep.seed = "0:256"
    config.sweep.bias_scale = "0,log:1e-3:10:13"
    config.sweep.constant = "0,log:1e-3:1:7"
    config.sweep.learning_rate = "0.03,0.1,0.3"
    config.constant_seeds = 64
    config.steps = 20000
    config.records = 81
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
