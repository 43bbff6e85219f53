"""From recordings to recordings: readers through the engine to writers, file by file or side by side."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from functools import cache, partial

from dwconv_cli.arguments import Location, instance, location, several, whole_number
from dwconv_cli.errors import DwconvError, LayerError, OutputError, exit_code
from dwconv_cli.formats import (
    Address,
    Output,
    complete,
    expand,
    format_of,
    members,
    open_output,
    open_reader,
    other_files,
    written,
)
from dwconv_cli.formats.sink import check_absent, exists
from dwconv_cli.formats.source import reason
from dwconv_cli.job import Job, Settings, weight_losses
from dwconv_cli.layer import LayerSpec, Weights
from dwconv_cli.layer_config import inner_config
from dwconv_cli.naming import Target, targets
from dwconv_cli.recipe import Recipe, Resolved
from dwconv_cli.report import Report
from dwconv_cli.side_by_side import UNBROKEN, side_by_side
from dwconv_cli.transfer import Axes

_CONSTRAINTS = ("depthwise_constraint", "bias_constraint")
# What else can be done about an output that exists already.
_PASS_OVER = "--skip-existing to pass over it"


def apply_file(
    input: Location,
    output: Location | None,
    layer: LayerSpec | None = None,
    weights: Weights | None = None,
    *,
    recipe: Recipe | None = None,
    settings: Settings | None = None,
) -> Report:
    """Filter one recording into a file that appears whole or not at all.

    Parameters
    ----------
    input, output : str or path
        Addresses.
    layer : LayerSpec
    weights : Weights
    recipe : Recipe, optional
        Instead of `layer` and `weights`.
    settings : Settings, optional

    Returns
    -------
    Report

    Raises
    ------
    DwconvError
        What went wrong; the output is as it was before.
    """
    if recipe is None:
        if layer is None or weights is None:
            raise LayerError("apply_file needs a layer with weights, or a recipe")
        recipe = Recipe(given=(layer, weights))
    recipe, settings = instance("recipe", recipe, Recipe), _settings(settings)
    source = complete(Address.parse(location("input", input)), settings.input_format)
    place = None if output is None else location("output", output)
    (target,) = targets(
        [source], place, None, settings.output_format, *files_beside(recipe, settings, [source])
    )
    (report,) = apply_group([target], recipe, settings, keep_going=False)
    if report.cause is not None:
        raise report.cause
    return report


def apply_many(
    inputs: Iterable[Location],
    output: Location | None,
    recipe: Recipe,
    settings: Settings | None = None,
    *,
    directory: Location | None = None,
    keep_going: bool = False,
    run: Callable[..., Iterable[list[Report]]] | None = None,
) -> Generator[Report, None, None]:
    """Filter many recordings.

    Parameters
    ----------
    inputs : iterable of str or path
        Addresses; wildcards are expanded.
    output : str or path, optional
        An address, or a template; see :func:`~dwconv_cli.naming.targets`.
    recipe : Recipe
    settings : Settings, optional
        With several `jobs`, recordings after one that fails may have been filtered already, unreported.
    directory : str or path, optional
        Instead of `output`.
    keep_going : bool
        Report a recording that fails and go on with the next.
    run : callable, optional
        Like :func:`map`, instead of the threads that `settings` ask for; a pool's works too.

    Returns
    -------
    generator of Report
        In the order of the inputs, those for one file together. One that failed has a `cause`, and is the last
        unless `keep_going`.

    Raises
    ------
    DwconvError
        If inputs cannot be told apart from outputs, before anything is read or written.
    """
    instance("recipe", recipe, Recipe)
    settings = _settings(settings)
    place = None if output is None else location("output", output)
    folder = None if directory is None else location("directory", directory)
    sources: list[Address] = []
    failed: list[Report] = []
    for text in (location("each of inputs", one) for one in several("inputs", inputs, "addresses")):
        try:
            matches = expand(text, lambda path: members(path, settings.input_format))
            sources.extend(complete(address, settings.input_format) for address in matches)
        except DwconvError as error:
            failed.append(failure(text, error))
    beside = files_beside(recipe, settings, sources)
    if failed and not keep_going:
        targets(sources, None, None, None, *beside)
        return _all_of(failed[:1])
    groups: dict[str | int, list[Target]] = {}
    for number, target in enumerate(targets(sources, place, folder, settings.output_format, *beside)):
        groups.setdefault(_file_of(target, number), []).append(target)
    if not run and min(settings.jobs, len(groups)) > 1 and sum(source.is_stream for source in sources) > 1:
        raise LayerError("several jobs cannot share standard input; name it once, or use one job")
    if folder is not None and not settings.dry_run:
        make_directory(folder)
    return _all_of(failed, list(groups.values()), recipe, settings, keep_going, run)


def _settings(settings: Settings | None) -> Settings:
    return Settings() if settings is None else instance("settings", settings, Settings)


def files_beside(
    recipe: Recipe, settings: Settings, sources: Sequence[Address]
) -> tuple[list[str], list[str]]:
    """Paths of all that a run reads and writes besides its inputs and outputs."""
    weights = (recipe.kernel, recipe.bias, recipe.weights)
    addresses = [Address.parse(address) for address in weights if address is not None]
    reads = [address.path for address in addresses if not address.is_stream]
    if settings.allow_external:
        for source in sources:
            # What is wrong with an input is told when it is read.
            with contextlib.suppress(DwconvError):
                reads += other_files(source, settings.input_format)
    return [*reads, *settings.also_read], list(settings.also_written)


def _all_of(
    failed: Sequence[Report],
    groups: Sequence[Sequence[Target]] = (),
    recipe: Recipe | None = None,
    settings: Settings | None = None,
    keep_going: bool = False,
    run: Callable[..., Iterable[list[Report]]] | None = None,
) -> Generator[Report, None, None]:
    """The reports of inputs that were not found, and then of what is done with the others."""
    yield from failed
    if recipe is None or settings is None:
        return
    jobs = 1 if run else min(settings.jobs, len(groups))

    def is_last(reports: list[Report]) -> bool:
        return not keep_going and any(report.cause for report in reports)

    done: Iterable[list[Report]]
    if jobs > 1:
        # Read once, here: the jobs would each read them, and standard input is there once.
        # What is wrong with them is every recording's own fault, and told with the first.
        with contextlib.suppress(DwconvError):
            recipe.load()
        work = partial(_watched, recipe=recipe, settings=settings.shared_out(jobs), keep_going=keep_going)
        done = side_by_side(work, groups, jobs, is_last)
    else:
        work_alone = partial(apply_group, recipe=recipe, settings=settings, keep_going=keep_going)
        done = (run or map)(work_alone, groups)
    # Not left to the garbage collector: jobs end when nobody asks for more.
    with contextlib.closing(done) if isinstance(done, Generator) else contextlib.nullcontext():
        for reports in done:
            yield from reports
            if is_last(reports):
                return


def _file_of(target: Target, number: int) -> str | int:
    """What targets in the same file share, whatever it is called; `number` where there is no file."""
    if target.output is None:
        return number
    # Only where there are names inside can a file be shared.
    return target.output.path if target.output.name is None else os.path.realpath(target.output.path)


def _watched(
    group: Sequence[Target], go_on: Callable[[], None], recipe: Recipe, settings: Settings, keep_going: bool
) -> list[Report]:
    """`apply_group`, given up after a block when `go_on` raises."""
    tell = settings.progress

    def told(address: str, done: int, total: int) -> None:
        go_on()
        if tell is not None:
            tell(address, done, total)

    return apply_group(group, recipe, replace(settings, progress=told), keep_going)


def apply_group(
    group: Sequence[Target], recipe: Recipe, settings: Settings, keep_going: bool
) -> list[Report]:
    """Filter the recordings that go into one output file; the file appears whole or not at all."""
    reports: list[Report] = []
    opened: Output | None = None
    inside = cache(written)
    try:
        for target in group:
            if settings.skip_existing and _is_done(target, settings, inside):
                reports.append(skipped(target))
                continue
            try:
                with Job(target, recipe, settings) as job:
                    if settings.dry_run:
                        check_target(target, settings)
                    else:
                        opened = opened or _open(group, settings)
                        job.run(opened)
                reports.append(job.report)
            except (DwconvError, MemoryError) as error:
                reports.append(failure(str(target.source), error, target.output))
                if not keep_going:
                    break
        if opened is not None:
            if any(report.status == "ok" for report in reports) and (keep_going or reports[-1].cause is None):
                with UNBROKEN:
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
    """Say of what was filtered before another one failed that their common output is not there."""
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
    """Create a directory for outputs, and those above it.

    Raises
    ------
    OutputError
    """
    try:
        os.makedirs(path, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{path}: there is a file in the way; name another directory") from error
    except OSError as error:
        raise OutputError(f"{path}: {reason(error)}") from error


Members = Callable[[str, str | None], list[str]]


def check_target(target: Target, settings: Settings, inside: Members = written) -> bool:
    """Refuse an output that exists already; True if its file exists and the output is to be added to it.

    Parameters
    ----------
    target : Target
    settings : Settings
    inside : callable
        Path and format to the names in that file; :func:`~dwconv_cli.formats.written`, or what remembers its answers.

    Raises
    ------
    OutputError
    """
    output = target.output
    if output is None or output.is_stream:
        return False
    if output.name is None or target.bare or not os.path.exists(output.path):
        check_absent(output.path, settings.overwrite, advice=_PASS_OVER)
        return False
    if not settings.overwrite and output.name in inside(output.path, settings.output_format):
        raise exists(str(output), _PASS_OVER)
    return True


def skipped(target: Target) -> Report:
    """The report of an input whose output exists."""
    return Report(
        status="skipped", input={"address": str(target.source)}, output={"address": str(target.output)}
    )


def _is_done(target: Target, settings: Settings, inside: Members) -> bool:
    output = target.output
    if output is None or output.is_stream or not os.path.exists(output.path):
        return False
    return output.name is None or output.name in inside(output.path, settings.output_format)


def _open(group: Sequence[Target], settings: Settings) -> Output:
    first_target = group[0]
    first = first_target.output
    if first is None:
        raise LayerError("no output given; say where to write to")
    if settings.storage and format_of(first, settings.output_format, output=True).name != "hdf5":
        raise LayerError(f"{first}: {', '.join(settings.storage)} are for HDF5 outputs; leave them out")
    # Every target of the group is in the same file.
    inside = cache(written)
    group = [t for t in group if not (settings.skip_existing and _is_done(t, settings, inside))]
    adding = [check_target(target, settings, inside) for target in group]
    names = frozenset(target.output.name or "" for target in group if target.output and settings.overwrite)
    if first_target.makes_directory:
        make_directory(os.path.dirname(first.path) or ".")
    with UNBROKEN:
        return open_output(
            first.path, settings.output_format, overwrite=settings.overwrite, keep=all(adding), replace=names
        )


def make_weights(
    recipe: Recipe, channels: int | None = None, like: Location | None = None, input_format: str | None = None
) -> tuple[Resolved, dict[str, float]]:
    """Weights for a number of channels.

    Parameters
    ----------
    recipe : Recipe
        Fresh weights, or where they are taken from.
    channels : int, optional
    like : str or path, optional
        Address of a recording with as many channels.
    input_format : str, optional
        Of `like`, where its suffix does not tell.

    Returns
    -------
    Resolved
        Layer and weights.
    dict
        Penalties of the regularizers.
    """
    instance("recipe", recipe, Recipe)
    channels = None if channels is None else whole_number("channels", channels)
    if like is not None:
        reader = open_reader(complete(Address.parse(like), input_format), input_format)
        reader.close()
        channels = Axes(len(reader.shape), recipe.data_format() == "channels_first").canonical(reader.shape)[
            2
        ]
    # A config that is given is asked for, and no training is to come that would meet its constraints.
    asked = {
        key: value
        for key, value in inner_config(recipe.config or {}).items()
        if key in _CONSTRAINTS and value
    }
    recipe = replace(recipe, options={**asked, **recipe.options})
    found = recipe.resolve(channels).stored(channels, recipe.options.get("dtype"))
    return found, weight_losses(found.layer, found.weights)
