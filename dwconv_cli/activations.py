"""Catalogue of activations: Keras's functions, in place on an array whose last axis is channels.

An entry takes a C-contiguous float32 or float64 array, may overwrite it, and returns the result, in the same
dtype. It computes each element by the same operations wherever the element stands, so that results do not
depend on how a recording was cut into tiles; NaN stays NaN where it is, also where Keras's comparisons would
turn it into a number (relu with a threshold, the shrinks, threshold).

Bounds are applied with ``np.clip``, the one bounding ufunc that NumPy vectorizes for a scalar bound.

Formulas are those of ``keras.activations`` in Keras 3, rearranged where the arrangement there overflows or
cancels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dwconv_cli.errors import LayerError
from dwconv_cli.limits import Limit, above, at_least, one_of
from dwconv_cli.registry import Choice, Registry

Array = NDArray[Any]

ACTIVATIONS: Registry[Callable[..., Array]] = Registry("activation", "keras.activations", functions=True)

NEEDS_WHOLE_AXIS: frozenset[str] = frozenset({"glu", "log_softmax", "softmax", "sparsemax"})
"""Entries that mix the elements of the last axis; all others work element by element."""

_LAST = {"axis": one_of(-1, 2)}  # a layer's output has rank 3, so both are its last axis


def output_channels(choice: Choice, channels: int) -> int:
    """Size of the last axis after the activation.

    Raises
    ------
    LayerError
        If glu is to halve an odd number.
    """
    if choice.name != "glu":
        return channels
    if channels % 2:
        raise LayerError(f"activation glu: it halves the last axis, which has the odd size {channels}")
    return channels // 2


def _real(*aliases: str, **limits: Limit) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Register a function for real floats; Inf and NaN it makes on the way are meant, not worth a warning."""

    def enter(function: Callable[..., Array]) -> Callable[..., Array]:
        @functools.wraps(function)
        def guarded(x: Array, **arguments: Any) -> Array:
            if x.dtype.kind != "f":
                raise LayerError(
                    f"activation {function.__name__}: defined for real floats, not {x.dtype}; only linear is"
                )
            with np.errstate(all="ignore"):
                return function(x, **arguments)

        return ACTIVATIONS.register(*aliases, limits=limits)(guarded)

    return enter


def _positive_plus(x: Array, rest: Array) -> Array:
    np.clip(x, 0, np.inf, out=x)
    x += rest
    return x


@ACTIVATIONS.register()
def linear(x: Array) -> Array:
    """``x``, untouched."""
    return x


@_real(max_value=at_least(0))
def relu(
    x: Array, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Array:
    """``x`` above `threshold`, at most `max_value`; below, ``negative_slope * (x - threshold)``."""
    if max_value is None and threshold == 0:
        return leaky_relu.__wrapped__(x, negative_slope)  # type: ignore[attr-defined, no-any-return]
    below = None
    if negative_slope:
        below = np.clip(x, -np.inf, threshold)
        below -= below.dtype.type(threshold)
        below *= negative_slope
    if threshold:
        np.putmask(x, x <= threshold, 0)
    else:
        np.clip(x, 0, np.inf, out=x)
    if max_value is not None:
        np.clip(x, 0, max_value, out=x)
    if below is not None:
        x += below
    return x


@_real()
def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """``x`` above 0, ``negative_slope * x`` below."""
    if negative_slope == 0:
        return np.clip(x, 0, np.inf, out=x)
    if 0 < negative_slope <= 1:
        below = np.multiply(x, negative_slope)
        return np.maximum(x, below, out=x)
    below = np.clip(x, -np.inf, 0)
    below *= negative_slope
    return _positive_plus(x, below)


@_real()
def relu6(x: Array) -> Array:
    """``x`` within 0 and 6."""
    return np.clip(x, 0, 6, out=x)


@_real()
def elu(x: Array, alpha: float = 1.0) -> Array:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below."""
    below = np.clip(x, -np.inf, 0)
    np.expm1(below, out=below)
    below *= alpha
    return _positive_plus(x, below)


@_real()
def selu(x: Array) -> Array:
    """Scaled elu that keeps mean and variance (Klambauer et al. 2017)."""
    elu.__wrapped__(x, 1.6732632423543772848170429916717)  # type: ignore[attr-defined]
    x *= 1.0507009873554804934193349852946
    return x


@_real(alpha=Limit("other than 0", bool))
def celu(x: Array, alpha: float = 1.0) -> Array:
    """``x`` above 0, ``alpha * (exp(x / alpha) - 1)`` below."""
    below = np.clip(x, -np.inf, 0)
    below /= alpha
    np.expm1(below, out=below)
    below *= alpha
    return _positive_plus(x, below)


@_real()
def exponential(x: Array) -> Array:
    """``exp(x)``."""
    return np.exp(x, out=x)


@_real()
def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    return np.divide(1, x, out=x)


@_real("swish")
def silu(x: Array) -> Array:
    """``x * sigmoid(x)``."""
    below = np.negative(x)
    np.exp(below, out=below)
    below += 1
    x /= below
    return x


@_real()
def gelu(x: Array, approximate: bool = False) -> Array:
    """``x * P(X <= x)`` of a standard normal X, or its approximation by tanh (Hendrycks et al. 2016)."""
    if approximate:
        # (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)), which keeps its precision where tanh(u) nears -1.
        u = np.square(x)
        u *= 0.044715
        u += 1
        u *= x
        u *= -2 * math.sqrt(2 / math.pi)
        np.exp(u, out=u)
        u += 1
        x /= u
        return x
    from scipy.special import erfc

    # 1 + erf(z) = erfc(-z), which keeps its precision where erf(z) nears -1.
    u = np.multiply(x, x.dtype.type(-math.sqrt(0.5)))
    erfc(u, out=u)
    u *= 0.5
    x *= u
    return x


@_real()
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x, out=x)


@_real()
def tanh_shrink(x: Array) -> Array:
    """``x - tanh(x)``."""
    x -= np.tanh(x)
    return x


@_real()
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``."""
    rest = _log1p_exp_minus_abs(x)
    return _positive_plus(x, rest)


@_real()
def log_sigmoid(x: Array) -> Array:
    """``log(sigmoid(x))``."""
    rest = _log1p_exp_minus_abs(x)
    np.clip(x, -np.inf, 0, out=x)
    x -= rest
    return x


def _log1p_exp_minus_abs(x: Array) -> Array:
    rest = np.abs(x)
    np.negative(rest, out=rest)
    np.exp(rest, out=rest)
    return np.log1p(rest, out=rest)


@_real()
def mish(x: Array) -> Array:
    """``x * tanh(softplus(x))``."""
    # With e = exp(x), tanh(log(1 + e)) = n / (n + 2) for n = e * (e + 2): one transcendental, not three.
    # Beyond 40 the quotient is 1 in either precision, and e**2 still fits float32.
    e = np.clip(x, -np.inf, 40)
    np.exp(e, out=e)
    n = e + 2
    n *= e
    np.add(n, 2, out=e)
    n /= e
    x *= n
    return x


@_real()
def softsign(x: Array) -> Array:
    """``x / (1 + |x|)``."""
    below = np.abs(x)
    below += 1
    x /= below
    return x


@_real(slope=above(0))
def hard_sigmoid(x: Array, slope: float | None = None) -> Array:
    """``x * slope + 1/2`` within 0 and 1; the slope is 1/6 by default, 0.2 in Keras 2."""
    if slope is None:
        x /= 6
    else:
        x *= slope
    x += 0.5
    return np.clip(x, 0, 1, out=x)


@_real("hard_swish")
def hard_silu(x: Array) -> Array:
    """``x * hard_sigmoid(x)``."""
    x *= hard_sigmoid.__wrapped__(x.copy())  # type: ignore[attr-defined]
    return x


@_real()
def hard_tanh(x: Array) -> Array:
    """``x`` within -1 and 1."""
    return np.clip(x, -1, 1, out=x)


@_real()
def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    """``x`` where ``|x| > threshold``, else 0."""
    np.putmask(x, np.abs(x) <= threshold, 0)
    return x


@_real(threshold=at_least(0))
def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    """``x`` moved towards 0 by `threshold`, at most to 0."""
    x -= np.clip(x, -threshold, threshold)
    return x


@_real()
def threshold(x: Array, *, threshold: float, default_value: float) -> Array:
    """``x`` above `threshold`, else `default_value`."""
    np.putmask(x, x <= threshold, default_value)
    return x


@_real()
def sparse_plus(x: Array) -> Array:
    """0 up to -1, ``x`` from 1 on, ``(x + 1)**2 / 4`` between."""
    between = np.clip(x, -1, 1)
    between += 1
    np.square(between, out=between)
    between *= 0.25
    np.putmask(x, x < 1, between)
    return x


@_real()
def sparse_sigmoid(x: Array) -> Array:
    """``(x + 1) / 2`` within 0 and 1."""
    x += 1
    x *= 0.5
    return np.clip(x, 0, 1, out=x)


@_real(b=at_least(0))
def squareplus(x: Array, b: float = 4) -> Array:
    """``(x + sqrt(x**2 + b)) / 2``."""
    # Equal to max(x, 0) + b/2 / (sqrt(x**2 + b) + |x|), which neither cancels for x < 0 nor overflows.
    if b == 0:
        return np.clip(x, 0, np.inf, out=x)
    size = np.abs(x)
    rest = np.square(x)
    rest += b
    np.sqrt(rest, out=rest)
    rest += size
    np.divide(0.5 * b, rest, out=rest)
    return _positive_plus(x, rest)


@_real(**_LAST)
def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x) / sum(exp(x))`` over the last axis."""
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


@_real(**_LAST)
def log_softmax(x: Array, axis: int = -1) -> Array:
    """``x - log(sum(exp(x)))`` over the last axis."""
    x -= x.max(axis=-1, keepdims=True)
    total = np.exp(x).sum(axis=-1, keepdims=True)
    x -= np.log(total, out=total)
    return x


@_real(**_LAST)
def sparsemax(x: Array, axis: int = -1) -> Array:
    """``max(x - tau, 0)`` over the last axis, tau as Keras computes it.

    Keras adds up all partial sums of the support, where Martins and Astudillo (2016, algorithm 1) take the
    last; a row of two or more supporting elements may therefore not sum to 1, here as there.
    """
    order = np.sort(x, axis=-1)[..., ::-1]
    sums = np.cumsum(order, axis=-1)
    ranks = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    support = order - (sums - 1) / ranks > 0
    tau = np.where(support, sums, 0).sum(axis=-1, keepdims=True)
    tau -= 1
    tau /= support.sum(axis=-1, keepdims=True).astype(x.dtype)
    x -= tau
    return np.clip(x, 0, np.inf, out=x)


@_real(**_LAST)
def glu(x: Array, axis: int = -1) -> Array:
    """``a * sigmoid(b)`` of the last axis's halves a and b (Dauphin et al. 2017)."""
    half = output_channels(Choice("glu"), x.shape[-1])
    # A copy, to return a contiguous array; a strided half may also take a loop with other last bits.
    gate: Array = sigmoid.__wrapped__(x[..., half:].copy())  # type: ignore[attr-defined]
    gate *= x[..., :half]
    return gate


_SLOPE = {"negative_slope": at_least(0)}
_WEIGHTS = "it has weights of its own, one for each step; only functions without weights can be used"

ACTIVATIONS.add_layer("ReLU", "relu", limits={**_SLOPE, "threshold": at_least(0)})
ACTIVATIONS.add_layer("LeakyReLU", "leaky_relu", {"negative_slope": 0.3}, {"alpha": "negative_slope"}, _SLOPE)
ACTIVATIONS.add_layer("ELU", "elu")
ACTIVATIONS.add_layer("Softmax", "softmax")
ACTIVATIONS.add_layer(
    "ThresholdedReLU",
    "threshold",
    {"threshold": 1.0, "default_value": 0.0},
    {"theta": "threshold"},
    current=False,
)
ACTIVATIONS.refuse(_WEIGHTS, "PReLU", "prelu")
