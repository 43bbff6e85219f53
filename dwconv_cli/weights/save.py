"""Kernels and biases into files, with the config of their layer where the format can hold it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dwconv_cli.choices import KERNEL_LAYOUTS, LAYER_CONFIG, FormatName, KernelLayout
from dwconv_cli.errors import LayerError, OutputError
from dwconv_cli.layer.arguments import Location, instance, location, one_of
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.config import serialized, to_config
from dwconv_cli.layer.keys import INITIALIZER_KEYS
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, format_of, open_output
from dwconv_cli.storage.protocols import NewArray, Output
from dwconv_cli.storage.selections import everything
from dwconv_cli.storage.sink import FileSink

# Keras's own name for the first DepthwiseConv1D of a model.
_NAME = "depthwise_conv1d"


def save_weights(
    address: Location,
    weights: Weights,
    layer: LayerSpec | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    layout: KernelLayout = "keras",
    overwrite: bool = False,
    output_format: FormatName | None = None,
) -> None:
    """Write weights into a file that appears whole or not at all.

    Parameters
    ----------
    address : str or path
        ``.npz`` and HDF5 files hold ``kernel`` and ``bias``, in the group that is named after ``::``; a group is added
        to a file that exists. ``.safetensors`` files hold the same, and the group's name is a prefix with a dot;
        their kernel in PyTorch's layout is called ``weight``. ``.npy`` holds the kernel alone. ``.weights.h5`` and ``.keras`` hold a Keras model of
        this one layer.
    weights : Weights
    layer : LayerSpec, optional
        The layer they belong to; Keras's files need it, and ``.npz`` and HDF5 files hold its config.
    config : mapping, optional
        The known settings of the layer, under Keras's keys, where they are not all of `layer`. ``.npz`` and HDF5 files
        hold them instead, and :func:`~dwconv_cli.load_weights` reads them.
    layout : str
        ``keras`` for (K, C, M), ``torch`` for (C*M, 1, K); Keras's files hold only ``keras``.
    overwrite : bool
        Replace a file, or an array in a group, that exists.
    output_format : str, optional
        ``npy``, ``npz`` or ``hdf5``, if the suffix says none of them.

    Raises
    ------
    LayerError
        If the format cannot hold them.
    OutputError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> layer = LayerSpec(kernel_size=3, padding="same")
    >>> save_weights("smooth.npz", Weights([0.25, 0.5, 0.25]), layer, overwrite=True)
    >>> from dwconv_cli import load_weights
    >>> load_weights("smooth.npz").config["padding"]
    'same'
    """
    address, layout = location("address", address), one_of("layout", layout, KERNEL_LAYOUTS)
    instance("weights", weights, Weights)
    if layer is not None:
        instance("layer", layer, LayerSpec)
    place = Address.parse(address, output_format)
    if output_format is None and place.path.lower().endswith((".weights.h5", ".keras")):
        if layout != "keras":
            raise LayerError(f"{address}: Keras's files know Keras's layout alone; use .npz for {layout}'s")
        _save_for_keras(place, weights, layer, config or {}, overwrite)
        return
    root = format_of(place, OutputError).ROOT
    kernel = weights.kernel[:, 0, 0] if weights.shared else weights.kernel
    if layout == "torch":
        if weights.shared:
            raise LayerError(f"{address}: torch's layout needs the number of channels; give --channels C")
        kernel = kernel.transpose(1, 2, 0).reshape(-1, 1, len(kernel))
    arrays = {"kernel": kernel}
    if root is None:
        if weights.bias is not None and weights.bias.any():
            raise LayerError(
                f"{address}: .npy holds a kernel alone, and there is a bias; use .npz, .h5 or --no-bias"
            )
    elif weights.bias is not None:
        arrays["bias"] = weights.bias
    group = (place.name or "").strip("/")
    separator = "/"
    if place.format == "safetensors":
        separator = "."
        if layout == "torch":
            arrays = {"weight" if name == "kernel" else name: array for name, array in arrays.items()}
    arrays = {f"{group}{separator}{name}" if group else name: array for name, array in arrays.items()}
    adding = bool(group) and os.path.isfile(place.path)
    existing = [name.strip("/") for name in array_names(place)] if adding else []
    if weights.bias is None and f"{group}/bias" in existing:
        raise OutputError(f"{address}: there is a bias, and these weights have none; write to another name")
    if config is None and layer is not None:
        config = to_config(layer)
    attributes = {LAYER_CONFIG: json.dumps(config)} if config else {}
    output = open_output(
        place,
        overwrite=overwrite,
        keep=adding,
        replace=frozenset(arrays) if overwrite else frozenset(),
    )
    try:
        for name, array in arrays.items():
            _write(output, name, array, attributes if name.endswith(("kernel", "weight")) else {})
        output.commit()
    except BaseException:
        output.abort()
        raise


def keras_name(layer: LayerSpec) -> str:
    """A name for the layer in a Keras file; ``/`` is replaced, since Keras 2 allows it in names and Keras 3 does not."""
    return (layer.name or _NAME).replace("/", "_")


def _save_for_keras(
    place: Address, weights: Weights, layer: LayerSpec | None, known: Mapping[str, Any], overwrite: bool
) -> None:
    """Write ``.keras`` or ``.weights.h5``; of the `known` settings ``trainable`` goes into the former."""
    from dwconv_cli.weights.keras_files.write import write_keras, write_weights_h5

    if layer is None:
        raise LayerError(f"{place}: a Keras file holds the layer's config too; give the layer, or use .npz")
    if place.name is not None:
        raise LayerError(f"{place}: a Keras file holds one layer; leave out ::{place.name}")
    if weights.shared:
        raise LayerError(f"{place}: Keras's kernel is (K, C, M); give --channels C")
    if place.path.lower().endswith(".keras"):
        trainable = {key: known[key] for key in ("trainable",) if key in known}
        config = {**_keras_config(layer, weights), **trainable, "name": keras_name(layer)}
        write = write_keras
    else:
        write, config = write_weights_h5, {"padding": layer.padding, "name": keras_name(layer)}
    content = io.BytesIO()
    write(content, config, weights.kernel, weights.bias)
    sink = FileSink(place.path, overwrite)
    try:
        sink.write_at(content.getbuffer(), 0)
        sink.commit()
    except BaseException:
        sink.abort()
        raise


def _keras_config(layer: LayerSpec, weights: Weights) -> dict[str, Any]:
    """The layer's config, with a dtype policy under which Keras rounds no weight."""
    # Keras does not need the initializers, because it reads the weights.
    foreign: dict[str, Any] = {
        key: None for key in INITIALIZER_KEYS if not INITIALIZERS.in_keras(getattr(layer, key))
    }
    layer = replace(layer, use_bias=weights.bias is not None, **foreign)
    stored = weights.kernel.dtype.name
    mixed = layer.dtype == "float16" and stored != "float16"
    config: dict[str, Any] = serialized(layer, "mixed_float16" if mixed else layer.dtype or stored)["config"]
    return config


def _write(output: Output, name: str, array: Array, attributes: Mapping[str, str]) -> None:
    writer = output.writer(NewArray(name, array.shape, array.dtype.newbyteorder("="), attributes))
    writer.write(everything(array.shape), array)
    writer.commit()
