"""Headerless samples of unknown length: each output leaves as soon as its input is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dwconv_cli.convolution.blockwise import BlockwiseConvolution
from dwconv_cli.errors import InputError, ShapeError
from dwconv_cli.errors.system import reason
from dwconv_cli.jobs.ending import ASK, Ending
from dwconv_cli.jobs.naming import Target
from dwconv_cli.jobs.plan import plan_stream
from dwconv_cli.jobs.report import Report, array_entry
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.jobs.tally import Tally
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.formats.npy import GrowingNpyWriter, bytes_of, numeric_dtype
from dwconv_cli.storage.raw_samples import RawSamples
from dwconv_cli.storage.sink import FileSink, StreamSink
from dwconv_cli.weights.recipe import Recipe


@dataclass(frozen=True)
class Raw:
    """How headerless samples lie: of one dtype such as ``f4`` or ``<i2``, the channels of a step one after another.

    At least `block_steps` steps are filtered at once, but for the last ones.
    """

    dtype: str
    channels: int
    block_steps: int = 1


def filter_live(
    read: Callable[[int], bytes | None],
    output: StreamSink | FileSink,
    target: Target,
    raw: Raw,
    recipe: Recipe,
    settings: Settings,
    ending: Ending | None = None,
    tell: Callable[[str], object] | None = None,
) -> Report:
    """Filter a stream of headerless samples to its end.

    Parameters
    ----------
    read : callable
        Gives what is there of the stream, up to as many bytes as it is called with, and none at the end.
    output : StreamSink or FileSink
        A stream gets headerless samples, in the output dtype, interleaved as they came; a file becomes ``.npy``. With
        ``settings.raw_out`` both get samples of that dtype.
    target : Target
        Names the output in the report.
    raw : Raw
    recipe : Recipe
    settings : Settings
    ending : Ending, optional
        Reads the stream instead, and ends it when a signal comes.
    tell : callable, optional
        Called with a note when a signal has ended it.
    """
    started = time.perf_counter()
    plan = plan_stream(recipe, raw.channels, numeric_dtype(raw.dtype, "--raw"), settings)
    blockwise = BlockwiseConvolution(plan.ready())
    tally = Tally(plan.layer.activity_regularizer, 1, settings.nan, "standard input")
    writer: Any = output
    samples = None
    if settings.raw_out is not None:
        samples = RawSamples(numeric_dtype(settings.raw_out, "--raw-out"), settings.scale)
        samples.check(plan.dtype, str(target.output))
    elif isinstance(output, FileSink):
        writer = GrowingNpyWriter(output, plan.ready().output_channels, plan.dtype)
    unread, step_bytes = bytearray(), plan.data.dtype.itemsize * raw.channels
    steps = outputs_written = clipped = 0

    def write(outputs: Array) -> None:
        """Write outputs of shape (1, n, channels) behind those before."""
        nonlocal outputs_written, clipped
        if outputs.shape[1]:
            tally.count_output(outputs)
            block = np.ascontiguousarray(outputs[0])
            if samples is not None:
                block, beyond = samples.encoded(block)
                clipped += beyond
            writer.write_at(bytes_of(block), outputs_written * block.itemsize * block.shape[1])
            outputs_written += len(block)

    def filter_steps(count: int) -> None:
        """Filter the first `count` unread steps, and write the outputs that they complete."""
        nonlocal steps
        if count:
            space = blockwise.space(count)
            with np.errstate(all="ignore"):
                samples = np.frombuffer(bytes(unread[: count * step_bytes]), plan.data.dtype)
                space[0] = samples.reshape(count, raw.channels)
            del unread[: count * step_bytes]
            tally.count_input(space)
            steps += count
            write(blockwise.advance(count))

    try:
        for piece in _pieces(read, ending):
            unread += piece
            count = len(unread) // step_bytes
            filter_steps(count - count % raw.block_steps)
        filter_steps(len(unread) // step_bytes)
        notes = []
        if ending is not None and ending.name is not None:
            unfinished = f", without {len(unread)} bytes of an unfinished one" if unread else ""
            notes.append(
                f"{ending.name} ended the recording after {steps} steps{unfinished}; a second signal would abort"
            )
            if tell is not None:
                tell(notes[0])
        elif unread:
            raise InputError(
                f"standard input: ended {len(unread)} bytes into a step of {step_bytes}; "
                "check --raw and --channels"
            )
        write(blockwise.advance(0, last=True))
        if isinstance(writer, GrowingNpyWriter):
            writer.finish(outputs_written)
        output.commit()
    except BaseException as error:
        output.abort()
        if isinstance(error, ShapeError):
            raise ShapeError(f"standard input: {error}") from error
        raise
    plan = replace(plan, data=plan.data._replace(steps=slice(0, steps)), notes=[*plan.notes, *notes])
    report = plan.report("-", str(target.output))
    if samples is not None:
        report.clipped = clipped
        report.output = array_entry(
            str(target.output),
            plan.shape,
            samples.dtype,
            outputs_written * samples.dtype.itemsize * plan.ready().output_channels,
        )
        report.notes += samples.note(clipped, outputs_written * plan.ready().output_channels)
    report.complete(tally, time.perf_counter() - started)
    return report


def _pieces(read: Callable[[int], bytes | None], ending: Ending | None) -> Iterator[bytes]:
    """What the stream gives, as soon as it is there."""
    try:
        if ending is not None:
            yield from ending.pieces()
        else:
            while piece := read(ASK):
                yield piece
    except OSError as error:
        raise InputError(f"standard input: {reason(error)}") from error
