"""What Python calls to filter recordings and to make weights: ``apply_file``, ``apply_many`` and ``make_weights``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from functools import partial

from dwconv_cli.choices import FormatName
from dwconv_cli.errors import DwconvError, LayerError
from dwconv_cli.errors.wording import worded
from dwconv_cli.jobs.attributes import recording_rate
from dwconv_cli.jobs.group import apply_group, failure, make_directory
from dwconv_cli.jobs.naming import Target, targets
from dwconv_cli.jobs.pictures import picture_paths
from dwconv_cli.jobs.plan import weight_losses
from dwconv_cli.jobs.report import Report
from dwconv_cli.jobs.report_stream import Reports
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.layer.arguments import Location, instance, location, several, whole_number
from dwconv_cli.layer.axes import Axes
from dwconv_cli.layer.keys import CONSTRAINT_KEYS
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.storage.address import Address, real_path
from dwconv_cli.storage.formats import companions, lay_out, open_reader, other_files
from dwconv_cli.storage.resolution import Matches, recording_at, recordings_at
from dwconv_cli.weights.recipe import Recipe
from dwconv_cli.weights.resolved import Resolved


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
        Addresses; without an output the recording is only looked at, in a dry run.
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

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from dwconv_cli import LayerSpec, Weights, apply_file
    >>> folder = tempfile.TemporaryDirectory()
    >>> recording, smooth = (os.path.join(folder.name, name) for name in ("rec.npy", "smooth.npy"))
    >>> np.save(recording, np.arange(12.0).reshape(6, 2))
    >>> layer = LayerSpec(kernel_size=3, use_bias=False)
    >>> apply_file(recording, smooth, layer, Weights(np.full(3, 1 / 3))).output["shape"]
    [4, 2]
    >>> np.load(smooth)[:, 0].round(6)
    array([2., 4., 6., 8.])
    >>> folder.cleanup()
    """
    if recipe is None:
        if layer is None or weights is None:
            raise LayerError("apply_file needs a layer with weights, or a recipe")
        recipe = Recipe(given=(layer, weights))
    recipe, settings = instance("recipe", recipe, Recipe), _settings(settings)
    source = recording_at(location("input", input), settings.input_format)
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
) -> Reports:
    """Filter many recordings.

    Parameters
    ----------
    inputs : iterable of str or path
        Addresses; wildcards are expanded.
    output : str or path, optional
        An address, or a template with the fields ``{stem} {name} {suffix} {parent} {dataset}``.
    recipe : Recipe
    settings : Settings, optional
        With several `jobs`, recordings behind one that fails may have been filtered without a report.
    directory : str or path, optional
        Instead of `output`: a directory for outputs that are named as their inputs.
    keep_going : bool
        Report a recording that fails and go on with the next.
    run : callable, optional
        Used like :func:`map`, e.g. the ``map`` of a pool of processes, instead of the threads of `settings`.

    Returns
    -------
    Reports
        A generator of :class:`Report`; its length is the number of recordings. In the order of the inputs, but with those for one output file together. The report of a recording that
        failed has a `cause`; it is the last one unless `keep_going`.

    Raises
    ------
    DwconvError
        If an output would replace an input or another output; nothing is read or written then.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from dwconv_cli import Recipe, apply_many
    >>> folder = tempfile.TemporaryDirectory()
    >>> for day in ("monday", "tuesday"):
    ...     np.save(os.path.join(folder.name, f"{day}.npy"), np.ones((100, 3), "float32"))
    >>> recipe = Recipe(options={"kernel_size": 5, "padding": "same"}, seed=1)
    >>> inputs = [os.path.join(folder.name, "*day.npy")]
    >>> for report in apply_many(inputs, None, recipe, directory=os.path.join(folder.name, "out")):
    ...     print(report.status, os.path.basename(report.output["address"]), report.output["shape"])
    ok monday.npy [100, 3]
    ok tuesday.npy [100, 3]
    >>> folder.cleanup()
    """
    instance("recipe", recipe, Recipe)
    settings = _settings(settings)
    place = None if output is None else location("output", output)
    folder = None if directory is None else location("directory", directory)
    sources: list[Address] = []
    failed: list[Report] = []
    notes: dict[str, str] = {}
    for text in (location("each of inputs", one) for one in several("inputs", inputs, "addresses")):
        try:
            matches = recordings_at(text, settings.input_format)
        except DwconvError as error:
            failed.append(failure(text, error))
            continue
        sources += matches.addresses
        if matches.left_out:
            # The first recording that the wildcards match bears the note.
            notes[str(matches.addresses[0])] = _left_out_note(text, matches)
    beside = files_beside(recipe, settings, sources)
    groups: dict[str | int, list[Target]] = {}
    if failed and not keep_going:
        # Nothing is filtered, but a report of this failure may replace no file that is read.
        targets(sources, None, None, None, *beside)
        failed = failed[:1]
    else:
        for number, target in enumerate(targets(sources, place, folder, settings.output_format, *beside)):
            groups.setdefault(_file_of(target, number), []).append(target)
        if folder is not None and not settings.dry_run:
            make_directory(folder)
    if not run and min(settings.jobs, len(groups)) > 1 and sum(source.is_stream for source in sources) > 1:
        raise LayerError("several jobs cannot share standard input; name it once, or use one job")
    reports = _reports(failed, list(groups.values()), notes, recipe, settings, keep_going, run)
    return Reports(reports, len(failed) + sum(map(len, groups.values())))


def _left_out_note(text: str, matches: Matches) -> str:
    count, everything = len(matches.left_out), len(matches.left_out) + len(matches.addresses)
    names = ", ".join(str(address.name) for address in matches.left_out[:5])
    more = f" and {count - 5} more" if count > 5 else ""
    return (
        f"{text} leaves out {count} of {everything} datasets, dimension scales and what is not "
        f"numeric data of rank 1 to 3: {names}{more}"
    )


def _settings(settings: Settings | None) -> Settings:
    return Settings() if settings is None else instance("settings", settings, Settings)


def files_beside(
    recipe: Recipe, settings: Settings, sources: Sequence[Address]
) -> tuple[list[str], list[str]]:
    """Paths of all that a run reads and writes besides its inputs and outputs."""
    weights = (recipe.kernel, recipe.bias, recipe.weights)
    reads = [address.path for address in weights if address is not None and not address.is_stream]
    for source in sources:
        reads += companions(source)
        if settings.allow_external:
            # An input that cannot be read is reported when its job reads it.
            with contextlib.suppress(DwconvError):
                reads += other_files(source)
    pictures = [] if settings.plot is None else picture_paths(settings.plot, sources)
    return [*reads, *settings.also_read], [*settings.also_written, *pictures]


def _reports(
    failed: Sequence[Report],
    groups: Sequence[Sequence[Target]],
    notes: dict[str, str],
    recipe: Recipe,
    settings: Settings,
    keep_going: bool,
    run: Callable[..., Iterable[list[Report]]] | None,
) -> Generator[Report, None, None]:
    """The reports of inputs that have `failed` already, and those of the groups, which are filtered meanwhile.

    `notes` are added to the reports of the addresses that they are for.
    """
    yield from failed
    jobs = 1 if run else min(settings.jobs, len(groups))

    def is_last(reports: list[Report]) -> bool:
        return not keep_going and any(report.cause for report in reports)

    finished: Iterable[list[Report]]
    if jobs > 1:
        from dwconv_cli.jobs.side_by_side import side_by_side

        # Loaded here, once: the jobs share the weights, and standard input can be read only once. An error here is
        # passed over, because each recording's job meets it again and reports it.
        with contextlib.suppress(DwconvError):
            recipe.load()
        work = partial(_watched, recipe=recipe, settings=settings.shared_out(jobs), keep_going=keep_going)
        finished = side_by_side(work, groups, jobs, is_last)
    else:
        work_alone = partial(apply_group, recipe=recipe, settings=settings, keep_going=keep_going)
        finished = (run or map)(work_alone, groups)
    # Closed here, not by the garbage collector, so that jobs end as soon as nobody asks for more reports.
    with contextlib.closing(finished) if isinstance(finished, Generator) else contextlib.nullcontext():
        for reports in finished:
            for report in reports:
                if note := notes.pop(report.input["address"], None):
                    report.notes.append(note)
                yield report
            if is_last(reports):
                return


def _file_of(target: Target, number: int) -> str | int:
    """A key that targets in one file share, by whatever path; `number` where there is no file."""
    if target.output is None:
        return number
    # Only a file with names inside can be shared.
    return target.output.path if target.output.name is None else real_path(target.output.path)


def _watched(
    group: Sequence[Target],
    raise_if_unwanted: Callable[[], None],
    recipe: Recipe,
    settings: Settings,
    keep_going: bool,
) -> list[Report]:
    """:func:`apply_group`, which ends after the block during which `raise_if_unwanted` begins to raise."""
    progress = settings.progress

    def watched_progress(address: str, done: int, total: int) -> None:
        raise_if_unwanted()
        if progress is not None:
            progress(address, done, total)

    return apply_group(group, recipe, replace(settings, progress=watched_progress), keep_going)


def make_weights(
    recipe: Recipe,
    channels: int | None = None,
    like: Location | None = None,
    input_format: FormatName | None = None,
) -> tuple[Resolved, dict[str, float]]:
    """Weights for a number of channels: fresh, or read, converted and projected.

    Parameters
    ----------
    recipe : Recipe
    channels : int, optional
    like : str or path, optional
        Address of a recording with as many channels.
    input_format : str, optional
        Format of `like`, if its suffix does not say it.

    Returns
    -------
    Resolved
        Layer and weights.
    dict
        Penalties of the regularizers.

    Examples
    --------
    >>> from dwconv_cli import Recipe, make_weights
    >>> resolved, losses = make_weights(Recipe(options={"kernel_size": 9}, seed=1), channels=6)
    >>> resolved.weights.kernel.shape
    (9, 6, 1)
    """
    instance("recipe", recipe, Recipe)
    channels = None if channels is None else whole_number("channels", channels)
    # The constraints of a config count here as if they were typed: no training follows that would meet them.
    constraints = {
        key: value for key, value in recipe.given_config.items() if key in CONSTRAINT_KEYS and value
    }
    # Before the recipe is asked for anything, since it reads the weights once for itself.
    recipe = replace(recipe, options={**constraints, **recipe.options})
    rate = None
    if like is not None:
        with contextlib.closing(open_reader(recording_at(like, input_format))) as reader:
            lay_out(reader, recipe.data_format())
            rate = recording_rate(reader, is_needed=recipe.needs_rate)
        channels = Axes(len(reader.shape), recipe.data_format()).canonical_shape(reader.shape)[2]
    resolved = recipe.resolve(channels, fs=rate).stored(channels, recipe.options.get("dtype"))
    is_typed = recipe.design is not None or recipe.taps is not None
    if is_typed and channels is None and resolved.layer.depth_multiplier > 1:
        raise LayerError(
            "a kernel with a depth multiplier is made for some number of channels; give --channels C"
        )
    losses = weight_losses(resolved.layer, resolved.weights)
    return replace(resolved, notes=list(map(worded, resolved.notes))), losses
