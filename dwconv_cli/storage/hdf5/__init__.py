"""The only place that uses h5py: files of unknown origin are opened, searched and read with checks.

An HDF5 file can name other files (external storage, external links, virtual datasets), loop through itself, declare
terabytes over nothing, and ask for plugins to be loaded. Nothing here follows such a request unless the caller
allows it, and whatever HDF5 raises leaves as an :class:`~dwconv_cli.errors.InputError` of one line that names file
and dataset.

Whoever works on a file by its path calls :func:`rehearse` first, or decorates the work by :func:`rehearsed`. Then
:func:`open_file`, :func:`walk` or :func:`dataset`, and :func:`read`::

    messages         errors of HDF5 in words         files            open a file or a stream
    listing          walk over what a file holds     names            from a name to an object, link by link
    guard            which datasets may be read      storage_check    sizes, chunks and sources of a dataset
    sources          data in other files             filters          compression; how a dataset is stored
    blocks           read numbers                    chunks           read and write gzip chunks in threads
    read_attributes  values of attributes            variable_text    text that HDF5 might read without end
    dimensions       labels and scales of axes       write_dimensions the same, written
    write            make files and datasets         output_file      what HDF5 writes through
    rehearsal        a child process that tries out what is about to be done with a file, and may die of it

Examples
--------
>>> import io
>>> import numpy as np
>>> content = io.BytesIO(pack({"imu/acc": np.zeros((4, 3))}, {}))
>>> with open_stream(content, "rec.h5") as file:
...     print([entry.name for entry in walk(file)], read(dataset(file, "/imu/acc"), (slice(1, 3),)).shape)
['/imu', '/imu/acc'] (2, 3)
"""

from dwconv_cli.storage.hdf5.blocks import read, read_array
from dwconv_cli.storage.hdf5.chunks import ChunkReader, ChunkWriter, codec_of
from dwconv_cli.storage.hdf5.dimensions import ancestors, is_scale, surroundings
from dwconv_cli.storage.hdf5.files import open_file, open_stream
from dwconv_cli.storage.hdf5.filters import describe
from dwconv_cli.storage.hdf5.guard import dataset
from dwconv_cli.storage.hdf5.listing import children, datasets, is_private, walk
from dwconv_cli.storage.hdf5.messages import errors
from dwconv_cli.storage.hdf5.names import find
from dwconv_cli.storage.hdf5.output_file import OutputFile
from dwconv_cli.storage.hdf5.read_attributes import as_text, attribute, attributes
from dwconv_cli.storage.hdf5.rehearsal import distrust, read_through, rehearse, rehearsed
from dwconv_cli.storage.hdf5.sources import other_files
from dwconv_cli.storage.hdf5.write import create_dataset, is_taken, open_writable, pack, with_plugin
from dwconv_cli.storage.hdf5.write_dimensions import add_dimensions, detach_scales, merge_attributes

__all__ = [
    "ChunkReader",
    "ChunkWriter",
    "OutputFile",
    "add_dimensions",
    "ancestors",
    "as_text",
    "attribute",
    "attributes",
    "children",
    "codec_of",
    "create_dataset",
    "dataset",
    "datasets",
    "describe",
    "detach_scales",
    "distrust",
    "errors",
    "find",
    "is_private",
    "is_scale",
    "is_taken",
    "merge_attributes",
    "open_file",
    "open_stream",
    "open_writable",
    "other_files",
    "pack",
    "read",
    "read_array",
    "read_through",
    "rehearse",
    "rehearsed",
    "surroundings",
    "walk",
    "with_plugin",
]
