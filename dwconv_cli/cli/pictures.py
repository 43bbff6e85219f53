"""What ``--plot`` does for ``dwconv inspect`` and ``dwconv apply``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dwconv_cli.cli import say
from dwconv_cli.cli.recipes import files_read

if TYPE_CHECKING:
    from dwconv_cli.cli.apply_options import ApplyOptions
    from dwconv_cli.cli.inspect_options import InspectOptions
    from dwconv_cli.errors import DwconvError
    from dwconv_cli.jobs.plan import JobPlan
    from dwconv_cli.jobs.report import Report
    from dwconv_cli.plots.trace import Trace
    from dwconv_cli.storage.address import Address
    from dwconv_cli.weights.recipe import Recipe


def note_all(remarks: Sequence[str], path: str) -> None:
    """Say what a picture leaves out."""
    for remark in remarks:
        say(f"{path}: {remark}", "note")


class InspectPictures:
    """The pictures of the targets of ``dwconv inspect``; refused at once where they are impossible.

    Raises
    ------
    DwconvError
        If a picture has an unknown suffix, exists already, or would replace what is read.
    """

    def __init__(self, options: InspectOptions, recipe: Recipe | None) -> None:
        from dwconv_cli.description.kinds import addresses_of
        from dwconv_cli.errors import LayerError
        from dwconv_cli.jobs.pictures import picture_paths
        from dwconv_cli.jobs.protection import ReadFiles
        from dwconv_cli.jobs.templates import has_fields
        from dwconv_cli.plots.figures import check_picture
        from dwconv_cli.storage.sink import check_absent

        assert options.plot is not None
        template = options.plot
        check_picture(template)
        self._options, self._recipe = options, recipe
        self._addresses: list[Address | None] = [None]
        paths = [template]
        sources = list(addresses_of(options.targets, options.input_format))
        if sources:
            self._addresses = [*sources]
            paths = picture_paths(template, sources)
        elif has_fields(template):
            raise LayerError(f"--plot {template}: a template is filled from targets; name the picture itself")
        if any(source.is_stream for source in sources):
            raise LayerError("--plot reads a recording behind its description; name a file instead of '-'")
        weights = (recipe.kernel, recipe.bias, recipe.weights) if recipe else ()
        reads = [address.path for address in weights if address is not None]
        read_files = ReadFiles(sources, [*reads, *files_read(options)])
        for path in paths:
            read_files.check(path)
            check_absent(path, options.overwrite)
        self._paths = paths

    def draw(self, without: Collection[int]) -> list[int]:
        """Draw and publish all but those of targets that failed, by their numbers; return what fails with ``--keep-going``."""
        from dwconv_cli.cli.keras_home import default_data_format
        from dwconv_cli.errors import DwconvError
        from dwconv_cli.jobs.group import make_directory
        from dwconv_cli.jobs.settings import Settings
        from dwconv_cli.jobs.templates import has_fields
        from dwconv_cli.plots.targets import plot_target

        options = self._options
        settings = Settings(
            steps=options.steps,
            algorithm=options.algorithm,
            allow_external=options.allow_external,
            overwrite=options.overwrite,
            fs=options.fs,
        )
        failures = []
        for number, (address, path) in enumerate(zip(self._addresses, self._paths, strict=True)):
            if number in without:
                continue
            try:
                if has_fields(options.plot or ""):
                    make_directory(os.path.dirname(path) or ".")
                remarks = plot_target(
                    path,
                    address,
                    self._recipe,
                    settings,
                    input_shape=options.input_shape,
                    data_format=options.data_format,
                    default_format=default_data_format().value,
                    is_model_possible=options.input_format is None,
                    kernel_layout=options.kernel_layout,
                    assume_depthwise=options.assume_depthwise,
                )
            except DwconvError as error:
                if not options.keep_going:
                    raise
                say(str(error))
                failures.append(number)
            else:
                note_all(remarks, path)
        return failures


class ApplyPictures:
    """The pictures of recordings that ``dwconv apply`` filters, each drawn when its output is there."""

    def __init__(self, template: str, options: ApplyOptions) -> None:
        from dwconv_cli.plots.figures import check_picture

        check_picture(template)
        self._template, self._options = template, options
        self._traces: dict[str, tuple[str, Trace]] = {}

    def watch(self, source: Address, plan: JobPlan, attributes: Mapping[str, Any]) -> Trace:
        """Who looks at the samples of a recording as they are filtered."""
        from dwconv_cli.jobs.pictures import picture_paths
        from dwconv_cli.plots.trace import Trace

        (path,) = picture_paths(self._template, [source])
        trace = Trace(plan, attributes, path)
        self._traces[str(source)] = path, trace
        return trace

    def draw(self, report: Report) -> DwconvError | None:
        """Draw the recording of a report, unless it failed; the error is the one that prevents the picture."""
        from dwconv_cli.errors import DwconvError
        from dwconv_cli.jobs.group import make_directory
        from dwconv_cli.jobs.templates import has_fields
        from dwconv_cli.plots.figures import save, style
        from dwconv_cli.plots.targets import draw_trace

        address = report.input["address"]
        path, trace = self._traces.pop(address, ("", None))
        if trace is None or report.status != "ok":
            return None
        try:
            if has_fields(self._template):
                make_directory(os.path.dirname(path) or ".")
            with style():
                save(draw_trace(trace, address), path, self._options.overwrite)
        except DwconvError as error:
            return error
        if not self._options.quiet:
            note_all(trace.remarks, path)
        return None
