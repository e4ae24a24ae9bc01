"""How large a gradient may be that is algebraically zero: what rounding leaves of a sum whose terms cancel."""

import jax
import jax.numpy as jnp

from symmetry_jax.learning.activity import observe, slopes
from symmetry_jax.learning.models import MLP
from symmetry_jax.learning.process import PyTree
from symmetry_jax.learning.tasks import Batch
from symmetry_jax.theory.tied_training import ROUNDING


def gradient_doubts(model: MLP, variables: PyTree, drift: PyTree, batch: Batch, outputs: jax.Array) -> PyTree:
    """A bound on the rounding in each entry of a perceptron's gradient, of the mean softmax cross-entropy.

    Backpropagation with magnitudes: with e = |p - y| / n at the outputs and eps `ROUNDING` times the precision,

        doubt = eps (e + p max_k (|W| |h| + |b|)_k / n)   at the outputs: of p - y, and of the logits, which softmax passes on,
        doubt' = (doubt |W|^T + e |drift|^T) |phi'| + eps e |W|^T,   e' = e |W|^T |phi'|   a layer below,

    and the entry's doubt is the sum over examples of |h| doubt: eps times the sum of the magnitudes of the terms, those of phi'
    (which may be 1 - tanh^2) included, and what parameters contribute that are themselves only rounding.

    Args:
        model: the perceptron.
        variables: its parameters.
        drift: how much of the magnitude of each parameter came about by rounding, in the shape of `variables`.
        batch: the examples.
        outputs: the logits, (batch, classes).

    Returns:
        The bounds, in the shape of `variables`.
    """
    eps = ROUNDING * jnp.finfo(outputs.dtype).eps.astype(outputs.dtype)
    params = jax.tree.map(jnp.abs, variables["params"])
    _, activity = observe(model, variables, batch.inputs)
    values = [jnp.abs(value) for value in (batch.inputs.reshape(len(batch.inputs), -1), *activity.after.values())]
    passed_on = [jnp.abs(slope) for slope in slopes(model, activity).values()]
    last = params[model.layers[-1]]
    logits = jnp.max(values[-1] @ last["kernel"] + last["bias"][None], axis=1, keepdims=True)
    probabilities = jax.nn.softmax(outputs)
    targets = jax.nn.one_hot(batch.targets, outputs.shape[1], dtype=outputs.dtype)
    error = jnp.abs(probabilities - targets) / len(outputs)
    doubt = eps * (error + probabilities * logits / len(outputs))
    found = {}
    for number in reversed(range(len(model.layers))):
        name = model.layers[number]
        found[name] = {"kernel": values[number].T @ doubt, "bias": doubt.sum(0)}
        if number:
            carried = error @ params[name]["kernel"].T
            passed = doubt @ params[name]["kernel"].T + error @ jnp.abs(drift["params"][name]["kernel"]).T
            slope = passed_on[number - 1]
            error, doubt = carried * slope, passed * slope + eps * carried
    return {"params": found}
