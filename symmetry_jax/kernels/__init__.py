"""Operations that are kernels of our own where these are faster, each beside the same operation written in jax."""
