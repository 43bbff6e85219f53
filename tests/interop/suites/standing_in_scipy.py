"""A pytest plugin: functions of ours stand in for SciPy's, under the tests that SciPy's wheel holds.

Arrays of several dimensions, filters with feedback and designs by width are left to SciPy: they are none of ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
from outcomes import CALLS
from scipy import signal
from scipy._lib._array_api import xp_capabilities_table

from dwconv_cli import depthwise_conv1d
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS, initialized


def _convolve(theirs: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(theirs)
    def ours(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
        volume, kernel = np.asarray(in1), np.asarray(in2)
        known = mode in ("full", "same", "valid") and method in ("auto", "direct", "fft")
        if not known or volume.ndim != 1 or kernel.ndim != 1 or 0 in (volume.size, kernel.size):
            return theirs(in1, in2, mode, method)
        CALLS["convolve"] += 1
        steps = len(volume)
        if mode == "valid" and len(kernel) > len(volume):
            volume, kernel = kernel, volume
        around = 0 if mode == "valid" else len(kernel) - 1
        # SciPy's sums of integers are integers; those of ours are as exact, and come out as floats.
        whole = np.result_type(volume, kernel)
        full = depthwise_conv1d(np.pad(volume, around), kernel[::-1])
        full = full.astype(whole) if whole.kind in "iu" else full
        before = (len(kernel) - 1) // 2
        return full[before : before + steps] if mode == "same" else full

    return ours


def _lfilter(theirs: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(theirs)
    def ours(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
        taps, scale, data = np.atleast_1d(b), np.atleast_1d(a), np.asarray(x)
        if (
            taps.ndim != 1
            or scale.shape != (1,)
            or data.ndim not in (1, 2, 3)
            or not data.size
            or not taps.size
            or zi is not None
        ):
            return theirs(b, a, x, axis, zi)
        CALLS["lfilter"] += 1
        moved = np.moveaxis(data, axis, -1)
        rows = moved.reshape(-1, moved.shape[-1], 1)
        found = depthwise_conv1d(rows, (taps / scale)[::-1], padding="causal")
        return np.moveaxis(found.reshape(moved.shape), -1, axis)

    return ours


def _firwin(theirs: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(theirs)
    def ours(
        numtaps: Any,
        cutoff: Any,
        *,
        width: Any = None,
        window: Any = "hamming",
        pass_zero: Any = True,
        scale: bool = True,
        fs: Any = None,
    ) -> Any:
        if width is not None or not scale:
            return theirs(
                numtaps, cutoff, width=width, window=window, pass_zero=pass_zero, scale=scale, fs=fs
            )
        given = {"cutoff": cutoff, "window": window, "pass_zero": pass_zero, "fs": 2.0 if fs is None else fs}
        choice = INITIALIZERS.choose("firwin", given)
        CALLS["firwin"] += 1
        # The design is SciPy's in the end: what is tested here is what becomes of the arguments.
        with mock.patch.object(signal, "firwin", theirs):
            return initialized(choice, (numtaps, 1, 1), "float64", None)[:, 0, 0]

    return ours


for _name, _stand in (("convolve", _convolve), ("lfilter", _lfilter), ("firwin", _firwin)):
    _theirs = getattr(signal, _name)
    _ours = _stand(_theirs)
    # Where SciPy's tests ask which kinds of array a function takes.
    xp_capabilities_table[_ours] = xp_capabilities_table[_theirs]
    setattr(signal, _name, _ours)
