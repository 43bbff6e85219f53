"""``depthwise_conv1d`` in the place of ``keras.ops.depthwise_conv``, under Keras's own layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers_keras import assert_as_keras, keras, numbers

import dwconv_cli

# Options, input shape, output shape by the formulas of Keras's documentation.
TABLE: list[tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]] = [
    ({"kernel_size": 3, "strides": 3, "padding": "same", "depth_multiplier": 3}, (4, 10, 12), (4, 4, 36)),
    ({"kernel_size": 1, "depth_multiplier": 5}, (2, 7, 4), (2, 7, 20)),
    ({"kernel_size": 2, "strides": 1, "padding": "valid", "depth_multiplier": 5}, (3, 5, 4), (3, 4, 20)),
    ({"kernel_size": 3, "padding": "same", "depth_multiplier": 6}, (3, 4, 4), (3, 4, 24)),
    ({"kernel_size": 2, "padding": "same", "dilation_rate": 2, "depth_multiplier": 6}, (3, 4, 4), (3, 4, 24)),
    ({"kernel_size": 2, "strides": 2, "padding": "valid", "depth_multiplier": 5}, (3, 5, 4), (3, 2, 20)),
    ({"kernel_size": 2, "strides": 2, "padding": "same", "activation": "relu"}, (2, 9, 3), (2, 5, 3)),
    ({"kernel_size": 6, "padding": "same"}, (1, 4, 2), (1, 4, 2)),
    ({"kernel_size": 4, "dilation_rate": 3, "use_bias": False}, (2, 10, 1), (2, 1, 1)),
    ({"kernel_size": 3, "strides": 2, "dilation_rate": 3, "padding": "same"}, (2, 20, 3), (2, 10, 3)),
    ({"kernel_size": 3, "strides": 3, "dilation_rate": 2, "depth_multiplier": 2}, (2, 20, 3), (2, 6, 6)),
    ({"kernel_size": 5, "strides": 7, "padding": "same"}, (2, 30, 3), (2, 5, 3)),
    ({"kernel_size": 3, "data_format": "channels_first", "depth_multiplier": 2}, (2, 3, 9), (2, 6, 7)),
    (
        {"kernel_size": 4, "data_format": "channels_first", "strides": 3, "padding": "same"},
        (2, 3, 9),
        (2, 3, 3),
    ),
    ({"kernel_size": 1, "strides": 3, "data_format": "channels_first"}, (1, 2, 8), (1, 2, 3)),
]


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row[0]))
def test_layer_over_our_operation(
    monkeypatch: pytest.MonkeyPatch,
    row: tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]],
    use_bias: bool,
) -> None:
    options, shape, wanted = row
    layer = keras.layers.DepthwiseConv1D(
        **{"bias_initializer": "random_normal", "use_bias": use_bias, **options},
        depthwise_initializer="random_normal",
    )
    x = np.random.default_rng(2).normal(size=shape).astype("float32")
    theirs = layer(x)
    calls = []

    def ours(inputs: Any, kernel: Any, *args: Any, **more: Any) -> Any:
        calls.append(more)
        y = dwconv_cli.depthwise_conv1d(numbers(inputs), numbers(kernel), *args, **more)
        return keras.ops.convert_to_tensor(y)

    monkeypatch.setattr("keras.src.ops.depthwise_conv", ours)
    found = numbers(layer(x))
    assert len(calls) == 1
    assert found.shape == tuple(layer.compute_output_shape(shape)) == wanted
    assert_as_keras(found, theirs)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row[0]))
def test_operation_beside_operation(row: tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]) -> None:
    options, shape, wanted = row
    given = {
        key: options[key] for key in ("strides", "padding", "data_format", "dilation_rate") if key in options
    }
    rng = np.random.default_rng(3)
    x = rng.normal(size=shape).astype("float32")
    channels = shape[1] if "data_format" in options else shape[2]
    taps = (options["kernel_size"], channels, options.get("depth_multiplier", 1))
    kernel = rng.normal(size=taps).astype("float32")
    found = dwconv_cli.depthwise_conv1d(x, kernel, **given)
    assert found.shape == wanted
    assert_as_keras(found, keras.ops.depthwise_conv(x, kernel, **given))
