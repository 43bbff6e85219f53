"""Kernels and biases into files."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.formats import Address, Output, Writer, format_of, open_output
from dwconv_cli.formats.runs import whole
from dwconv_cli.layer import LayerSpec, Weights


def save_weights(
    address: str,
    weights: Weights,
    layer: LayerSpec | None = None,
    *,
    overwrite: bool = False,
    output_format: str | None = None,
) -> None:
    """Write weights into a file that appears whole or not at all.

    Parameters
    ----------
    address : str
        ``.npz`` and HDF5 files hold ``kernel`` and ``bias`` (in an HDF5 file in the group named after ``::``);
        ``.npy`` holds the kernel alone.
    weights : Weights
    layer : LayerSpec, optional
        The layer they belong to.
    overwrite : bool
    output_format : str, optional
        Where the suffix does not tell.

    Raises
    ------
    LayerError
        If the format cannot hold them.
    OutputError
        If the file exists already or cannot be written.
    """
    place = Address.parse(address)
    found = format_of(place, output_format, output=True)
    kernel = weights.kernel[:, 0, 0] if weights.shared else weights.kernel
    arrays = {"kernel": kernel}
    if found.members is None:
        if weights.bias is not None and weights.bias.any():
            raise LayerError(
                f"{address}: .npy holds a kernel alone, and there is a bias; use .npz, .h5 or --no-bias"
            )
    elif weights.bias is not None:
        arrays["bias"] = weights.bias
    group = (place.name or "").strip("/")
    output = open_output(place.path, output_format, overwrite=overwrite)
    try:
        for name, array in arrays.items():
            _write(output, f"{group}/{name}" if group else name, array)
        output.commit()
    except BaseException:
        output.abort()
        raise


def _write(output: Output, name: str, array: np.ndarray[Any, Any]) -> None:
    writer: Writer = output.writer(name, array.shape, array.dtype.newbyteorder("="))
    writer.write(whole(array.shape), array)
    writer.commit()
