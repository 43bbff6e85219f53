"""Attributes carried from inputs to outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.jobs.attributes import carried_attributes, sampling_rate

RATES = ("sampling_rate", "Sampling Rate", "sample-rate", "SampleRate", "fs", "FS", "sfreq", "rate", "fs_Hz")
RATES += ("sampling_frequency", "Sampling Rate (Hz)", "sample_rate_hz")
PERIODS = ("dt", "sampling_period", "sample interval", "SamplingInterval")
OTHERS = ("units", "gain", "fs2", "my_rate", "offset", "sampling_rate_unit", "dtype", "nfs", "rates", "")


def test_without_strides_all_is_as_it_was() -> None:
    attributes = {"fs": np.float32(50), "units": "g", "calibration": np.arange(3)}
    carried = carried_attributes(attributes, 1)
    assert list(carried) == list(attributes)
    assert all(carried[name] is value for name, value in attributes.items())
    assert carried is not attributes


@pytest.mark.parametrize("name", RATES)
def test_rates_are_divided(name: str) -> None:
    assert carried_attributes({name: 50.0}, 4) == {name: 12.5}


@pytest.mark.parametrize("name", PERIODS)
def test_periods_are_multiplied(name: str) -> None:
    assert carried_attributes({name: 0.5}, 4) == {name: 2.0}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_not(name: str) -> None:
    assert carried_attributes({name: 50.0}, 4) == {name: 50.0}


@pytest.mark.parametrize(
    "value", ["50 Hz", b"50", True, np.True_, None, np.array("50"), np.array([], object), 1j]
)
def test_what_is_no_real_number_stays(value: Any) -> None:
    carried = carried_attributes({"fs": value, "dt": value}, 4)
    assert carried["fs"] is value
    assert carried["dt"] is value


@pytest.mark.parametrize(
    "value, strides, rate, period",
    [
        (100, 4, 25, 400),
        (np.uint8(200), 2, 100, 400),  # wider than uint8
        (np.uint8(200), 300, 2 / 3, 60000),
        (np.int16(100), 3, 100 / 3, 300),
        (np.float32(0.5), 2, 0.25, 1.0),
        (np.array([200], np.uint8), 2, [100], [400]),
        (np.array([100.0, 50.0], ">f8"), 4, [25.0, 12.5], [400.0, 200.0]),
        ([100, 50], 10, [10, 5], [1000, 500]),
        ([100.0], 2, [50.0], [200.0]),
        (np.int64(2**62), 4, 2**60, 2.0**64),
        (np.uint64(2**63), 2, 2**62, 2.0**64),
        (np.nan, 2, np.nan, np.nan),
    ],
)
def test_values(value: Any, strides: int, rate: Any, period: Any) -> None:
    carried = carried_attributes({"fs": value, "dt": value}, strides)
    assert np.array_equal(carried["fs"], rate, equal_nan=True)
    assert np.array_equal(carried["dt"], period, equal_nan=True)
    assert np.shape(carried["fs"]) == np.shape(value)
    # HDF5 takes them.
    assert all(np.asarray(item).dtype.kind in "iuf" for item in carried.values())


@given(
    st.integers(2, 1000),
    st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]),
    st.data(),
)
def test_whole_numbers_never_wrap(strides: int, dtype: str, data: st.DataObject) -> None:
    limits = np.iinfo(dtype)
    value = data.draw(st.integers(0, limits.max))
    carried = carried_attributes({"fs": np.array(value, dtype), "dt": np.array(value, dtype)}, strides)
    assert float(carried["fs"]) == pytest.approx(value / strides, rel=1e-15)
    assert float(carried["dt"]) == pytest.approx(value * strides, rel=1e-15)
    if value % strides == 0:
        assert carried["fs"].dtype == np.dtype(dtype)
    if value * strides <= limits.max:
        assert carried["dt"].dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    "attributes, rate",
    [
        ({}, None),
        ({"sampling_rate": 50.0}, 50.0),
        ({"Sampling Rate (Hz)": np.float32(50)}, 50.0),
        ({"fs": np.array([360])}, 360.0),
        ({"fs": 2.0, "fs_unit": "kHz"}, 2000.0),
        ({"fs": 2.0, "fs_units": "MHz"}, 2e6),
        ({"fs": 2.0, "fs_unit": "mHz"}, None),
        ({"dt": 0.02}, 50.0),
        ({"sampling_interval": 4, "sampling_interval_unit": "ms"}, 250.0),
        ({"fs": 0.0}, None),
        ({"fs": np.nan}, None),
        ({"dt": 5e-324}, None),
        ({"fs": "50"}, None),
        ({"fs": [50.0, 60.0]}, None),
        ({"my_rate": 50.0}, None),
        ({"fs": 0.0, "sampling_rate": 50.0}, 50.0),
    ],
)
def test_the_sampling_rate_is_the_one_that_attributes_state(attributes: Any, rate: float | None) -> None:
    assert sampling_rate(attributes) == (None if rate is None else pytest.approx(rate, rel=1e-12))
