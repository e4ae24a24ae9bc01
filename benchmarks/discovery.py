"""How long discovering takes for a transformer of 124 million parameters, which is traced from shapes alone.

    python -m benchmarks.discovery

Prints, for transformers of several sizes, parameters, groups, and the seconds that tracing and discovering take together: the
least and the median of five.
"""

import math
import statistics
import time

import jax
import jax.numpy as jnp
from flax import linen as nn

from symmetry_jax import discover

SIZES = ((2, 128, 4), (12, 768, 12), (24, 1024, 16))  # layers, width, heads
VOCABULARY, LENGTH, REPEATS = 50_257, 1024, 5


class Block(nn.Module):
    """Attention and two dense layers, each added to the stream after a layer normalisation before it."""

    heads: int

    @nn.compact
    def __call__(self, stream: jax.Array, mask: jax.Array) -> jax.Array:
        """The stream after the block."""
        width = stream.shape[-1]
        stream = stream + nn.MultiHeadDotProductAttention(self.heads)(nn.LayerNorm()(stream), mask=mask)
        return stream + nn.Dense(width)(nn.gelu(nn.Dense(4 * width)(nn.LayerNorm()(stream))))


class Transformer(nn.Module):
    """A decoder with learned positions, and outputs tied to the embedding."""

    layers: int
    width: int
    heads: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """The logits of each next token."""
        embedding = nn.Embed(VOCABULARY, self.width)
        positions = self.param("positions", nn.initializers.normal(0.02), (1, LENGTH, self.width))
        stream = embedding(tokens) + positions[:, : tokens.shape[1]]
        mask = nn.make_causal_mask(tokens)
        for _ in range(self.layers):
            stream = Block(self.heads)(stream, mask)
        return embedding.attend(nn.LayerNorm()(stream))


def main() -> None:
    """Prints a line for each size."""
    tokens = jax.ShapeDtypeStruct((1, LENGTH), jnp.int32)
    print(f"{'layers':>6}  {'width':>5}  {'parameters':>12}  {'groups':>6}  {'least':>8}  {'median':>8}")
    for layers, width, heads in SIZES:
        model = Transformer(layers, width, heads)
        shapes = jax.eval_shape(model.init, jax.random.key(0), tokens)
        seconds = []
        for _ in range(REPEATS):
            jax.clear_caches()
            begin = time.perf_counter()
            symmetry = discover(model.apply, shapes, tokens)
            seconds.append(time.perf_counter() - begin)
        parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
        times = f"{min(seconds):6.2f} s  {statistics.median(seconds):6.2f} s"
        print(f"{layers:6}  {width:5}  {parameters:12,}  {len(symmetry):6}  {times}")


if __name__ == "__main__":
    main()
