"""Patches and their overlap-add: the kernels against what is written in jax, and that against sums written out."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symmetry_jax.kernels import library
from symmetry_jax.kernels.patches import Patches
from symmetry_jax.sweeps.precision import numerics

compiled = pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler of C++")


@st.composite
def cases(draw):
    pads = draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2))
    window = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    image = tuple(draw(st.integers(max(1, side - sum(pad)), 7)) for side, pad in zip(window, pads, strict=True))
    patches = Patches(image, window, (draw(st.integers(1, 5)), draw(st.integers(1, 5))), pads)
    lead = draw(st.sampled_from([(), (2,), (2, 3)]))
    return patches, (*lead, draw(st.integers(1, 3)), *image, draw(st.sampled_from([1, 2, 5, 16, 33])))


def written_out(patches, images):
    """Patches of (channels, height, width, batch), entry by entry."""
    channels, _, _, batch = images.shape
    found = np.zeros((*patches.window, channels, *patches.size, batch))
    for i, j, _, h, w, _ in np.ndindex(found.shape):
        y, x = (h, w) * np.array(patches.strides) + (i, j) - np.array(patches.pads)[:, 0]
        if 0 <= y < images.shape[1] and 0 <= x < images.shape[2]:
            found[i, j, :, h, w] = images[:, y, x]
    return found.reshape(np.prod(found.shape[:3]), -1)


def normal(shape, dtype="float32", seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


@compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=15)
@given(cases(), st.integers(0, 2**16))
def test_kernels_give_the_numbers_of_what_is_written_in_jax(dtype, case, seed):
    patches, shape = case
    assert library.is_at_hand()
    with numerics(dtype):
        for linear, size in ((patches, shape), (patches.transposed(), jax.eval_shape(patches.in_jax, normal(shape)).shape)):
            array = normal(size, dtype, seed)
            expected = jax.jit(linear.in_jax)(array)
            np.testing.assert_array_equal(applied(linear, array), expected)  # a sum of zeros may have either sign


def applied(linear, array):
    """What the equation gives: patches are called, their transpose is the gradient of that."""
    if isinstance(linear, Patches):
        return linear(array)
    *lead, rows, columns = array.shape
    (down, across), (height, width) = linear.patches.window, linear.patches.size
    images = jnp.zeros((*lead, rows // (down * across), *linear.patches.image, columns // (height * width)), array.dtype)
    return jax.jit(jax.vjp(linear.patches, images)[1])(array)[0]


@compiled
@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_programs_for_a_cpu_call_kernels_that_take_their_numbers(dtype, platform):
    patches = Patches((4, 4), (3, 3), (1, 1), ((1, 1), (1, 1)))
    assert library.is_at_hand()
    with numerics("float64"):
        images = jnp.zeros((2, 4, 4, 5), dtype)
        gradient = jax.jit(jax.grad(lambda images: jnp.sum(patches(images) ** 2)))
        program = gradient.trace(images).lower(lowering_platforms=(platform,)).as_text()
    called = platform == "cpu" and dtype != "bfloat16"
    assert ("@symmetry_jax_patches" in program) == called and ("@symmetry_jax_overlap_add" in program) == called


@settings(max_examples=15)
@given(cases(), st.integers(0, 2**16))
def test_patches_are_those_written_out(case, seed):
    patches, shape = case
    images = normal(shape, seed=seed)
    found = np.asarray(patches(images)).reshape(-1, *jax.eval_shape(patches.in_jax, images).shape[-2:])
    for one, image in zip(found, np.asarray(images).reshape(-1, *shape[-4:]), strict=True):
        np.testing.assert_array_equal(one, written_out(patches, image))


@settings(max_examples=15)
@given(cases(), st.integers(0, 2**16))
def test_the_overlap_add_is_the_transpose(case, seed):
    patches, shape = case
    with numerics("float64"):
        images = normal(shape, "float64", seed)
        columns, back = jax.vjp(patches, images)
        given = normal(columns.shape, "float64", seed + 1)
        # at most 2 * 3 * 3 * 33 * 49 * 16 products of normal numbers
        assert abs(jnp.vdot(columns, given) - jnp.vdot(images, back(given)[0])) < 1e-9


@pytest.mark.parametrize("axis", range(5))
def test_vmapped_along_any_axis_each_gets_its_own(axis):
    patches = Patches((4, 5), (3, 2), (2, 1), ((0, 1), (1, 1)))
    images = normal((3, 2, 4, 5, 6))
    found = jax.vmap(patches, axis)(jnp.moveaxis(images, 0, axis))
    np.testing.assert_array_equal(found, jnp.stack([patches(image) for image in images]))
    nested = jax.vmap(jax.vmap(patches))(images[None])
    np.testing.assert_array_equal(nested[0], found)


def test_derivatives_of_second_order_are_those_of_what_is_written_in_jax():
    patches = Patches((4, 5), (3, 2), (2, 1), ((0, 1), (1, 1)))
    with numerics("float64"):
        images, direction = normal((2, 4, 5, 6), "float64"), normal((2, 4, 5, 6), "float64", 1)

        def second(function):
            def loss(images):
                return jnp.sum(jnp.sin(function(images)) * images.sum())

            return jax.jit(lambda: jax.jvp(jax.grad(loss), (images,), (direction,)))()

        for found, expected in zip(second(patches), second(patches.in_jax), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
