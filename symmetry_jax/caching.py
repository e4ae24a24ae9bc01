"""What is kept between studies in the user's cache folder: compiled programs, and how fast they were.

JAX's own settings move it, `JAX_COMPILATION_CACHE_DIR=DIR`, and turn it off, `JAX_ENABLE_COMPILATION_CACHE=false`.
"""

import contextlib
from pathlib import Path

import jax
import platformdirs

MOST_BYTES = 2**30  # of compiled programs; those that were not used for longest go first


def use_cache() -> None:
    """Keeps compiled programs in the user's cache folder, unless the user chose another or none.

    To be called before anything is compiled. Where the folder cannot be written, nothing is kept.
    """
    if not jax.config.values["jax_enable_compilation_cache"] or jax.config.values["jax_compilation_cache_dir"]:
        return
    with contextlib.suppress(OSError):
        folder = platformdirs.user_cache_path("symmetry_jax", ensure_exists=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # a study has many small ones


def cache_folder() -> Path | None:
    """The cache folder of this machine; None if nothing is kept, or in a bucket."""
    folder = jax.config.values["jax_compilation_cache_dir"]
    kept = jax.config.values["jax_enable_compilation_cache"] and folder and "://" not in folder
    return Path(folder) if kept else None
