"""Files that Keras reads: the weights of one DepthwiseConv1D, and a model that is Input and this layer."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.dtype_policy import policy_name
from dwconv_cli.layer.keras_models import snake_case
from dwconv_cli.layer.keys import SETTINGS
from dwconv_cli.layer.registry.serialized import keras_object
from dwconv_cli.storage import hdf5
from dwconv_cli.weights.keras_files.archive import CONFIG, WEIGHTS
from dwconv_cli.weights.keras_files.layers import DEPTHWISE

# The first version that keeps layer names beside weights, as is done here.
KERAS_VERSION = "3.6.0"
# A fixed date, so that the same layer gives the same bytes; it is the first that a zip can hold.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_SAVED = "1980-01-01@00:00:00"
_MODEL = "dwconv"

# What keras.layers.DepthwiseConv1D takes, in the order in which Keras writes it; tf-keras writes more, which Keras 3
# refuses.
_KEYS = tuple(dict.fromkeys(("name", "trainable", "dtype", "depth_multiplier", *SETTINGS)))


def write_weights_h5(target: IO[bytes], config: Mapping[str, Any], kernel: Array, bias: Array | None) -> None:
    """Write a ``.weights.h5`` for ``load_weights`` of a model whose one layer with weights is this DepthwiseConv1D.

    Parameters
    ----------
    target : binary file
        The caller sees to it that a file which could not be written whole does not stay.
    config : mapping
        Keras config of the layer; its ``name`` goes into the file.
    kernel : ndarray, shape (K, C, M)
    bias : ndarray, shape (C * M,), or None

    Raises
    ------
    LayerError
        Keras has no such layer: complex weights, or padding ``causal``.
    OSError
        `target` could not be written.
    """
    _write(target, _weights(_checked(config, kernel), kernel, bias))


def write_keras(target: IO[bytes], config: Mapping[str, Any], kernel: Array, bias: Array | None) -> None:
    """Write a ``.keras`` that ``keras.saving.load_model`` opens: a Sequential of Input and this DepthwiseConv1D.

    Parameters and errors are those of :func:`write_weights_h5`. The input takes any number of steps.
    """
    layer = _checked(config, kernel)
    members = {
        "metadata.json": json.dumps({"keras_version": KERAS_VERSION, "date_saved": _SAVED}).encode(),
        CONFIG: json.dumps(_model(layer, kernel)).encode(),
        WEIGHTS: _weights(layer, kernel, bias),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), content)
    _write(target, buffer.getvalue())


def _checked(config: Mapping[str, Any], kernel: Array) -> dict[str, Any]:
    if kernel.dtype.kind != "f":
        raise LayerError(
            f"Keras keeps real floating-point weights only, not {kernel.dtype}; convert them with --dtype"
        )
    layer = {key: config[key] for key in _KEYS if key in config}
    if str(layer.get("padding", "valid")).lower() == "causal":
        raise LayerError(
            "padding 'causal' is no option of Keras's DepthwiseConv1D; save as .npz or .h5 instead"
        )
    return {"name": snake_case(DEPTHWISE), **layer}


def _weights(layer: dict[str, Any], kernel: Array, bias: Array | None) -> bytes:
    group = f"layers/{snake_case(DEPTHWISE)}/vars"
    arrays = {"0": kernel} if bias is None else {"0": kernel, "1": bias}
    return hdf5.pack(
        {f"{group}/{key}": np.ascontiguousarray(array) for key, array in arrays.items()},
        {"vars": {"name": _MODEL}, group: {"name": str(layer["name"])}},
    )


def _model(layer: dict[str, Any], kernel: Array) -> dict[str, Any]:
    taps, channels, multiplier = kernel.shape
    first = layer.get("data_format") == "channels_first"
    shape = [None, channels, None] if first else [None, None, channels]
    layer = {**layer, "kernel_size": [taps], "depth_multiplier": multiplier}
    policy = layer.get("dtype") or kernel.dtype.name
    computed = "float64" if policy_name(policy) == "float64" else "float32"
    input_layer = {
        "batch_shape": shape,
        "dtype": computed,
        "sparse": False,
        "ragged": False,
        "name": "input_layer",
    }
    config = {
        "name": _MODEL,
        "trainable": True,
        "layers": [
            keras_object("keras.layers", "InputLayer", input_layer),
            {
                **keras_object("keras.layers", DEPTHWISE, {**layer, "dtype": policy}),
                "build_config": {"input_shape": shape},
            },
        ],
        "build_input_shape": shape,
    }
    return {**keras_object("keras", "Sequential", config), "build_config": {"input_shape": shape}}


def _write(target: IO[bytes], content: bytes) -> None:
    # An unbuffered file may write only a part at once.
    left = memoryview(content)
    while left:
        left = left[target.write(left) :]
