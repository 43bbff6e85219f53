"""Which output belongs to which input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dwconv_cli.choices import OUTPUT_SUFFIXES, OutputFormatName
from dwconv_cli.errors import DwconvError, LayerError, OutputError
from dwconv_cli.jobs.protection import ReadFiles
from dwconv_cli.jobs.templates import check_inside, encodable, fields_of, filled_name, filled_path, has_fields
from dwconv_cli.storage.address import Address, real_path
from dwconv_cli.storage.formats import format_of


@dataclass(frozen=True)
class Target:
    """An input and its output.

    Parameters
    ----------
    source : Address
        Complete.
    output : Address or None
        Complete; None where nothing is to be written.
    is_whole_file : bool
        The output takes the place of a whole file, since its address named a file and no thing inside it.
    makes_directory : bool
        The output's directory comes from a template or from ``--output-dir``, and is created where it is missing.
    """

    source: Address
    output: Address | None
    is_whole_file: bool = True
    makes_directory: bool = False


def targets(
    sources: Sequence[Address],
    output: str | None,
    directory: str | None = None,
    output_format: OutputFormatName | None = None,
    also_read: Sequence[str] = (),
    also_written: Sequence[str] = (),
) -> list[Target]:
    """Pair inputs with outputs.

    Parameters
    ----------
    sources : sequence of Address
        Complete addresses of inputs.
    output : str or None
        An address; for several inputs a template with ``{stem} {name} {suffix} {parent} {dataset}``, or a file
        that holds several arrays.
    directory : str, optional
        Outputs get the inputs' file names in there. Where inputs of several directories have the same file name, all
        keep their tree: ``a/x.npy`` and ``b/x.npy`` become ``a/x.npy`` and ``b/x.npy`` in there, below the root that
        their directories have in common.
    output_format : str, optional
        Of the outputs, where their suffixes do not tell.
    also_read : sequence of str
        Paths of other files that the run reads.
    also_written : sequence of str
        Paths of other files that the run writes.

    Raises
    ------
    LayerError
        If two inputs would get the same output, or the template is wrong.
    OutputError
        If an output would replace something that the run reads.
    UnsafeFileError
        If the name of an input, or of something in it, would lead the output out of the template's directory.

    Examples
    --------
    >>> (target,) = targets([Address("day1/rec.npy")], "{parent}/{stem}_smooth.h5")
    >>> str(target.output)
    'day1/rec_smooth.h5::/rec'
    >>> days = targets([Address("data/day1/rec.npy"), Address("data/day2/rec.npy")], None, "smooth")
    >>> [str(day.output) for day in days]
    ['smooth/day1/rec.npy', 'smooth/day2/rec.npy']
    """
    folders = _folders(sources, directory, output_format)
    pairs = [
        _target(source, output, folder, output_format)
        for source, folder in zip(sources, folders, strict=True)
    ]
    read_files = ReadFiles(sources, also_read)
    for target in pairs:
        if target.output is not None:
            read_files.check_output(target.output, target.source, target.is_whole_file)
    owners: dict[tuple[str, str | None], Address] = {}
    for target in pairs:
        if target.output is None:
            continue
        if target.output.is_stream and len(pairs) > 1:
            advice = _advice(sources, None, output_format)
            raise LayerError(f"{len(pairs)} inputs cannot share standard output; {advice}")
        key = _key(target.output)
        if key in owners:
            other, source = owners[key], target.source
            if str(other) == str(source):
                raise LayerError(
                    f"{source} is named twice, and both would be written to {target.output}; name it once"
                )
            advice = _advice(sources, output, output_format)
            raise LayerError(f"{other} and {source} would both be written to {target.output}; {advice}")
        owners[key] = target.source
    paths = {path for path, _ in owners}
    for path in also_written:
        read_files.check(path)
        if real_path(path) in paths:
            raise OutputError(f"{path}: is an output of this run, too; write to another name")
    return pairs


def _folders(
    sources: Sequence[Address], directory: str | None, output_format: OutputFormatName | None
) -> list[str | None]:
    """The directory of each output: `directory`, or below it the input's place under the inputs' common root.

    Paths are compared as they are typed, without following links, and a ``..`` in them is resolved first. So no output
    leaves `directory`.
    """
    paths = {source.path for source in sources if not source.is_stream}
    names = {_file_name(path, output_format) for path in paths}
    if directory is None or len(names) == len(paths):
        return [directory] * len(sources)
    parents = {path: os.path.dirname(os.path.abspath(path)) for path in paths}
    root = os.path.commonpath(parents.values())
    folders = {
        path: directory if parent == root else os.path.join(directory, os.path.relpath(parent, root))
        for path, parent in parents.items()
    }
    return [folders.get(source.path, directory) for source in sources]


def _file_name(path: str, output_format: OutputFormatName | None) -> str:
    """The file name of an output in a directory, for an input at `path`."""
    name = os.path.basename(path)
    return name if output_format is None else os.path.splitext(name)[0] + OUTPUT_SUFFIXES[output_format][0]


def _key(output: Address) -> tuple[str, str | None]:
    """What two outputs have in common if they are one, whatever links lead there."""
    return real_path(output.path), output.name


def _advice(sources: Sequence[Address], output: str | None, output_format: OutputFormatName | None) -> str:
    """Advice on how to give each input an output of its own: the first template that does so for these inputs."""
    path = Address.parse(output or "out.npy").path
    suffix = os.path.splitext(path)[1] or "{suffix}"
    if output_format is not None:
        suffix = OUTPUT_SUFFIXES[output_format][0]
    inside = "{parent}/{stem}/{dataset}" if any(source.name for source in sources) else "{parent}/{stem}"
    candidates = (
        *([f"{path}::/{inside}"] if output and _holds_names(path, output_format) else []),
        "out/{parent}/{name}",
        f"out/{{parent}}/{{stem}}{suffix}",
        f"out/{{parent}}/{{stem}}_{{dataset}}{suffix}",
    )
    for template in candidates:
        try:
            keys = [
                _key(target.output)
                for target in (_target(source, template, None, output_format) for source in sources)
                if target.output is not None
            ]
        except DwconvError:
            continue
        if len(set(keys)) == len(sources):
            return f"use a template such as -o '{template}'"
    return "filter them in runs of their own"


def _holds_names(path: str, output_format: OutputFormatName | None) -> bool:
    """Whether an output file can hold several arrays."""
    try:
        return format_of(Address(path, None, output_format), OutputError).ROOT is not None
    except DwconvError:
        return False


def _target(
    source: Address, output: str | None, directory: str | None, output_format: OutputFormatName | None
) -> Target:
    """An input and its output; see :func:`targets`."""
    if output is None and directory is None:
        return Target(source, None)
    makes_directory = False
    if directory is not None:
        path = os.path.join(directory, _file_name(fields_of(source)["name"], output_format))
        address = Address(path, source.name, output_format)
        makes_directory = True
    else:
        address = Address.parse(output or "", output_format)
        makes_directory = has_fields(address.path)
        name = None if address.name is None else filled_name(address.name, source)
        address = Address(filled_path(address.path, source), name, output_format)
    if os.path.isdir(address.path):
        raise OutputError(f"{address}: is a directory; use --output-dir {address}, or name a file in it")
    if address.is_stream:
        return Target(source, replace(address, name=None))
    root = format_of(address, OutputError).ROOT
    if root is None:
        if address.name is not None and directory is None:
            raise OutputError(
                f"{address}: this format holds one array without a name; leave out ::{address.name}"
            )
        return Target(source, replace(address, name=None), makes_directory=makes_directory)
    is_whole_file = address.name is None
    name = encodable((address.name or source.name or fields_of(source)["stem"]).strip("/"))
    if not root:
        check_inside(name, source)
    return Target(source, replace(address, name=root + name), is_whole_file, makes_directory)
