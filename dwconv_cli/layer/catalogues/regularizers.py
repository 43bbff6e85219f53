"""Catalogue of regularizers: Keras's penalties on weights or outputs.

A new one is a function with the decorator ``REGULARIZERS.register``. It takes an array and returns its penalty as a
float, with sums in float64 whatever the array's dtype. The penalty of an array is the sum of those of its parts, except
for orthogonal_regularizer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.registry import Registry, at_least, one_of
from dwconv_cli.threads import one_blas_thread

REGULARIZERS: Registry[Callable[..., float]] = Registry("regularizer", "keras.regularizers")

# keras.ops.normalize leaves vectors shorter than this unnormalized: keras.config.epsilon().
_EPSILON = 1e-7


def _sum_abs(x: Array) -> float:
    return float(np.sum(np.abs(x), dtype=np.float64))


def _sum_square(x: Array) -> float:
    with np.errstate(over="ignore"):
        parts = (x.real, x.imag) if x.dtype.kind == "c" else (x,)
        return float(sum(np.sum(np.square(part, dtype=np.float64)) for part in parts))


@REGULARIZERS.register(class_name="L1", limits={"l1": at_least(0)})
def l1(x: Array, l1: float = 0.01) -> float:
    """``l1 * sum(|x|)``.

    Examples
    --------
    >>> l1(np.array([-1.0, 2.0]), l1=0.5)
    1.5
    """
    return l1 * _sum_abs(x)


@REGULARIZERS.register(class_name="L2", limits={"l2": at_least(0)})
def l2(x: Array, l2: float = 0.01) -> float:
    """``l2 * sum(|x|**2)``."""
    return l2 * _sum_square(x)


@REGULARIZERS.register("l1l2", class_name="L1L2", limits={"l1": at_least(0), "l2": at_least(0)})
def l1_l2(x: Array, l1: float = 0.0, l2: float = 0.0) -> float:
    """``l1 * sum(|x|) + l2 * sum(|x|**2)``."""
    return (l1 * _sum_abs(x) if l1 else 0.0) + (l2 * _sum_square(x) if l2 else 0.0)


@REGULARIZERS.register(limits={"factor": at_least(0), "mode": one_of("rows", "columns")})
def orthogonal_regularizer(x: Array, factor: float = 0.01, mode: str = "rows") -> float:
    """`factor` times the mean of ``|cosine|`` over pairs of a matrix's rows (or columns); refuses all but matrices."""
    if x.ndim != 2:
        raise LayerError(
            f"regularizer orthogonal_regularizer: it needs a matrix, not an array of shape {x.shape}"
        )
    vectors = (x if mode == "rows" else x.T).astype(np.result_type(x.dtype, np.float64))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.maximum(norms, _EPSILON)
    with one_blas_thread:
        cosines = np.abs(vectors @ vectors.T)
    np.fill_diagonal(cosines, 0)
    count = len(vectors)
    # Keras divides by the number of pairs also where there is none.
    return float(factor * 0.5 * cosines.sum() / max(count * (count - 1) / 2, 1))
