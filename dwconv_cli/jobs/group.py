"""The recordings that go into one output file, which appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache

from dwconv_cli.choices import SAMPLED_FORMATS
from dwconv_cli.errors import DwconvError, LayerError, OutputError, exit_code
from dwconv_cli.errors.system import reason
from dwconv_cli.errors.wording import worded
from dwconv_cli.jobs.job import Job
from dwconv_cli.jobs.naming import Target
from dwconv_cli.jobs.pictures import check_picture
from dwconv_cli.jobs.report import Report
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, check_array, companions, open_output
from dwconv_cli.storage.protocols import Output
from dwconv_cli.storage.sink import check_absent, existing_output, output_errors
from dwconv_cli.weights.recipe import Recipe

# What else can be done about an output that exists already.
_PASS_OVER = "--skip-existing to pass over it"


def apply_group(
    group: Sequence[Target], recipe: Recipe, settings: Settings, keep_going: bool
) -> list[Report]:
    """Filter the recordings that go into one output file; the file appears whole or not at all."""
    reports: list[Report] = []
    opened: Output | None = None
    # All outputs of the group are in one file, which is listed once.
    names_inside = cache(_names_inside)
    try:
        for target in group:
            if settings.skip_existing and _is_done(target, names_inside):
                entries = {"address": str(target.source)}, {"address": str(target.output)}
                reports.append(Report("skipped", *entries))
                continue
            try:
                if settings.plot is not None:
                    check_picture(settings.plot, target.source, settings.overwrite)
                with Job(target, recipe, settings) as job:
                    if settings.dry_run:
                        _check_output(target, job, settings, names_inside)
                    else:
                        opened = opened or _open(group, settings, names_inside)
                        job.run(opened)
                job.report.notes = list(map(worded, job.report.notes))
                reports.append(job.report)
            except (DwconvError, MemoryError) as error:
                reports.append(failure(str(target.source), error, target.output))
                if not keep_going:
                    break
        if opened is not None:
            if any(report.status == "ok" for report in reports) and (keep_going or reports[-1].cause is None):
                opened.commit()
            else:
                opened.abort()
                _take_back(reports)
    except BaseException as error:
        if opened is not None:
            opened.abort()
        if not isinstance(error, DwconvError):
            raise
        return [failure(str(target.source), error, target.output) for target in group]
    return reports


def _take_back(reports: list[Report]) -> None:
    """Report recordings as failed whose output was given up because another one failed."""
    cause = reports[-1]
    for report in reports:
        if report.status == "ok" and cause.error:
            message = f"{report.input['address']}: not written, since {cause.input['address']} failed"
            report.status, report.error = "failed", {"code": cause.error["code"], "message": message}


def failure(source: str, error: BaseException, output: Address | None = None) -> Report:
    """The report of an input that failed."""
    return Report(
        status="failed",
        input={"address": source},
        output=None if output is None else {"address": str(output)},
        error={"code": exit_code(error), "message": str(error) or type(error).__name__},
        cause=error,
    )


def make_directory(path: str) -> None:
    """Create a directory for outputs, and those above it."""
    try:
        os.makedirs(path, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{path}: there is a file in the way; name another directory") from error
    except OSError as error:
        raise OutputError(f"{path}: {reason(error)}") from error


Names = Callable[[str, str | None], list[str]]


def _names_inside(path: str, format: str | None) -> list[str]:
    """Names of the arrays in a file that is to be added to."""
    with output_errors():
        return array_names(Address(path, None, format))


def _is_added_to_file(target: Target, settings: Settings, names_inside: Names) -> bool:
    """Whether the output is added to a file that exists; refused if the output itself exists and may not be replaced."""
    output = target.output
    if output is None or output.is_stream:
        return False
    if output.name is None or target.is_whole_file or not os.path.exists(output.path):
        for path in (output.path, *companions(output)):
            check_absent(path, settings.overwrite, advice=_PASS_OVER)
        return False
    if not settings.overwrite and output.name in names_inside(output.path, output.format):
        raise existing_output(str(output), _PASS_OVER)
    return True


def _is_done(target: Target, names_inside: Names) -> bool:
    """Whether the output is there already."""
    output = target.output
    if output is None or output.is_stream or not os.path.exists(output.path):
        return False
    return output.name is None or output.name in names_inside(output.path, output.format)


def _check_storage(output: Address, settings: Settings) -> None:
    """Refuse options of storage for an output of a format that does not have them."""
    if settings.sample_format is not None and output.format not in SAMPLED_FORMATS:
        raise LayerError(
            f"{output}: --sample-format is for .wav, .flac and SigMF outputs; leave it out, and use --dtype"
        )
    if settings.storage and output.format != "hdf5":
        options = [key for key in settings.storage if key != "compression_opts"]
        verb, them = ("is", "it") if len(options) == 1 and options != ["chunks"] else ("are", "them")
        raise LayerError(
            f"{output}: {' and '.join(options)} {verb} for HDF5 outputs; leave {them} out, or write to an .h5 file"
        )


def _check_output(target: Target, job: Job, settings: Settings, names_inside: Names) -> None:
    """Raise what a run would raise on opening its output."""
    _is_added_to_file(target, settings, names_inside)
    if target.output is None:
        return
    from dwconv_cli.storage.output_check import check_output

    _check_storage(target.output, settings)
    nbytes = (job.report.output or {}).get("nbytes", 0)
    check_output(target.output, job.storage(), nbytes, target.makes_directory)
    job.report.notes += check_array(target.output, job.new_array())


def _open(group: Sequence[Target], settings: Settings, names_inside: Names) -> Output:
    """The output file of the group, to which is added where every output is a new one in a file that exists."""
    first, address = group[0], group[0].output
    if address is None:
        raise LayerError("no output given; say where to write to")
    _check_storage(address, settings)
    if settings.skip_existing:
        group = [target for target in group if not _is_done(target, names_inside)]
    additions = [_is_added_to_file(target, settings, names_inside) for target in group]
    names = frozenset(target.output.name or "" for target in group if target.output and settings.overwrite)
    if first.makes_directory:
        make_directory(os.path.dirname(address.path) or ".")
    return open_output(address, overwrite=settings.overwrite, keep=all(additions), replace=names)
