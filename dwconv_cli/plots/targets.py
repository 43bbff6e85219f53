"""Which picture the target of ``dwconv inspect`` gets."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from dwconv_cli.choices import DataFormat, KernelLayout
from dwconv_cli.description.kernels import distinct_kernels
from dwconv_cli.description.kinds import kind_of
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.jobs.attributes import recording_rate
from dwconv_cli.jobs.orientation import stated_format
from dwconv_cli.jobs.plan import plan_job, steps_of
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.jobs.tally import Tally
from dwconv_cli.jobs.transfer import Transfer
from dwconv_cli.layer.axes import Axes
from dwconv_cli.plots.captions import captions_of
from dwconv_cli.plots.envelope import read_envelope
from dwconv_cli.plots.figures import save, style
from dwconv_cli.plots.filtered import draw_filtered
from dwconv_cli.plots.kernels import draw_kernels
from dwconv_cli.plots.recordings import channels_drawn, draw_recording, left_out
from dwconv_cli.plots.trace import Trace
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import lay_out, open_reader
from dwconv_cli.storage.resolution import completed
from dwconv_cli.text import counted, printable
from dwconv_cli.weights.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Kinds of things that hold several arrays or layers, and what one of them is.
_SEVERAL = {"file": "array", "model": "layer", "directory": "file"}


def plot_target(
    path: str,
    address: Address | None,
    recipe: Recipe | None,
    settings: Settings,
    *,
    input_shape: tuple[int, ...] | None = None,
    data_format: DataFormat | None = None,
    default_format: DataFormat = "channels_last",
    is_model_possible: bool = True,
    kernel_layout: KernelLayout = "keras",
    assume_depthwise: bool = False,
) -> list[str]:
    """Draw what an address names into the file at `path`, which appears whole or not at all.

    Parameters
    ----------
    path : str
    address : Address, optional
        None where the weights of `recipe` are to be drawn.
    recipe : Recipe, optional
    settings : Settings
        Decide the steps to take, the algorithm, the sampling rate, and whether a picture may be replaced.
    input_shape : tuple of int, optional
        Says for how many channels fresh weights are made.
    data_format, default_format, kernel_layout, assume_depthwise
        As for :func:`~dwconv_cli.description.describe`.
    is_model_possible : bool
        Whether the file may be a Keras model, since no format was typed.

    Returns
    -------
    list of str
        Remarks on what the picture leaves out.

    Raises
    ------
    LayerError
        If there is not one thing to draw.
    OutputError
        If the picture cannot be written.
    """
    kind = "weights"
    if address is not None:
        kind = "data" if recipe else kind_of(address, is_model_possible, settings.allow_external)
    if kind in _SEVERAL:
        joint = "/" if kind == "directory" else "::"
        raise LayerError(
            f"{address}: a picture shows one {_SEVERAL[kind]}; name one of those that "
            f"'dwconv inspect {address}' lists, as {address}{joint}NAME"
        )
    with style():
        if kind == "data":
            assert address is not None
            address = completed(address)
            pages, remarks = (
                _recording(address, settings, path, data_format, default_format)
                if recipe is None
                else _filtered(address, recipe, settings, path)
            )
        else:
            if recipe is None:
                recipe = Recipe(weights=address, layout=kernel_layout, assume_depthwise=assume_depthwise)
            channels = None
            if recipe.is_fresh:
                channels = 1 if input_shape is None else _channels_of(input_shape, recipe)
            pages, remarks = _weights(recipe, settings.fs, channels)
        save(pages, path, settings.overwrite)
    return remarks


def _channels_of(shape: tuple[int, ...], recipe: Recipe) -> int:
    return Axes(len(shape), recipe.data_format()).canonical_shape(shape)[2]


def title_of(address: str, shape: tuple[int, int, int], dtype: Any, fs: float | None) -> str:
    """The line above a picture of data of a (batch, steps, channels) shape."""
    batch, steps, channels = shape
    parts = [counted(steps, "step"), counted(channels, "channel"), str(dtype)]
    if batch > 1:
        parts.insert(0, f"batch of {batch}")
    if fs is not None:
        parts.append(f"{fs:.6g} Hz")
    return f"{printable(address)}:  {', '.join(parts)}"


def _recording(
    address: Address,
    settings: Settings,
    path: str,
    data_format: DataFormat | None,
    default_format: DataFormat,
) -> tuple[list[Figure], list[str]]:
    with closing(open_reader(address, settings.allow_external)) as reader:
        data_format = data_format or stated_format(reader.attributes) or default_format
        lay_out(reader, data_format)
        axes = Axes(len(reader.shape), data_format)
        batch, length, channels = axes.canonical_shape(reader.shape)
        steps = steps_of(settings.steps, length)
        _check_size(str(address), (batch, steps.stop - steps.start, channels))
        drawn = channels_drawn(channels, path)
        captions = captions_of(reader.attributes, channels, settings.fs, reader.dtype)
        envelope = read_envelope(reader, axes, steps, drawn)
        title = title_of(str(address), (batch, steps.stop - steps.start, channels), reader.dtype, captions.fs)
        remarks = left_out(channels, drawn, batch, path)
        return draw_recording(envelope, captions, steps, drawn, title, remarks), remarks


def _filtered(
    address: Address, recipe: Recipe, settings: Settings, path: str
) -> tuple[list[Figure], list[str]]:
    with closing(open_reader(address, settings.allow_external)) as reader:
        try:
            lay_out(reader, recipe.data_format())
            fs, attributes = recording_rate(reader, settings.fs, recipe.needs_rate), reader.attributes
            plan = plan_job(recipe, reader.shape, reader.dtype, settings, attributes=attributes, fs=fs)
        except (LayerError, ShapeError) as error:
            raise type(error)(f"{address}: {error}") from error
        trace = Trace(plan, attributes, path)
        _check_size(str(address), plan.data.axes.canonical_shape(plan.data.shape))
        tally = Tally(None, plan.data.batch, settings.nan, reader.name)
        Transfer(
            reader,
            _Nowhere(),
            plan.ready(),
            plan.data.axes,
            plan.data.steps,
            tally,
            memory=settings.memory_limit,
            watcher=trace,
        ).run()
        reader.finish()
    return draw_trace(trace, str(address)), trace.remarks


def draw_trace(trace: Trace, address: str) -> list[Figure]:
    """Pages of a recording that was filtered."""
    data = trace.plan.data
    shape = data.axes.canonical_shape(data.shape)
    return draw_filtered(trace, title_of(address, shape, data.dtype, trace.captions.fs))


def _weights(recipe: Recipe, fs: float | None, channels: int | None) -> tuple[list[Figure], list[str]]:
    resolved = recipe.resolve(channels)
    layer, shape, fs = resolved.layer, tuple(resolved.entry["kernel_shape"]), fs or resolved.fs
    name = printable(resolved.address or "fresh weights")
    dilation = f", dilation_rate {layer.dilation_rate}" if layer.dilation_rate > 1 else ""
    title = f"{name}:  kernel {shape} {resolved.weights.kernel.dtype}{dilation}"
    kernels = distinct_kernels(layer, resolved.weights, fs or 1.0)
    return [draw_kernels(kernels, layer.dilation_rate, fs, title, [])], []


def _check_size(name: str, shape: tuple[int, int, int]) -> None:
    if 0 in shape:
        raise ShapeError(f"{name}: has no samples, so there is nothing to draw")


class _Nowhere:
    """A writer of outputs that only a picture needs."""

    sequential = False

    def spool(self) -> None:
        """Do nothing."""

    def write(self, selection: object, block: object) -> None:
        """Do nothing."""

    def commit(self) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""
