"""The quotient network in training: the smaller network that tied units amount to, under any elementwise optimizer.

Let a weight w be read by m_q equal units and come from m_p equal units. In the quotient network W = m_p w stands for all of
its copies, and its gradient G is m_q times theirs. A rule w' = w - lr opt(g, w) that looks at each entry alone then makes

    W' = W - lr m_p opt(G / m_q, m_p^-1 W),

memory of the rule included. For descent without decay or with momentum that is a learning rate of its own, m_p / m_q; weight
decay acts at its own rate on the copies, and Adam, which divides by the size of G / m_q, keeps its eps.
"""

import jax
import numpy as np
import optax

from symmetry_jax.learning.optimizers import Optimizer
from symmetry_jax.learning.process import Hparams, PyTree
from symmetry_jax.learning.starts import Blocks, Start, tied
from symmetry_jax.learning.training import trained
from symmetry_jax.symmetry.quotient import quotient
from symmetry_jax.symmetry.units import Symmetry


def merged(start: Start, symmetry: Symmetry, blocks: Blocks) -> Start:
    """The start of the quotient network: the start with its blocks tied, then each block as one unit."""
    together = tied(start, symmetry, blocks)
    return lambda hparams, inputs: _merge(together(hparams, inputs), None, symmetry, blocks)[0]


def merged_optimizer(optimizer: Optimizer, shapes: PyTree, symmetry: Symmetry, blocks: Blocks) -> Optimizer:
    """The optimizer with which the quotient network trains like the network with tied units under `optimizer`.

    Args:
        optimizer: any that treats each entry alone; one that clips by a global norm does not.
        shapes: arrays or their shapes, those of the network with tied units.
        symmetry: its groups.
        blocks: its tied units.
    """
    sources, targets = _multiplicities(shapes, symmetry, blocks)

    def build(hparams: Hparams) -> optax.GradientTransformation:
        copied = optimizer(hparams)

        def init(params: PyTree) -> PyTree:
            return copied.init(_divide(params, sources))

        def update(gradients: PyTree, memory: PyTree, params: PyTree | None = None) -> tuple[PyTree, PyTree]:
            copies = None if params is None else _divide(params, sources)
            direction, memory = copied.update(_divide(gradients, targets), memory, copies)
            return jax.tree.map(lambda leaf, count: leaf * count.astype(leaf.dtype), direction, sources), memory

        return optax.GradientTransformation(init, update)

    return build


def _multiplicities(shapes: PyTree, symmetry: Symmetry, blocks: Blocks) -> tuple[PyTree, PyTree]:
    """m_p and m_q of each entry of the quotient network that is trained, whole numbers."""
    ones = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), shapes)
    # computed from arguments: as constants in a program jaxlib 0.7.2 folds them wrongly, mistaking one axis for another
    sources, rates = map(trained, jax.jit(lambda units, rates: _merge(units, rates, symmetry, blocks))(ones, ones))
    return jax.tree.map(np.asarray, sources), jax.tree.map(lambda count, rate: np.rint(count / rate), sources, rates)


def _merge(variables: PyTree, rates: PyTree | None, symmetry: Symmetry, blocks: Blocks) -> tuple[PyTree, PyTree]:
    for name, units in blocks.items():
        variables, rates = quotient(variables, symmetry[name], units, rates)
    return variables, rates


def _divide(tree: PyTree, counts: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf, count: leaf / count.astype(leaf.dtype), tree, counts)
