"""Keras's initializer of kernels that compute a short-time Fourier transform."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from dwconv_cli.errors import LayerError
from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.initializers.catalogue import INITIALIZERS, Shape
from dwconv_cli.layer.registry import Limit, one_of


def _is_window(window: Any) -> bool:
    """Whether Keras takes `window`: it asks SciPy for a window of one sample, so windows with a parameter fail."""
    if not isinstance(window, str):
        return True
    get_window = scipy_module("signal.windows").get_window
    try:
        get_window(window, 1)
    except (ValueError, TypeError):
        return False
    return True


@INITIALIZERS.register(
    "STFTInitializer",
    class_name="STFT",
    limits={
        "side": one_of("real", "imag"),
        "window": Limit(
            "numbers, None, or a window of scipy.signal.windows that needs no parameter", _is_window
        ),
        "scaling": one_of("density", "spectrum", None),
    },
)
def stft(
    shape: Shape,
    dtype: DTypeLike,
    *,
    side: str = "real",
    window: str | tuple[float, ...] | None = "hann",
    scaling: str | None = "density",
    periodic: bool = False,
) -> Array:
    """Kernels of a short-time Fourier transform: K samples, M frequencies from 0 to half the sampling rate.

    Parameters
    ----------
    shape : (K, C, M)
        Every channel gets the same; Keras makes C = 1 only.
    side : str
        ``real`` for cosines, ``imag`` for sines.
    window : str, tuple or None
        A window of SciPy by name, its K values, or none.
    scaling : str or None
        Divide by the window's L2 norm (``density``) or sum (``spectrum``).
    periodic : bool
        Make the window periodic rather than symmetric.
    """
    if len(shape) != 3 or shape[2] < 2:
        raise LayerError(f"initializer stft: it needs a kernel (K, C, M) with M of 2 or more, not {shape}")
    size, _, bins = shape
    compute = np.result_type(dtype, np.float32)
    real = np.zeros(0, compute).real.dtype
    frequency = np.arange(bins, dtype=real).reshape(1, 1, bins) / ((bins - 1) * 2)
    time = np.arange(size, dtype=real).reshape(size, 1, 1)
    angle = -2 * time * frequency * np.arccos(real.type(-1))
    kernel = np.cos(angle) if side == "real" else np.sin(angle)
    if window is not None:
        values = _window(window, size, periodic).astype(real).reshape(size, 1, 1)
        norm: Any = 1
        if scaling == "density":
            norm = np.sqrt(np.sum(np.square(values)))
        elif scaling == "spectrum":
            norm = np.sum(np.abs(values))
        with np.errstate(divide="ignore", invalid="ignore"):
            kernel = kernel * values / norm
        if not np.isfinite(kernel).all():
            raise LayerError(f"initializer stft: window {window!r} of {size} values has the norm {norm}")
    return np.broadcast_to(kernel.astype(dtype), shape).copy()


def _window(window: str | tuple[float, ...], size: int, periodic: bool) -> Array:
    if isinstance(window, tuple):
        if len(window) != size:
            raise LayerError(f"initializer stft: window has {len(window)} values, the kernel {size} taps")
        return np.asarray(window, np.float64)
    get_window = scipy_module("signal.windows").get_window
    return np.asarray(get_window(window, size, fftbins=periodic))
