"""Kernels and biases from files, whatever their layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.choices import KERNEL_LAYOUTS, LAYER_CONFIG
from dwconv_cli.errors import InputError, ShapeError
from dwconv_cli.layer.arguments import Location, location, one_of, whole_number
from dwconv_cli.layer.keras_json import load_json
from dwconv_cli.layer.spec import Weights
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, format_of, open_reader
from dwconv_cli.storage.resolution import completed
from dwconv_cli.storage.selections import everything
from dwconv_cli.text import counted
from dwconv_cli.weights.keras_files import is_keras_file

# More than a million taps for eight channels in float64.
MAX_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class LoadedWeights:
    """Weights as a file holds them.

    Parameters
    ----------
    address : str
        Where they came from.
    kernel : ndarray
        In the file's shape and dtype.
    bias : ndarray, optional
    layout : str
        ``keras`` or ``torch``.
    config : mapping, optional
        The layer's Keras config, where the file has it.
    note : str, optional
        What to tell of where they came from.
    """

    address: str
    kernel: Array
    bias: Array | None = None
    layout: str = "keras"
    config: Mapping[str, Any] | None = None
    note: str | None = None

    def fit(self, channels: int | None = None, depth_multiplier: int | None = None) -> Weights:
        """The weights in Keras's layout.

        Parameters
        ----------
        channels : int, optional
            Of the data; a torch kernel's first axis is ``channels * depth_multiplier``, so it needs one of the two.
        depth_multiplier : int, optional

        Raises
        ------
        ShapeError
            If the kernel cannot be of this layout.
        """
        channels = None if channels is None else whole_number("channels", channels)
        depth_multiplier = (
            None if depth_multiplier is None else whole_number("depth_multiplier", depth_multiplier)
        )
        kernel, shape = self.kernel, self.kernel.shape
        if self.layout == "torch":
            kernel = _from_torch(kernel, channels, depth_multiplier, self.address)
        elif kernel.ndim not in (1, 2, 3) or not kernel.size:
            raise ShapeError(f"{self.address}: a kernel has shape (K, C, M), (K, C) or (K,), found {shape}")
        weights = Weights(kernel, self.bias)
        multiplier = weights.kernel.shape[2]
        if depth_multiplier not in (None, multiplier):
            raise ShapeError(
                f"{self.address}: the kernel {shape} has depth multiplier {multiplier}, not {depth_multiplier}"
            )
        if channels is not None and not weights.shared and weights.kernel.shape[1] != channels:
            error = ShapeError(self._misfit(channels))
            error.kernel_channels = weights.kernel.shape[1]
            raise error
        if channels is not None and self.bias is not None:
            wanted = (channels * weights.kernel.shape[2],)
            if self.bias.shape != wanted:
                raise ShapeError(
                    f"{self.address}: the bias has shape {self.bias.shape}, the layer needs {wanted}"
                )
        return weights

    def _misfit(self, channels: int) -> str:
        shape = self.kernel.shape
        own = shape[1] if self.layout == "keras" else shape[0]
        text = f"{self.address}: the kernel {shape} is for {counted(own, 'channel')}, the data has {channels}"
        if self.layout == "keras" and len(shape) == 3 and shape[1] == 1 and shape[0] % channels == 0:
            return text + "; if it is torch's (C*M, 1, K), say --kernel-layout torch"
        return text + f"; give a kernel for {counted(channels, 'channel')}, or one of shape (K,) for all"

    @property
    def sha256(self) -> str:
        """Checksum of kernel and bias: their bytes, little-endian, row-major."""
        return checksum(self.kernel, self.bias)


def load_kernel(kernel: Location, bias: Location | None = None, layout: str = "keras") -> LoadedWeights:
    """A kernel from one array, and maybe a bias from another.

    Parameters
    ----------
    kernel, bias : str or path
        Addresses of arrays.
    layout : str
        ``keras`` for (K, C, M), (K, C) and (K,); ``torch`` for (C*M, 1, K).

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    layout = one_of("layout", layout, KERNEL_LAYOUTS)
    address = Address.parse(kernel)
    if is_keras_file(address.path):
        raise InputError(f"{kernel}: a Keras file holds layers, no bare kernel; give it with --weights")
    loaded_bias = None if bias is None else _read(Address.parse(bias))[0]
    return LoadedWeights(location("kernel", kernel), _read(address)[0], loaded_bias, layout)


def load_weights(
    address: Location,
    layout: str = "keras",
    given_format: str | None = None,
    *,
    assume_depthwise: bool = False,
    model: object = None,
) -> LoadedWeights:
    """Kernel and bias from one file, with the layer's config where the file has it.

    Parameters
    ----------
    address : str or path
        ``kernel`` and maybe ``bias`` in an ``.npz`` or in an HDF5 group, maybe with the layer's config that
        :func:`~dwconv_cli.save_weights` left there; or a layer of a Keras file.
    layout : str
        Of the kernel, ``keras`` or ``torch``; a Keras file's is known.
    given_format : str, optional
        Where the suffix does not tell.
    assume_depthwise : bool
        Take layers of somebody's own class, whose code no file holds, for DepthwiseConv1D layers.
    model : object
        The config of the model (as parsed JSON) for a Keras file that holds weights alone.

    Returns
    -------
    LoadedWeights

    Raises
    ------
    InputError
        If the file cannot be read, or holds no kernel, or several layers and none is named.
    """
    address, layout = location("address", address), one_of("layout", layout, KERNEL_LAYOUTS)
    place = Address.parse(address, given_format)
    if is_keras_file(place.path):
        from dwconv_cli.weights.chosen_layer import chosen_layer

        layer, note = chosen_layer(place, assume_depthwise, model)
        address = str(Address(place.path, layer.path))
        return LoadedWeights(address, layer.kernel, layer.bias, config=layer.config, note=note)
    names = array_names(place)
    prefix = (place.name or "").strip("/")
    prefix = f"{prefix}/" if prefix else ""
    by_key = {name.lstrip("/"): name for name in names}
    if f"{prefix}kernel" not in by_key:
        if format_of(place).ROOT is None:
            raise InputError(
                f"{address}: this file holds one array, not kernel and bias together; give a kernel with --kernel"
            )
        shown = ", ".join(names[:20]) or "nothing"
        advice = f"; give a bare kernel with --kernel, e.g. {Address(place.path, names[0])}" if names else ""
        raise InputError(f"{address}: no array 'kernel' there (found: {shown}){advice}")
    kernel, attributes = _read(replace(place, name=by_key[f"{prefix}kernel"]))
    name = by_key.get(f"{prefix}bias")
    bias = None if name is None else _read(replace(place, name=name))[0]
    return LoadedWeights(address, kernel, bias, layout, _config(attributes, address))


def _config(attributes: Mapping[str, Any], address: str) -> dict[str, Any] | None:
    """The layer's config that :func:`~dwconv_cli.save_weights` left beside a kernel."""
    text = attributes.get(LAYER_CONFIG)
    if not isinstance(text, str | bytes):
        return None
    config = load_json(text, f"{address}: {LAYER_CONFIG}")
    if not isinstance(config, dict):
        raise InputError(f"{address}: {LAYER_CONFIG} is no JSON object; write the weights again")
    return config


def holds_pair(address: Location) -> bool:
    """Whether `address` names what holds a kernel and maybe a bias: a Keras file, or a file or group of arrays."""
    place = Address.parse(address)
    if place.is_stream:
        return False
    if is_keras_file(place.path):
        return True
    wanted = f"{(place.name or '').strip('/')}/kernel".strip("/")
    return wanted in [name.strip("/") for name in array_names(place)]


def _read(address: Address) -> tuple[Array, Mapping[str, Any]]:
    """A whole small array, and its attributes.

    Raises
    ------
    InputError
        If it cannot be read, or is larger than a kernel can be.
    """
    reader = open_reader(completed(address))
    try:
        if int(np.prod(reader.shape, dtype=object)) * reader.dtype.itemsize > MAX_BYTES:
            raise InputError(
                f"{address}: {reader.shape} {reader.dtype} is too large for weights, which have at most"
                f" {MAX_BYTES >> 20} MiB; a recording goes before the options"
            )
        array = np.empty(reader.shape, reader.dtype.newbyteorder("="))
        reader.read(everything(reader.shape), array)
        reader.finish()
        return array, reader.attributes
    finally:
        reader.close()


def checksum(kernel: Array, bias: Array | None) -> str:
    """SHA-256 of kernel and bias: their bytes, little-endian, row-major."""
    import hashlib  # a hundredth of a second, only for those who ask

    digest = hashlib.sha256()
    for array in (kernel, bias):
        if array is not None:
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _from_torch(kernel: Array, channels: int | None, multiplier: int | None, address: str) -> Array:
    if kernel.ndim != 3 or kernel.shape[1] != 1 or not kernel.size:
        raise ShapeError(f"{address}: a torch kernel has shape (C*M, 1, K), found {kernel.shape}")
    outputs = kernel.shape[0]
    if channels is None:
        channels = outputs // (multiplier or 1)
    if channels < 1 or outputs % channels:
        raise ShapeError(
            f"{address}: {outputs} kernels of torch's layout do not divide by {channels} channels"
        )
    return kernel.reshape(channels, outputs // channels, -1).transpose(2, 0, 1)
