"""Gains, half-power points and group delays, against closed forms and dense sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.description.response import FLOOR_DB, TAPS_WIDTH, response, sparkline
from dwconv_cli.text import SPARKS

Array = np.ndarray[Any, Any]


def gain(kernel: Array, frequency: float | Array) -> Array:
    """|H| of the correlation, summed as it stands: an input exp(2j pi f n) comes out times this."""
    steps = np.arange(len(kernel))
    return np.abs(np.exp(2j * np.pi * np.multiply.outer(frequency, steps)) @ kernel)


def average(taps: int) -> Array:
    return np.full(taps, 1 / taps)


# Kernel; gain at 0; peak gain and frequency; -3 dB points; group delay of the causal filter.
CLOSED_FORMS = {
    # |H| = cos(pi f)
    "average of 2": ([0.5, 0.5], 1, 1, 0, [0.25], 0.5),
    # |H| = 2 sin(pi f)
    "difference": ([-1, 1], 0, 2, 0.5, [0.25], 0.5),
    # |H| = 2 sin(2 pi f)
    "central difference": ([-1, 0, 1], 0, 2, 0.25, [0.125, 0.375], 1),
    # |H| = cos(pi f)^2, half of its power where cos(pi f) = 2^(-1/4)
    "binomial": ([0.25, 0.5, 0.25], 1, 1, 0, [np.arccos(2**-0.25) / np.pi], 1),
    "identity": ([1], 1, 1, 0, [], 0),
    # y[o] = x[o + 1]: as a causal filter of 4 taps that is a delay of 2.
    "one step ahead": ([0, 1, 0, 0], 1, 1, 0, [], 2),
    "latest step": ([0, 0, 0, -3], -3, 3, 0, [], 0),
}


@pytest.mark.parametrize("kernel, dc, peak, where, cutoffs, delay", CLOSED_FORMS.values(), ids=CLOSED_FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_closed_forms(
    dtype: str, kernel: list[float], dc: float, peak: float, where: float, cutoffs: list[float], delay: float
) -> None:
    figures = response(np.array(kernel, dtype))
    assert figures.dc_gain == pytest.approx(dc)
    assert figures.peak_gain == pytest.approx(peak)
    assert figures.peak_frequency == pytest.approx(where, abs=1e-9)
    assert figures.cutoffs == pytest.approx(cutoffs, abs=1e-9)
    assert figures.group_delay == pytest.approx(delay)
    assert figures.group_delay_range == pytest.approx((delay, delay))


@pytest.mark.parametrize("taps", [3, 5, 16, 181, 1000])
def test_moving_average(taps: int) -> None:
    figures = response(average(taps))
    (edge,) = figures.cutoffs
    # The Dirichlet kernel.
    assert np.sin(np.pi * edge * taps) / (taps * np.sin(np.pi * edge)) == pytest.approx(np.sqrt(0.5))
    assert figures.group_delay == (taps - 1) / 2
    assert figures.linear_phase


def test_decay_is_not_of_linear_phase() -> None:
    # h[n] = a^n is the reversed kernel; its group delay at 0 is the mean of n under the weights a^n.
    a, n = 0.8, np.arange(60)
    figures = response(a ** n[::-1])
    assert not figures.linear_phase
    assert figures.group_delay == pytest.approx((n * a**n).sum() / (a**n).sum())
    assert figures.group_delay_range is not None
    assert figures.group_delay_range[0] < figures.group_delay == pytest.approx(figures.group_delay_range[1])
    # |1 - a z| has half of the peak's power where cos(2 pi f) = (4a - 1 - a^2) / (2a).
    assert figures.cutoffs == pytest.approx([np.arccos((4 * a - 1 - a**2) / (2 * a)) / (2 * np.pi)], rel=1e-4)


def test_sampling_rate_and_dilation() -> None:
    plain = response(average(4))
    at_rate = response(average(4), fs=50)
    assert at_rate.cutoffs == pytest.approx([50 * plain.cutoffs[0]])
    assert at_rate.group_delay == 1.5
    dilated = response(average(4), dilation_rate=3, fs=50)
    apart = np.zeros(10)
    apart[::3] = 0.25
    assert dilated.cutoffs[0] == pytest.approx(response(apart, fs=50).cutoffs[0])
    assert dilated.group_delay == 4.5 == response(apart).group_delay


def test_complex_kernel_passes_its_own_frequency() -> None:
    # An average of what is left after turning back by 0.2 cycles a step.
    kernel = average(16) * np.exp(-2j * np.pi * 0.2 * np.arange(16))
    figures = response(kernel)
    edge = response(average(16)).cutoffs[0]
    assert figures.peak_frequency == pytest.approx(0.2, abs=1e-6)
    assert figures.peak_gain == pytest.approx(1)
    assert figures.cutoffs == pytest.approx([0.2 - edge, 0.2 + edge])
    assert figures.group_delay == pytest.approx(7.5)
    assert gain(kernel, 0.2) == pytest.approx(1)
    assert gain(kernel, -0.2) < 0.3


@pytest.mark.parametrize("kernel", [np.zeros(5), np.array([1, np.nan]), np.array([np.inf, 1], "float32")])
def test_nothing_to_say(kernel: Array) -> None:
    figures = response(kernel)
    assert (figures.cutoffs, figures.group_delay, figures.peak_frequency) == ((), None, None)
    assert figures.gains == ""


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_any_unit(scale: float) -> None:
    figures = response(average(8) * scale)
    assert figures.cutoffs == pytest.approx(response(average(8)).cutoffs)
    assert figures.peak_gain == pytest.approx(scale)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=24).filter(any))
def test_any_kernel(taps: list[int]) -> None:
    kernel = np.array(taps, float)
    figures = response(kernel)
    dense = np.linspace(0, 0.5, 5001)
    gains = gain(kernel, dense)
    assert figures.peak_frequency is not None
    assert figures.group_delay is not None
    assert figures.dc_gain == sum(taps)
    assert figures.peak_gain >= gains.max() * (1 - 1e-6)
    assert gain(kernel, figures.peak_frequency) == pytest.approx(figures.peak_gain)
    assert figures.cutoffs == tuple(sorted(figures.cutoffs))
    assert gain(kernel, np.array(figures.cutoffs)) == pytest.approx(figures.peak_gain / np.sqrt(2))
    # Between the -3 dB points the gain stays on one side, but for a grazing peak too narrow for any grid.
    above = gains**2 >= figures.peak_gain**2 / 2
    changes = dense[:-1][above[1:] != above[:-1]]
    assert len(figures.cutoffs) >= len(changes) - 2
    # The slope of the phase of the causal filter.
    h, step = kernel[::-1], 1e-6
    ends = np.array([figures.peak_frequency - step, figures.peak_frequency + step])
    turned = np.exp(-2j * np.pi * np.multiply.outer(ends, np.arange(len(h)))) @ h
    slope = -np.angle(turned[1] / turned[0]) / (2 * np.pi * 2 * step)
    assert figures.group_delay == pytest.approx(slope, abs=1e-3)


def test_sparklines() -> None:
    assert sparkline(np.array([0.0, 7.0])) == SPARKS[0] + SPARKS[-1]
    assert sparkline(np.array([-1.0, 0.0, 1.0])) == SPARKS[0] + SPARKS[4] + SPARKS[-1]
    assert (
        sparkline(np.array([FLOOR_DB - 1, 0.0, np.nan]), FLOOR_DB, 0.0) == SPARKS[0] + SPARKS[-1] + SPARKS[0]
    )
    assert sparkline(np.array([np.nan])) == ""
    assert response(np.array([1.0, 2.0, 4.0])).taps[2] == SPARKS[-1]
    spike = np.zeros(1000)
    spike[500] = 1
    taps = response(spike).taps
    assert len(taps) == TAPS_WIDTH
    assert taps.count(SPARKS[-1]) == 1
    assert response(average(50)).gains[0] == SPARKS[-1] != response(average(50)).gains[-1]
