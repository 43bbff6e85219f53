"""Kernels and biases from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dwconv_cli.choices import KERNEL_LAYOUTS, LAYER_CONFIG, FormatName, KernelLayout
from dwconv_cli.errors import InputError, ShapeError
from dwconv_cli.layer.arguments import Location, one_of, whole_number
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.keras_json import load_json
from dwconv_cli.layer.spec import Weights
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, format_of, open_reader
from dwconv_cli.storage.resolution import completed
from dwconv_cli.storage.selections import everything
from dwconv_cli.text import counted
from dwconv_cli.weights.keras_files import is_keras_file
from dwconv_cli.weights.tensor_names import kernel_and_bias

# The largest array that is taken for weights. Eight channels in float64 may have more than a million taps.
MAX_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class LoadedWeights:
    """Weights as a file holds them; :func:`load_weights` returns it.

    Parameters
    ----------
    address : str
        Where they were read.
    kernel : ndarray
        In the file's shape and dtype.
    bias : ndarray, optional
    layout : str
        ``keras`` or ``torch``.
    config : mapping, optional
        The layer's Keras config, where the file has it.
    note : str, optional
        What the file leaves open about them.

    Examples
    --------
    >>> from dwconv_cli import load_weights
    >>> np.savez("layer.npz", kernel=np.ones((3, 2, 1), np.float32), bias=np.zeros(2, np.float32))
    >>> loaded = load_weights("layer.npz")
    >>> loaded.kernel.shape, loaded.bias.shape, loaded.config
    ((3, 2, 1), (2,), None)
    >>> loaded.fit(channels=2).kernel.dtype
    dtype('float32')
    """

    address: str
    kernel: Array
    bias: Array | None = None
    layout: KernelLayout = "keras"
    config: Mapping[str, Any] | None = None
    note: str | None = None

    def fit(self, channels: int | None = None, depth_multiplier: int | None = None) -> Weights:
        """The weights in Keras's layout, checked against the data's channels and the layer's multiplier if these are known.

        Parameters
        ----------
        channels : int, optional
            Of the data. The first axis of torch's kernels is ``channels * depth_multiplier``, so one of the two is
            needed to tell them apart; without both the multiplier is 1.
        depth_multiplier : int, optional

        Raises
        ------
        ShapeError
            If the kernel cannot be of this layout, or does not fit.
        """
        if channels is not None:
            channels = whole_number("channels", channels)
        if depth_multiplier is not None:
            depth_multiplier = whole_number("depth_multiplier", depth_multiplier)
        kernel, shape = self.kernel, self.kernel.shape
        if self.layout == "torch":
            kernel = _from_torch(kernel, channels, depth_multiplier, self.address)
        elif kernel.ndim not in (1, 2, 3) or not kernel.size:
            raise ShapeError(f"{self.address}: a kernel has shape (K, C, M), (K, C) or (K,), found {shape}")
        weights = Weights(kernel, self.bias)
        multiplier = weights.kernel.shape[2]
        if depth_multiplier not in (None, multiplier):
            raise ShapeError(
                f"{self.address}: the kernel {shape} has depth multiplier {multiplier}, not {depth_multiplier}; "
                f"say --depth-multiplier {multiplier}, or leave it out"
            )
        if channels is None:
            return weights
        if not weights.shared and weights.kernel.shape[1] != channels:
            error = ShapeError(self._misfit(channels))
            error.kernel_channels = weights.kernel.shape[1]
            raise error
        outputs = (channels * multiplier,)
        if self.bias is not None and self.bias.shape != outputs:
            raise ShapeError(
                f"{self.address}: the bias has shape {self.bias.shape}, the layer needs {outputs}; "
                f"give one of {outputs[0]} numbers"
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


def load_kernel(
    kernel: Location | Address, bias: Location | Address | None = None, layout: KernelLayout = "keras"
) -> LoadedWeights:
    """A kernel from the array at one address, and a bias from the array at another if there is one.

    The `layout` of the kernel is ``keras`` for (K, C, M), (K, C) and (K,), or ``torch`` for (C*M, 1, K).

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    layout = one_of("layout", layout, KERNEL_LAYOUTS)
    address = Address.parse(kernel)
    if is_keras_file(address.path):
        raise InputError(f"{kernel}: a Keras file holds layers, no bare kernel; give it with --weights")
    bias_array = None if bias is None else load_array(bias)
    return LoadedWeights(str(address), _read(address)[0], bias_array, layout)


def load_array(address: Location | Address) -> Array:
    """One array of weights, such as a bias; an InputError if it cannot be read."""
    return _read(Address.parse(address))[0]


def load_weights(
    address: Location | Address,
    layout: KernelLayout = "keras",
    given_format: FormatName | None = None,
    *,
    assume_depthwise: bool = False,
    model: object = None,
) -> LoadedWeights:
    """Kernel and bias from one file, with the layer's config where the file has it.

    Parameters
    ----------
    address : str or path
        An ``.npz`` or an HDF5 group of ``kernel`` and optionally ``bias``, with the layer's config if
        :func:`~dwconv_cli.save_weights` wrote it there; a ``.safetensors`` file with ``kernel``, ``depthwise_kernel``
        or PyTorch's ``weight``, also behind a prefix and a dot, which is the name after ``::``; or a layer of a Keras
        file.
    layout : str
        ``keras`` or ``torch``; kernels of Keras files are ``keras`` in any case.
    given_format : str, optional
        ``npz`` or ``hdf5``, if the suffix says neither.
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

    Examples
    --------
    >>> np.savez("smooth.npz", kernel=np.array([0.25, 0.5, 0.25]))
    >>> load_weights("smooth.npz").fit(channels=6).for_channels(6).kernel.shape
    (3, 6, 1)
    """
    layout = one_of("layout", layout, KERNEL_LAYOUTS)
    place = Address.parse(address, given_format)
    address = str(place)
    if is_keras_file(place.path):
        from dwconv_cli.weights.chosen_layer import chosen_layer

        layer, note = chosen_layer(place, assume_depthwise, model)
        address = str(Address(place.path, layer.path))
        return LoadedWeights(address, layer.kernel, layer.bias, config=layer.config, note=note)
    names = array_names(place)
    if place.format == "safetensors":
        kernel_name, bias_name = kernel_and_bias(names, place.name or "", address, layout)
        group = {"kernel": kernel_name} | ({} if bias_name is None else {"bias": bias_name})
    else:
        group = _group(place, names)
    if "kernel" not in group:
        if format_of(place).ROOT is None:
            raise InputError(
                f"{address}: this file holds one array, not kernel and bias together; give a kernel with --kernel"
            )
        shown = ", ".join(names[:20]) or "nothing"
        advice = f"; give a bare kernel with --kernel, e.g. {Address(place.path, names[0])}" if names else ""
        raise InputError(f"{address}: no array 'kernel' there (found: {shown}){advice}")
    kernel, attributes = _read(replace(place, name=group["kernel"]))
    bias = _read(replace(place, name=group["bias"]))[0] if "bias" in group else None
    return LoadedWeights(address, kernel, bias, layout, _config(attributes, address))


def _group(place: Address, names: Iterable[str]) -> dict[str, str]:
    """Names of the arrays in the group that an address names, by their names within it."""
    group = (place.name or "").strip("/")
    prefix = f"{group}/" if group else ""
    paths = {name.lstrip("/"): name for name in names}
    return {path.removeprefix(prefix): name for path, name in paths.items() if path.startswith(prefix)}


def _config(attributes: Mapping[str, Any], address: str) -> dict[str, Any] | None:
    """The layer's config that :func:`~dwconv_cli.save_weights` wrote beside a kernel."""
    text = attributes.get(LAYER_CONFIG)
    if not isinstance(text, str | bytes):
        return None
    config = load_json(text, f"{address}: {LAYER_CONFIG}")
    if not isinstance(config, dict):
        raise InputError(f"{address}: {LAYER_CONFIG} is no JSON object; write the weights again")
    return config


def holds_pair(address: Location) -> bool:
    """Whether `address` names a Keras file, or a file or group with an array ``kernel``, and not one array."""
    place = Address.parse(address)
    if place.is_stream:
        return False
    if is_keras_file(place.path):
        return True
    names = array_names(place)
    # A tensor that is named in full is a bare kernel.
    return place.name not in names if place.format == "safetensors" else "kernel" in _group(place, names)


def _read(address: Address) -> tuple[Array, Mapping[str, Any]]:
    """An array of weights, and its attributes; an InputError if it is larger than a kernel can be."""
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
    import hashlib  # here, because it takes a hundredth of a second to load

    digest = hashlib.sha256()
    for array in (kernel, bias):
        if array is not None:
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _from_torch(kernel: Array, channels: int | None, multiplier: int | None, address: str) -> Array:
    """A kernel (C*M, 1, K) as (K, C, M)."""
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
