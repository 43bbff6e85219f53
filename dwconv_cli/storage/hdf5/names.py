"""From a name to an object, looking at every link on the way before it is followed."""

from __future__ import annotations

import os

import h5py

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.storage.hdf5.door import LINK_KINDS, encode, errors, file_name
from dwconv_cli.storage.hdf5.listing import datasets
from dwconv_cli.text import printable

MAX_SOFT_LINKS = 16


def find(
    file: h5py.File, name: str, *, allow_external: bool = False, soft_links: bool = True
) -> h5py.Dataset | h5py.Group:
    """Open a group or dataset by name, looking at every link on the way before following it.

    Parameters
    ----------
    file : h5py.File
    name : str
        Absolute; a leading ``/`` may be left out.
    allow_external : bool
        Follow external links to other files.
    soft_links : bool
        Follow soft links inside the file (recordings); weight files have no use for them.

    Raises
    ------
    InputError
        Nothing has this name (the message lists the nearest), or links loop.
    UnsafeFileError
        The way there leads through a link that is not allowed.
    """
    with errors(file, name):
        return _resolve(file, name, allow_external, soft_links)


def _resolve(file: h5py.File, name: str, allow_external: bool, soft_links: bool) -> h5py.Dataset | h5py.Group:
    where = f"{file_name(file)}::{printable(name)}"
    todo = parts(name)[::-1]
    place: h5py.Dataset | h5py.Group = file["/"]
    done: list[str] = []
    followed = 0
    while todo:
        part = todo.pop()
        # HDF5 would read a name up to its first NUL.
        if (
            not isinstance(place, h5py.Group)
            or "\0" in part
            or not place.id.links.exists(key := encode(part))
        ):
            raise InputError(f"{where}: no such object{_candidates(file, name)}")
        kind = place.id.links.get_info(key).type
        if kind == h5py.h5l.TYPE_HARD:
            place, done = _child(place, key, where), [*done, part]
        elif kind == h5py.h5l.TYPE_SOFT and soft_links:
            if (followed := followed + 1) > MAX_SOFT_LINKS:
                raise InputError(f"{where}: soft links lead in a circle")
            target = os.fsdecode(place.id.links.get_val(key))
            # A relative target starts at the group that holds the link: begin again from the root with it spelt out.
            head = [] if target.startswith("/") else done
            todo = todo + (head + parts(target))[::-1]
            place, done = file["/"], []
        elif kind == h5py.h5l.TYPE_EXTERNAL and allow_external:
            place, done = _child(place, key, where), [*done, part]
        else:
            label = LINK_KINDS.get(kind, "user-defined link")
            hint = "; --allow-external follows it" if kind == h5py.h5l.TYPE_EXTERNAL else ""
            raise UnsafeFileError(
                f"{where}: {printable(part)} is {_article(label)}, which is not followed here{hint}"
            )
    return place


def _article(label: str) -> str:
    return f"an {label}" if label[0] in "aeio" else f"a {label}"


def _child(group: h5py.Group, key: bytes, where: str) -> h5py.Dataset | h5py.Group:
    child = group[key]
    if not isinstance(child, h5py.Dataset | h5py.Group):
        raise InputError(f"{where}: is a named type, neither a dataset nor a group")
    return child


def parts(name: str) -> list[str]:
    """Split a name at its slashes; empty parts and ``.`` mean nothing."""
    return [part for part in name.split("/") if part not in ("", ".")]


def _candidates(file: h5py.File, name: str) -> str:
    names = datasets(file)
    wanted = "/" + "/".join(parts(name))
    import difflib

    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    near += [n for n in names if n.rsplit("/", 1)[-1] == wanted.rsplit("/", 1)[-1] and n not in near][:3]
    listed = [printable(n) for n in (near or names[:5])]
    if not listed:
        return "; the file holds no numeric dataset"
    return f"; {'did you mean' if near else 'the file holds'} {', '.join(listed)}{'?' if near else ''}"
