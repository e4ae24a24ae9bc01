"""Do twins diverge, stay as they are, or merge, and can that be told beforehand?

    python -m symmetry_jax run --config=configs/diverge_or_converge.py --workdir=DIR

A map of the transverse exponent over learning rate, weight decay and label noise, for one network on scikit-learn's handwritten
digits; then one setting at a time around it, where twins that really are apart are held against what the exponent predicts.
Presets: `smoke` (a minute), none (about ten minutes on two cores), `full` (one accelerator).

Found: twins part at 45% of the points of the map and merge at 22%, with strong decay or noise, where networks learn little.
Between rounding and saturation the exponent tells growth to 0.02% in the median; bisection finds the distance that it predicts
in 16 of 16 seeds. With four hidden units twins part by thirty powers of ten: no start is close enough to be followed linearly.
With relu the exponent holds until an example falls between the kinks; with relu and fan-out frozen only decay moves twins.
"""

from ml_collections import ConfigDict

from symmetry_jax.errors import choose


def get_config(preset: str = "") -> ConfigDict:
    """The settings of a preset."""
    config = ConfigDict()
    config.study = "diverge_or_converge"
    config.dataset = "digits"
    config.precision = "float32"  # float64 moves the rounding below which predictions fail; what needs it is in float64 anyway

    # An axis is a union of values, a:b (b excluded), log:a:b:n, lin:a:b:n, or names.
    config.sweep = ConfigDict()  # the map
    config.sweep.seed = "0:8"  # weights, direction between the twins, minibatches, noise
    config.sweep.learning_rate = "log:0.02:1:12"
    config.sweep.weight_decay = "0,log:3e-4:0.3:12"
    config.sweep.label_noise = "0,0.2,0.4,0.6,0.8"  # fraction of labels drawn at random, anew at every step

    config.around = ConfigDict()  # axes too: the point around which one setting at a time is changed
    # also default, gelu, sigmoid, ...: see SETTINGS in the experiment; two programs each
    config.around.setting = (
        "default,gelu,sigmoid,relu,momentum,adam,adamw,small_batch,large_batch,narrow,wide,deep,cnn,frozen,relu_frozen,teacher"
    )
    config.around.seed = "0:16"
    config.around.epsilon = "log:1e-7:1e-1:13"  # distance of the twins at the start
    config.around.learning_rate = "0.3"  # a setting may multiply it: Adam takes a hundredth
    config.around.weight_decay = "1e-3"
    config.around.momentum = "0.9"  # read by momentum
    config.around.beta1 = "0.9"  # read by adam, adamw; beta2 and adam_eps too
    config.around.beta2 = "0.999"
    config.around.adam_eps = "1e-8"

    config.map_steps = 2000
    config.steps = 1000  # around
    config.records = 41  # about how many times measures are read
    config.curvature_steps = 200  # over which the curvature between twins is read at every step
    config.few_seeds = 4  # the first few, for that
    config.rounds = 12  # of bisection

    config.tile = 0  # runs computed side by side in a device; 0 for what is fastest in a long study
    config.wave = 0  # runs resident at once, so that a sweep passes that is larger than memory; 0 for as many as fit well
    config.save_seconds = 60.0  # at least, between two checkpoints; a study loses no more than this when it is killed
    config.save_steps = 0  # save at every multiple of so many steps as well; 0 to go by the clock alone
    return choose("preset", preset, _PRESETS)(config)


def _smoke(config: ConfigDict) -> ConfigDict:
    config.sweep.seed = "0:3"
    config.sweep.learning_rate = "0.1,1"
    config.sweep.weight_decay = "0,0.1"
    config.sweep.label_noise = "0,0.6"
    config.around.setting = "default"
    config.around.seed = "0:3"
    config.around.epsilon = "1e-6,1e-3"
    config.map_steps = 60
    config.steps = 40
    config.records = 11
    config.curvature_steps = 5
    config.few_seeds = 1
    config.save_steps = 20
    return config


def _full(config: ConfigDict) -> ConfigDict:
    config.sweep.seed = "0:64"
    config.sweep.learning_rate = "log:0.01:2:32"
    config.sweep.weight_decay = "0,log:1e-4:1:32"
    config.sweep.label_noise = "lin:0:0.9:10"
    config.around.seed = "0:128"
    config.around.epsilon = "log:1e-8:1:33"
    config.map_steps = 10000
    config.steps = 5000
    config.few_seeds = 32
    config.rounds = 16
    return config


_PRESETS = {"": lambda config: config, "smoke": _smoke, "full": _full}
