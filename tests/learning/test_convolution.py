"""Convolution as one matrix product, against XLA's own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from symmetry_jax.learning.convolution import convolve, lowered
from symmetry_jax.sweeps.precision import numerics

PADS = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)


@st.composite
def convolutions(draw):
    window = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    size = tuple(draw(st.integers(side, 7)) for side in window)
    strides = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = draw(st.sampled_from(["SAME", "VALID"]) | PADS)
    channels, filters, batch = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return (batch, *size, channels), (*window, channels, filters), strides, padding


def check_against_xla(case, seed):
    shape, window, strides, padding = case
    random = np.random.default_rng(seed)

    def reference(images, kernel):
        return lax.conv_general_dilated(images, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def ours(images, kernel, lowering):
        with lowered(lowering):
            return convolve(images.transpose(3, 1, 2, 0), kernel, strides, padding).transpose(3, 1, 2, 0)

    @jax.jit
    def differences(images, kernel):
        expected, pull = jax.vjp(reference, images, kernel)
        errors = []
        for lowering in ("patches", "xla"):
            outputs, pull_ours = jax.vjp(functools.partial(ours, lowering=lowering), images, kernel)
            compared = (outputs, *pull_ours(jnp.sin(expected))), (expected, *pull(jnp.sin(expected)))
            errors.append(jax.tree.map(lambda found, true: jnp.max(jnp.abs(found - true)), *compared))
        return errors

    with numerics("float64"):
        errors = differences(jnp.asarray(random.normal(size=shape)), jnp.asarray(random.normal(size=window)))
    # products of normal numbers, at most 64 of them in an output and 200 in a gradient
    assert max(map(float, jax.tree.leaves(errors))) < 1e-12


@settings(max_examples=20)
@given(convolutions(), st.integers(0, 2**16))
def test_value_and_gradient_equal_those_of_xla(case, seed):
    check_against_xla(case, seed)


@pytest.mark.slow
@settings(max_examples=300)
@given(convolutions(), st.integers(0, 2**16))
def test_value_and_gradient_equal_those_of_xla_over_many_shapes(case, seed):
    check_against_xla(case, seed)


def test_against_the_sum_written_out():
    random = np.random.default_rng(0)
    images, kernel = random.normal(size=(2, 5, 4, 3)), random.normal(size=(3, 2, 2, 4))
    outputs = convolve(jnp.asarray(images, jnp.float32), jnp.asarray(kernel, jnp.float32), (2, 1), "VALID")
    expected = np.zeros((4, 2, 3, 3))
    for u, v in np.ndindex(2, 3):
        expected[:, u, v] = np.einsum("cijb,ijcf->fb", images[:, 2 * u : 2 * u + 3, v : v + 2], kernel)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lowering", ["patches", "xla"])
def test_it_can_be_vmapped_over_kernels(lowering):
    random = np.random.default_rng(0)
    images = jnp.asarray(random.normal(size=(1, 6, 6, 4)), jnp.float32)
    kernels = jnp.asarray(random.normal(size=(5, 3, 3, 1, 2)), jnp.float32)
    with lowered(lowering):
        together = jax.vmap(lambda kernel: convolve(images, kernel))(kernels)
    for outputs, kernel in zip(together, kernels, strict=True):
        np.testing.assert_allclose(outputs, convolve(images, kernel), rtol=1e-5, atol=1e-5)
