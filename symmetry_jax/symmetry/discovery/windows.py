"""Rules for what goes along an axis in order: windows, cumulative sums, Fourier transforms."""

from collections.abc import Sequence

from symmetry_jax.symmetry.discovery.elementwise import align
from symmetry_jax.symmetry.discovery.equations import Equation, rule
from symmetry_jax.symmetry.discovery.layouts import free, freeze
from symmetry_jax.symmetry.discovery.operands import Operand, joint_origins


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def cumulative(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Every entry depends on those before it."""
    return _in_order(equation, operands, [equation.params["axis"]], "what comes before counts")


@rule("fft")
def fourier_transform(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """Along the last axes, frequencies for positions."""
    rank, count = len(operands[0].axes), len(equation.params["fft_lengths"])
    return _in_order(equation, operands, range(rank - count, rank), "it is transformed along this axis")


@rule("reduce_window_sum", "reduce_window_max", "reduce_window_min", "reduce_window")
def window(equation: Equation, operands: list[Operand]) -> list[Operand]:
    """A window moves along some axes; along the others it is one position wide and meets each, of all arrays together."""
    params = equation.params
    names = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
    moves = [
        axis
        for axis, (wide, stride, padding, apart, _) in enumerate(zip(*(params[name] for name in names), strict=True))
        if (wide, stride, tuple(padding), apart) != (1, 1, (0, 0), 1)
    ]
    arrays = operands[: len(equation.shapes)]  # generic ones are followed by the numbers that they start from
    align(equation, arrays, arrays[0].sizes)
    return _in_order(equation, arrays, moves, "a window moves along this axis")


def _in_order(equation: Equation, operands: Sequence[Operand], moves: Sequence[int], text: str) -> list[Operand]:
    reason, results = equation.because(text), []
    for operand, shape in zip(operands, equation.shapes, strict=True):
        equation.note_mixing(operand, moves)
        axes = list(operand.axes)
        for axis in moves:
            freeze(axes[axis], reason)
            axes[axis] = free(shape[axis])
            freeze(axes[axis], reason)
        results.append(Operand(tuple(axes), joint_origins(operands)))
    return results
