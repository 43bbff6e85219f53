"""Which kind of thing a target is, and its description."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from dwconv_cli.choices import AUTO, DATA_FORMATS, AlgorithmName, DataFormat, FormatName, KernelLayout
from dwconv_cli.description.check import check
from dwconv_cli.description.containers import describe_directory, describe_file, describe_model
from dwconv_cli.description.recording import describe_recording
from dwconv_cli.description.weights import describe_weights
from dwconv_cli.errors import DwconvError, LayerError, exit_code
from dwconv_cli.errors.wording import worded
from dwconv_cli.jobs.report import array_entry
from dwconv_cli.layer.arguments import Location, instance, location, one_of, several, shape_of
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, format_of, members
from dwconv_cli.storage.protocols import Member
from dwconv_cli.storage.resolution import matching
from dwconv_cli.text import shown
from dwconv_cli.version import __version__
from dwconv_cli.weights.keras_files import is_keras_file, read_layers
from dwconv_cli.weights.recipe import Recipe

SCHEMA_VERSION = 1
# The dtype of data of which only the shape is given: Keras's default.
SHAPE_DTYPE = np.dtype(np.float32)


def describe(
    target: Location | Address | Sequence[int] | None,
    *,
    recipe: Recipe | None = None,
    data_format: DataFormat | None = None,
    default_format: DataFormat = "channels_last",
    stats: bool = False,
    fs: float | None = None,
    steps: slice = slice(None),
    algorithm: AlgorithmName = AUTO,
    input_format: FormatName | None = None,
    allow_external: bool = False,
    kernel_layout: KernelLayout = "keras",
    assume_depthwise: bool = False,
) -> dict[str, Any]:
    """Say what `target` is.

    A single array is a recording, whatever its shape: an ``.npy`` file, one member, one dataset. An ``.npz`` or an
    HDF5 group that holds an array ``kernel`` is weights, and so is a named layer of a Keras model. To see a bare
    array as a kernel, give it as the `recipe`'s kernel, with None as `target`. With a `recipe` or `stats` every
    address is a recording.

    Parameters
    ----------
    target : str, path, Address, tuple of int, or None
        An address without wildcards; or the shape of float32 data that need not exist; or None for the weights of
        `recipe` themselves.
    recipe : Recipe, optional
        A layer that is checked against the data. Nothing is computed, and fresh weights are not made.
    data_format : str, optional
        Of a recording without `recipe`; default: what the attributes of an output of dwconv say.
    default_format : str
        Of a recording of which neither `data_format` nor attributes say anything.
    stats : bool
        Read the recording once for the statistics of its channels.
    fs : float, optional
        Sampling rate in Hz; by default that of a recording's attributes. With it, delays are in seconds too, and frequencies in Hz rather than in cycles per step.
    steps : slice
        Part of a recording.
    algorithm : str
    input_format : str, optional
        Format of a file whose suffix does not tell it.
    allow_external : bool
        Whether HDF5 data may lie in other files.
    kernel_layout : str
        Of weights at `target`: ``keras`` or ``torch``.
    assume_depthwise : bool
        Whether layers of a custom class at `target` are DepthwiseConv1D layers.

    Returns
    -------
    dict
        JSON's types only. ``kind`` is ``data``, ``shape``, ``weights``, ``model``, ``file`` or ``directory``. What a
        report says too has the same key there.

    Raises
    ------
    InputError
        If something cannot be read.
    LayerError, ShapeError
        If the layer is impossible, or does not fit the data.

    Examples
    --------
    >>> describe((4, 10, 12), recipe=Recipe(options={"kernel_size": 3}))["output"]["shape"]
    [4, 8, 12]
    """
    if target is None:
        if recipe is None:
            raise LayerError("nothing to describe; name a target, or weights")
        return _object("weights", describe_weights(recipe, fs))
    if recipe is not None:
        instance("recipe", recipe, Recipe)
    instance("steps", steps, slice)
    if fs is not None and not (isinstance(fs, int | float) and 0 < fs < math.inf):
        raise LayerError(f"fs must be a sampling rate above 0, got {shown(fs)}")
    if data_format is not None:
        data_format = one_of("data_format", data_format, DATA_FORMATS)
    if isinstance(target, list | tuple):
        shape = shape_of(target)
        if recipe is None:
            raise LayerError("a shape alone says nothing; give a layer, e.g. --kernel-size 3")
        result = check(recipe, shape, SHAPE_DTYPE, str(shape), algorithm=algorithm, fs=fs)
        return _object("shape", {"input": array_entry(None, shape, SHAPE_DTYPE), **result})
    address = target
    if not isinstance(address, Address):
        address = Address.parse(location("target", target), input_format)
    kind = "data"
    if recipe is None and not stats:
        kind = kind_of(address, input_format is None, allow_external)
    if kind == "data":
        description = describe_recording(
            address, recipe, data_format, default_format, stats, fs, steps, algorithm, allow_external
        )
    elif kind == "weights":
        recipe = Recipe(weights=address, layout=kernel_layout, assume_depthwise=assume_depthwise)
        description = describe_weights(recipe, fs)
    else:
        if kind == "model":
            contents = describe_model(address.path)
        elif kind == "file":
            contents = describe_file(address, allow_external)
        else:
            contents = describe_directory(address)
        description = {"input": {"address": str(address)}, **contents}
    return _object(kind, description)


def describe_all(
    targets: Iterable[Location], *, keep_going: bool = False, **options: Any
) -> Iterator[dict[str, Any]]:
    """Descriptions of all that `targets` name, wildcards expanded; options are those of :func:`describe`.

    With `keep_going`, what cannot be described has an object with ``kind`` ``failed``, and the others follow. Its
    ``error`` has a ``code`` and a ``message``, as in a report.
    """
    input_format = options.get("input_format")
    for text in several("targets", targets, "addresses"):
        try:
            addresses = list(addresses_of([text], input_format))
        except DwconvError as error:
            if not keep_going:
                raise
            yield _failure(str(text), error)
            continue
        for address in addresses:
            try:
                description = describe(address, **options)
            except (DwconvError, MemoryError) as error:
                if not keep_going:
                    raise
                description = _failure(str(address), error)
            yield description


def addresses_of(targets: Iterable[Location], input_format: str | None = None) -> Iterator[Address]:
    """All that `targets` name, wildcards expanded."""
    members_of = _members_or_layers if input_format is None else members
    for text in several("targets", targets, "addresses"):
        yield from matching(text, input_format, members_of=members_of).addresses


def shapes_of(description: dict[str, Any]) -> list[list[int]]:
    """The bare shapes in a description: the output's where there is a layer, else those of all that is there."""
    if "output" in description:
        return [description["output"]["shape"]]
    if description["kind"] == "weights":
        return [description["weights"]["kernel_shape"]]
    if description["kind"] == "model":
        return [layer["weights"]["kernel_shape"] for layer in description["layers"]]
    if "contents" in description:
        return [entry["shape"] for entry in description["contents"] if entry["shape"] is not None]
    return [description["input"]["shape"]]


def kind_of(address: Address, may_be_model: bool, allow_external: bool) -> str:
    """What lies at an address; it may be a Keras model unless the format was typed."""
    path, name = address.path, address.name
    if address.is_stream:
        return "data"
    if may_be_model and is_keras_file(path):
        return "model" if name is None else "weights"
    if os.path.isdir(path):
        return "directory"
    if format_of(address).ROOT is None:
        return "data"
    if address.format == "hdf5":
        return _hdf5_kind(path, name or "", allow_external)
    names = [member.strip("/") for member in array_names(address)]
    inside = (name or "").strip("/")
    if inside not in names and f"{inside}/kernel".strip("/") in names:
        return "weights"
    return "file" if name is None and len(names) != 1 else "data"


def _hdf5_kind(path: str, name: str, allow_external: bool) -> str:
    """What an HDF5 file holds under a name; only a group's own entries are listed, not the whole file."""
    from dwconv_cli.storage import hdf5

    hdf5.rehearse(_hdf5_kind, path, name, allow_external)
    with hdf5.open_file(path) as file:
        place = hdf5.find(file, name, allow_external=allow_external)
        if hasattr(place, "shape"):
            return "data"
        # Weights are read by the names of datasets, not through links to their group.
        is_link = place.file.filename != file.filename or place.name.strip("/") != name.strip("/")
        is_kernel = [
            entry.name.endswith("/kernel") and entry.numeric and 1 <= len(entry.shape or ()) <= 3
            for entry in hdf5.children(place)
        ]
        return "weights" if any(is_kernel) and not is_link else "file"


def _members_or_layers(address: Address) -> list[Member]:
    """What wildcards may match inside a file: the layers of a Keras file, and the arrays of any other."""
    if is_keras_file(address.path):
        return [Member(layer.path) for layer in read_layers(address.path)]
    return members(address)


def _failure(address: str, error: BaseException) -> dict[str, Any]:
    """What stands in place of a description that failed."""
    message = worded(str(error)) or type(error).__name__
    entry = {"code": exit_code(error), "message": message}
    return _object("failed", {"input": {"address": address}, "error": entry})


def _object(kind: str, description: dict[str, Any]) -> dict[str, Any]:
    if "notes" in description:
        description["notes"] = list(map(worded, description["notes"]))
    return {"schema_version": SCHEMA_VERSION, "version": __version__, "kind": kind, **description}
