"""The only door to h5py: guarded open, guarded walk, links, filters and limits.

An HDF5 file can name other files (external storage, external links, virtual datasets), loop through itself, declare
terabytes over nothing, and ask for plugins to be loaded. Nothing here follows such a request unless the caller
allows it, and whatever HDF5 raises leaves as an :class:`~dwconv_cli.errors.InputError` of one line that names file
and dataset.

    door     open a file; errors            names    from a name to an object, link by link
    listing  what a file holds              guard    what a dataset must satisfy
    virtual  data that lies elsewhere       content  read blocks, attributes, storage
    dimensions   labels and scales of axes, attributes of groups        describing   the same, written
    heaps    text that HDF5 would never finish reading    pack  small files made in memory
    rehearsal  what is about to be done with a file, tried in a process that may die of it
"""

from dwconv_cli.storage.hdf5.content import attribute, attributes, describe, read, read_array
from dwconv_cli.storage.hdf5.dimensions import Dimension, Surroundings, is_scale, surroundings
from dwconv_cli.storage.hdf5.door import errors, open_file, open_stream
from dwconv_cli.storage.hdf5.guard import dataset
from dwconv_cli.storage.hdf5.listing import Entry, children, datasets, walk
from dwconv_cli.storage.hdf5.names import find
from dwconv_cli.storage.hdf5.pack import pack
from dwconv_cli.storage.hdf5.rehearsal import distrust, read_through, rehearse, rehearsed
from dwconv_cli.storage.hdf5.virtual import other_files_of

__all__ = [
    "Dimension",
    "Entry",
    "Surroundings",
    "attribute",
    "attributes",
    "children",
    "dataset",
    "datasets",
    "describe",
    "distrust",
    "errors",
    "find",
    "is_scale",
    "open_file",
    "open_stream",
    "other_files_of",
    "pack",
    "read",
    "read_array",
    "read_through",
    "rehearse",
    "rehearsed",
    "surroundings",
    "walk",
]
