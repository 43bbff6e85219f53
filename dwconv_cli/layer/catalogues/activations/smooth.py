"""Activations that compute each element by exponentials, roots and quotients, such as elu, sigmoid and gelu."""

from __future__ import annotations

import math

import numpy as np

from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.activations.catalogue import ACTIVATIONS, positive_plus, real
from dwconv_cli.layer.registry import LayerClass, Limit, at_least


@real()
def elu(x: Array, alpha: float = 1.0) -> Array:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below."""
    below = np.clip(x, -np.inf, 0)
    np.expm1(below, out=below)
    below *= alpha
    return positive_plus(x, below)


ACTIVATIONS.add_layer("ELU", LayerClass("elu"))


@real()
def selu(x: Array) -> Array:
    """Scaled elu that keeps mean and variance (Klambauer et al. 2017)."""
    elu(x, 1.6732632423543772848170429916717)
    x *= 1.0507009873554804934193349852946
    return x


@real(alpha=Limit("other than 0", bool))
def celu(x: Array, alpha: float = 1.0) -> Array:
    """``x`` above 0, ``alpha * (exp(x / alpha) - 1)`` below."""
    below = np.clip(x, -np.inf, 0)
    below /= alpha
    np.expm1(below, out=below)
    below *= alpha
    return positive_plus(x, below)


@real()
def exponential(x: Array) -> Array:
    """``exp(x)``."""
    return np.exp(x, out=x)


@real()
def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> sigmoid(np.zeros(2))
    array([0.5, 0.5])
    """
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    return np.divide(1, x, out=x)


@real("swish")
def silu(x: Array) -> Array:
    """``x * sigmoid(x)``."""
    below = np.negative(x)
    np.exp(below, out=below)
    below += 1
    x /= below
    return x


@real()
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
    erfc = scipy_module("special").erfc

    # 1 + erf(z) = erfc(-z), which keeps its precision where erf(z) nears -1.
    u = np.multiply(x, x.dtype.type(-math.sqrt(0.5)))
    erfc(u, out=u)
    u *= 0.5
    x *= u
    return x


@real()
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x, out=x)


@real()
def tanh_shrink(x: Array) -> Array:
    """``x - tanh(x)``."""
    x -= np.tanh(x)
    return x


@real()
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``."""
    rest = _log1p_exp_minus_abs(x)
    return positive_plus(x, rest)


@real()
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


@real()
def mish(x: Array) -> Array:
    """``x * tanh(softplus(x))``."""
    # With e = exp(x), tanh(log(1 + e)) = n / (n + 2) for n = e * (e + 2): one transcendental function instead of three.
    # Beyond 40 the quotient is 1 in either precision, and e**2 still fits float32.
    e = np.clip(x, -np.inf, 40)
    np.exp(e, out=e)
    n = e + 2
    n *= e
    np.add(n, 2, out=e)
    n /= e
    x *= n
    return x


@real()
def softsign(x: Array) -> Array:
    """``x / (1 + |x|)``."""
    below = np.abs(x)
    below += 1
    x /= below
    return x


@real(b=at_least(0))
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
    return positive_plus(x, rest)
