"""Keras's random initializers: normal and uniform distributions, scaled by a kernel's fans, and orthogonal matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.initializers.catalogue import INITIALIZERS, Shape
from dwconv_cli.layer.registry import Limit, above, at_least, one_of
from dwconv_cli.threads import one_blas_thread

_SEED = Limit("from 0 to 4294967295", lambda seed: 0 <= seed < 2**32)
# Standard deviation of a normal distribution cut off at two deviations; Keras's constant.
_TRUNCATED_STD = 0.87962566103423978


def _generator(seed: int | None) -> np.random.Generator:
    # Keras turns an integer seed into the state [seed, 0] before its NumPy backend seeds a generator with it.
    return np.random.default_rng(None if seed is None else np.array([seed, 0], "uint32"))


@INITIALIZERS.register("normal", limits={"stddev": at_least(0), "seed": _SEED})
def random_normal(
    shape: Shape, dtype: DTypeLike, *, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None
) -> Array:
    """Normal distribution."""
    return _generator(seed).normal(mean, stddev, shape).astype(dtype)


@INITIALIZERS.register("uniform", limits={"seed": _SEED})
def random_uniform(
    shape: Shape, dtype: DTypeLike, *, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
) -> Array:
    """Uniform distribution from `minval` to below `maxval`."""
    if minval > maxval:
        raise LayerError(f"initializer random_uniform: minval={minval!r} is above maxval={maxval!r}")
    return _generator(seed).uniform(minval, maxval, shape).astype(dtype)


@INITIALIZERS.register(limits={"stddev": at_least(0), "seed": _SEED})
def truncated_normal(
    shape: Shape, dtype: DTypeLike, *, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None
) -> Array:
    """Normal distribution without what lies more than two deviations from the mean."""
    generator, size = _generator(seed), math.prod(shape)
    numbers = np.empty(0)
    while numbers.size < size:
        batch = generator.normal(mean, stddev, size)
        inside = (batch >= mean - 2 * stddev) & (batch <= mean + 2 * stddev)
        numbers = np.append(numbers, batch[inside])
    return numbers[:size].astype(dtype).reshape(shape)


def compute_fans(
    shape: Shape, input_axes: tuple[int, ...] | None = None, output_axes: tuple[int, ...] | None = None
) -> tuple[int, int]:
    """Fan-in and fan-out, ``(C*K, M*K)`` for a kernel ``(K, C, M)``, or the sizes of the axes that are given for both.

    Examples
    --------
    >>> compute_fans((5, 6, 2))
    (30, 10)
    """
    if input_axes is not None and output_axes is not None:
        try:
            return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
        except IndexError:
            raise LayerError(
                f"input_axes={input_axes}, output_axes={output_axes}: shape {shape} has no such axis"
            ) from None
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


@INITIALIZERS.register(
    limits={
        "scale": above(0),
        "mode": one_of("fan_in", "fan_out", "fan_avg"),
        "distribution": one_of("truncated_normal", "untruncated_normal", "uniform", "normal"),
        "seed": _SEED,
    }
)
def variance_scaling(
    shape: Shape,
    dtype: DTypeLike,
    *,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    seed: int | None = None,
    input_axes: tuple[int, ...] | None = None,
    output_axes: tuple[int, ...] | None = None,
) -> Array:
    """Variance `scale` over a fan of the kernel (He et al. 2015, Glorot and Bengio 2010).

    The fan is that of :func:`compute_fans`; ``normal`` is another name of the distribution ``truncated_normal``.
    """
    fan_in, fan_out = compute_fans(shape, input_axes, output_axes)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[mode]
    variance = scale / max(1.0, fan)
    if distribution == "uniform":
        limit = math.sqrt(3.0 * variance)
        return random_uniform(shape, dtype, minval=-limit, maxval=limit, seed=seed)
    if distribution == "untruncated_normal":
        return random_normal(shape, dtype, stddev=math.sqrt(variance), seed=seed)
    return truncated_normal(shape, dtype, stddev=math.sqrt(variance) / _TRUNCATED_STD, seed=seed)


def _register_scaled(name: str, scale: float, mode: str, distribution: str) -> None:
    """Enter variance_scaling with these arguments under a name of its own."""

    def scaled(
        shape: Shape,
        dtype: DTypeLike,
        *,
        seed: int | None = None,
        input_axes: tuple[int, ...] | None = None,
        output_axes: tuple[int, ...] | None = None,
    ) -> Array:
        how: dict[str, Any] = {"scale": scale, "mode": mode, "distribution": distribution, "seed": seed}
        return variance_scaling(shape, dtype, **how, input_axes=input_axes, output_axes=output_axes)

    scaled.__name__ = scaled.__qualname__ = name
    scaled.__doc__ = f"variance_scaling(scale={scale}, mode={mode!r}, distribution={distribution!r})."
    INITIALIZERS.register(limits={"seed": _SEED})(scaled)


for _author, _scale, _mode in (("glorot", 1.0, "fan_avg"), ("he", 2.0, "fan_in"), ("lecun", 1.0, "fan_in")):
    _register_scaled(f"{_author}_normal", _scale, _mode, "truncated_normal")
    _register_scaled(f"{_author}_uniform", _scale, _mode, "uniform")


@INITIALIZERS.register("OrthogonalInitializer", limits={"seed": _SEED})
def orthogonal(shape: Shape, dtype: DTypeLike, *, gain: float = 1.0, seed: int | None = None) -> Array:
    """`gain` times a matrix with orthonormal rows or columns, the last axis being its columns (Saxe et al. 2014)."""
    if len(shape) < 2:
        raise LayerError(f"initializer orthogonal: it needs two axes or more, not shape {shape}")
    rows, columns = math.prod(shape[:-1]), shape[-1]
    high = (max(rows, columns), min(rows, columns))
    compute = np.result_type(dtype, np.float32)  # LAPACK has no float16
    with one_blas_thread:
        q, r = np.linalg.qr(random_normal(high, compute, stddev=1.0, seed=seed))
    q *= np.sign(np.diag(r))
    if rows < columns:
        q = q.T
    return np.asarray(compute.type(gain) * q.reshape(shape), dtype)
