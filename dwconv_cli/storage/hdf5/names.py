"""From a name to an object, looking at every link on the way before it is followed."""

from __future__ import annotations

import os

import h5py

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.storage.hdf5.listing import LINK_KINDS, datasets, encode
from dwconv_cli.storage.hdf5.messages import errors, where
from dwconv_cli.text import printable

MAX_SOFT_LINKS = 16


def find(
    file: h5py.File, name: str, *, allow_external: bool = False, soft_links: bool = True
) -> h5py.Dataset | h5py.Group:
    """Open a group or dataset by its absolute name, whose leading ``/`` may be left out.

    External links to other files are followed only if that is allowed. Soft links are followed in recordings; weight
    files have no use for them. Another link on the way is an UnsafeFileError; a name that nothing has, or links that
    lead in a circle, are an InputError.
    """
    with errors(file, name):
        return _follow(file, name, allow_external, soft_links)


def _follow(file: h5py.File, name: str, allow_external: bool, soft_links: bool) -> h5py.Dataset | h5py.Group:
    subject = where(file, name)
    # The parts of the name that are still to be followed (the next one last), and those that led to `place`.
    ahead, behind = parts(name)[::-1], list[str]()
    place: h5py.Dataset | h5py.Group = file["/"]
    soft_links_followed = 0
    while ahead:
        part = ahead.pop()
        key = encode(part)
        # HDF5 would read a name up to its first NUL.
        if not isinstance(place, h5py.Group) or "\0" in part or not place.id.links.exists(key):
            raise InputError(f"{subject}: no such object{_candidates(file, name)}")
        kind = place.id.links.get_info(key).type
        if kind == h5py.h5l.TYPE_HARD or (kind == h5py.h5l.TYPE_EXTERNAL and allow_external):
            place, behind = place[key], [*behind, part]
            if not isinstance(place, h5py.Dataset | h5py.Group):
                raise InputError(f"{subject}: is a named type, neither a dataset nor a group")
        elif kind == h5py.h5l.TYPE_SOFT and soft_links:
            if (soft_links_followed := soft_links_followed + 1) > MAX_SOFT_LINKS:
                raise InputError(f"{subject}: soft links lead in a circle")
            target = os.fsdecode(place.id.links.get_val(key))
            # A relative target starts at the group that holds the link: begin again from the root with it spelt out.
            start = [] if target.startswith("/") else behind
            ahead += (start + parts(target))[::-1]
            place, behind = file["/"], []
        else:
            label = LINK_KINDS.get(kind, "user-defined link")
            article = "an" if label[0] in "aeio" else "a"
            hint = "; --allow-external follows it" if kind == h5py.h5l.TYPE_EXTERNAL else ""
            raise UnsafeFileError(
                f"{subject}: {printable(part)} is {article} {label}, which is not followed here{hint}"
            )
    return place


def parts(name: str) -> list[str]:
    """Split a name at its slashes; empty parts and ``.`` mean nothing."""
    return [part for part in name.split("/") if part not in ("", ".")]


def _candidates(file: h5py.File, name: str) -> str:
    """The names of datasets that may have been meant, for a message."""
    import difflib

    names, asked_for = datasets(file), "/" + "/".join(parts(name))
    near = difflib.get_close_matches(asked_for, names, n=3, cutoff=0.5)
    last = asked_for.rpartition("/")[2]
    near += [other for other in names if other.rpartition("/")[2] == last and other not in near][:3]
    listed = ", ".join(map(printable, near or names[:5]))
    if near:
        return f"; did you mean {listed}?"
    return f"; the file holds {listed}" if names else "; the file holds no numeric dataset"
