"""Presets of studies with some settings changed, for tests."""

from tests.test_configs import ROOT, load


def changed(study, preset="smoke", **changes):
    """A preset with other settings: an axis of its sweep by name, one of another part as `part__name`, all else by name."""
    config = load(ROOT / "configs" / f"{study}.py", preset)
    for name, value in changes.items():
        part, _, field = name.rpartition("__")
        where = config[part] if part else config.sweep if name in config.sweep else config
        where[field] = value
    return config
