"""LayerSpec and Weights: checked once, and what they say of shapes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import oracle
import pytest
import strategies
from checks import refused
from hypothesis import given

from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.layer.axes import Axes
from dwconv_cli.layer.keys import SETTINGS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec, Weights


def test_defaults_are_those_of_keras() -> None:
    spec = LayerSpec(kernel_size=3)
    assert dataclasses.asdict(spec) == {
        "kernel_size": 3,
        "strides": 1,
        "padding": "valid",
        "depth_multiplier": 1,
        "data_format": "channels_last",
        "dilation_rate": 1,
        "activation": {"name": "linear", "arguments": ()},
        "use_bias": True,
        "depthwise_initializer": {"name": "glorot_uniform", "arguments": ()},
        "bias_initializer": {"name": "zeros", "arguments": ()},
        "depthwise_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "depthwise_constraint": None,
        "bias_constraint": None,
        "dtype": None,
        "name": None,
        "allow_strided_dilation": False,
    }


def test_the_table_of_keys_is_complete() -> None:
    fields = tuple(field.name for field in dataclasses.fields(LayerSpec))
    assert fields == (*SETTINGS, "allow_strided_dilation")


@pytest.mark.parametrize("key", ["kernel_size", "strides", "dilation_rate", "depth_multiplier"])
@pytest.mark.parametrize("value", [4, [4], (4,), np.int64(4), np.uint8(4), np.array(4)])
def test_whole_numbers(key: str, value: Any) -> None:
    number = getattr(LayerSpec(**{"kernel_size": 2, key: value}), key)
    assert number == 4
    assert type(number) is int


@pytest.mark.parametrize("key", ["kernel_size", "strides", "dilation_rate", "depth_multiplier"])
@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        [0],
        2.0,
        "3",
        None,
        True,
        [True],
        [],
        [2, 2],
        (3, 3),
        [[3]],
        {3},
        np.float64(3),
        np.array([3, 3]),
    ],
)
def test_no_whole_numbers(key: str, value: Any) -> None:
    with pytest.raises(LayerError, match=f"^{key} must be a whole number of at least 1, got "):
        LayerSpec(**{"kernel_size": 2, key: value})


def test_strides_and_dilation_exclude_each_other() -> None:
    with pytest.raises(LayerError, match="strides=2 with dilation_rate=3: at most one"):
        LayerSpec(kernel_size=3, strides=2, dilation_rate=3)
    spec = LayerSpec(kernel_size=3, strides=2, dilation_rate=3, allow_strided_dilation=True)
    assert (spec.strides, spec.dilation_rate, spec.output_steps(9)) == (2, 3, 2)


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("padding", "SAME", "same"),
        ("padding", "Causal", "causal"),
        ("data_format", "Channels_First", "channels_first"),
        ("dtype", "Float16", "float16"),
        ("dtype", "complex128", "complex128"),
    ],
)
def test_words_in_any_case(key: str, value: str, expected: str) -> None:
    assert getattr(LayerSpec(kernel_size=1, **{key: value}), key) == expected


@pytest.mark.parametrize(
    "key, value",
    [
        ("padding", "full"),
        ("padding", None),
        ("padding", 1),
        ("padding", ["same"]),
        ("data_format", "NWC"),
        ("data_format", None),
        ("dtype", "int8"),
        ("dtype", "bfloat16"),
        ("dtype", "float128"),
        ("dtype", 32),
        ("use_bias", 1),
        ("use_bias", None),
        ("use_bias", "yes"),
        ("activation", "no_such"),
        ("activation", 3),
        ("depthwise_regularizer", "l2(nan)"),
        ("bias_constraint", "max_norm(__import__('os'))"),
        ("bias_initializer", {"class_name": "Lambda", "config": {}}),
    ],
)
def test_refused(key: str, value: Any) -> None:
    with refused(LayerError, key.rpartition("_")[2]):
        LayerSpec(kernel_size=1, **{key: value})


def test_catalogue_entries_in_every_form() -> None:
    expected = Choice("relu", (("max_value", 6.0),))
    forms: list[Any] = [
        "relu(max_value=6.0)",
        expected,
        {"module": "keras.layers", "class_name": "ReLU", "config": {"max_value": 6.0}},
    ]
    specs = [LayerSpec(kernel_size=1, activation=form) for form in forms]
    assert [spec.activation for spec in specs] == [expected] * 3
    assert len(set(specs)) == 1


def test_none_is_the_default_entry() -> None:
    spec = LayerSpec(kernel_size=1, activation=None, depthwise_initializer=None, bias_initializer=None)
    assert spec == LayerSpec(kernel_size=1)


def test_frozen() -> None:
    spec = LayerSpec(kernel_size=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.strides = 2
    assert dataclasses.replace(spec, strides=2).strides == 2


@given(case=strategies.exact_cases())
def test_shapes_of_the_oracle(case: strategies.Case) -> None:
    spec = case.layer.spec()
    expected = oracle.depthwise_conv1d(case.inputs, case.kernel, **case.arguments)
    assert spec.output_shape(case.inputs.shape) == expected.shape
    axes = Axes(case.inputs.ndim, spec.data_format)
    batch, steps, channels = axes.canonical_shape(case.inputs.shape)
    assert (steps, channels) == (case.steps, case.layer.channels)
    assert axes.arrange(batch, steps, channels) == case.inputs.shape
    keys = ("strides", "padding", "dilation_rate")
    length, left, right = oracle.lengths(
        steps, spec.kernel_size, **{key: case.arguments[key] for key in keys}
    )
    assert spec.output_steps(steps) == length
    assert spec.pad_amounts(steps) == (left, right)
    assert spec.effective_kernel_size == case.layer.effective_kernel_size


@pytest.mark.parametrize(
    "data_format, multiplier, shape, expected",
    [
        # glu halves the last axis, whatever data_format says.
        ("channels_last", 2, (3, 9, 5), (3, 8, 5)),
        ("channels_last", 1, (9, 4), (8, 2)),
        ("channels_first", 1, (3, 5, 9), (3, 5, 4)),
        ("channels_first", 3, (5, 9), (15, 4)),
        ("channels_last", 2, (9,), (8,)),
        ("channels_first", 1, (9,), (4,)),
    ],
)
def test_glu_halves_the_last_axis(
    data_format: str, multiplier: int, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    spec = LayerSpec(kernel_size=2, depth_multiplier=multiplier, data_format=data_format, activation="glu")
    assert spec.output_shape(shape) == expected
    assert spec.unactivated_steps(spec.activated_steps(8)) == 8


def test_glu_of_an_odd_number() -> None:
    spec = LayerSpec(kernel_size=2, activation="glu")
    with pytest.raises(LayerError, match="glu"):
        spec.output_shape((9, 3))


@pytest.mark.parametrize("shape", [(), (1, 2, 3, 4)])
def test_other_ranks(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=f"rank {len(shape)}"):
        LayerSpec(kernel_size=1).output_shape(shape)


@pytest.mark.parametrize("padding, steps", [("valid", 4), ("valid", 0), ("same", 0), ("causal", 0)])
def test_too_few_steps(padding: str, steps: int) -> None:
    spec = LayerSpec(kernel_size=3, dilation_rate=2, padding=padding)
    with pytest.raises(ShapeError, match=f"{steps} steps are too few .* effective kernel size of 5"):
        spec.output_steps(steps)


@pytest.mark.parametrize("shape", [(), (1, 1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_kernels_of_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="a kernel has shape"):
        Weights(np.zeros(shape))


@pytest.mark.parametrize("dtype", ["O", "U1", "S1", "M8[s]", "m8[s]", "longdouble", "clongdouble", "i4,i4"])
def test_kernels_and_biases_of_other_dtypes(dtype: str) -> None:
    with pytest.raises(ShapeError, match="kernel holds numbers"):
        Weights(np.zeros((1, 1, 1), dtype))
    with pytest.raises(ShapeError, match="bias holds numbers"):
        Weights(np.zeros((1, 1, 1)), np.zeros(1, dtype))


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", ">f8", "c8", "c16"])
def test_kernels_of_numbers(dtype: str) -> None:
    assert Weights(np.zeros((1, 2, 1), dtype), np.zeros(2, dtype)).kernel.dtype == dtype


@pytest.mark.parametrize("shape", [(), (5,), (7,), (2, 3), (6, 1), (1,)])
def test_misfitting_bias(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"needs \(6,\)"):
        Weights(np.zeros((4, 2, 3)), np.zeros(shape))


def test_for_channels() -> None:
    weights = Weights(np.zeros((4, 2, 3)))
    assert weights.for_channels(2) is weights
    with pytest.raises(
        ShapeError, match=r"6 channels \(channels_last\), .* is for 2; try data_format='channels_first'"
    ):
        weights.for_channels(6)
    with pytest.raises(ShapeError, match="channels_last' or another"):
        weights.for_channels(6, "channels_first")


def test_shared_for_channels() -> None:
    weights = Weights(np.arange(4.0)[:, None, None], np.arange(3.0), shared=True).for_channels(3)
    assert weights.kernel.shape == (4, 3, 1)
    assert (weights.kernel == np.arange(4.0)[:, None, None]).all()
    with pytest.raises(ShapeError, match="bias"):
        Weights(np.zeros((4, 1, 1)), np.zeros(3), shared=True).for_channels(2)
