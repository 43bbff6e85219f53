"""Headerless samples of unknown length: each output leaves as soon as its input is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.convolution.blockwise import BlockwiseConvolution
from dwconv_cli.errors import InputError, ShapeError
from dwconv_cli.errors.system import reason
from dwconv_cli.jobs.ending import ASK, Ending
from dwconv_cli.jobs.naming import Target
from dwconv_cli.jobs.plan import plan_stream
from dwconv_cli.jobs.report import Report
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.jobs.tally import Tally
from dwconv_cli.storage.formats.npy import GrowingNpyWriter, bytes_of, numeric_dtype
from dwconv_cli.storage.sink import FileSink, StreamSink
from dwconv_cli.weights.recipe import Recipe


class Source(Protocol):
    """An unbuffered binary stream: a read gives what is there."""

    def read(self, size: int, /) -> bytes | None:
        """Up to `size` bytes; none at the end."""


@dataclass(frozen=True)
class Raw:
    """How headerless samples are to be understood.

    Parameters
    ----------
    dtype : str
        E.g. ``f4`` or ``<i2``.
    channels : int
        Samples of one step, which follow one another.
    block_steps : int
        Steps to wait for; 1 filters whatever is there.
    """

    dtype: str
    channels: int
    block_steps: int = 1


def filter_live(
    source: Source,
    output: StreamSink | FileSink,
    target: Target,
    raw: Raw,
    recipe: Recipe,
    settings: Settings,
    ending: Ending | None = None,
    tell: Callable[[str], object] | None = None,
) -> Report:
    """Filter a stream to its end.

    Parameters
    ----------
    source : Source
    output : StreamSink or FileSink
        A stream gets headerless samples, in the output dtype, interleaved as they came; a file becomes ``.npy``.
    target : Target
        For the report.
    raw : Raw
    recipe : Recipe
    settings : Settings
    ending : Ending, optional
        Has a signal end `source`, which it reads.
    tell : callable, optional
        Called with a note if a signal did.

    Returns
    -------
    Report

    Raises
    ------
    DwconvError
        What went wrong.
    """
    started = time.perf_counter()
    plan = plan_stream(recipe, raw.channels, numeric_dtype(raw.dtype, "--raw"), settings)
    assert plan.convolution is not None
    stream = BlockwiseConvolution(plan.convolution)
    tally = Tally(plan.layer.activity_regularizer, 1, settings.nan, "standard input")
    writer: Any = output
    if isinstance(output, FileSink):
        writer = GrowingNpyWriter(output, plan.convolution.output_channels, plan.dtype)
    written = steps = 0
    blocks = _Blocks(source, plan.data.dtype, raw, ending)
    notes = []
    try:
        for block in blocks:
            space = stream.space(len(block))
            with np.errstate(all="ignore"):
                space[0] = block
            tally.count_input(space)
            steps += len(block)
            written = _put(writer, stream.advance(len(block)), tally, written)
        if ending is not None and ending.name is not None:
            notes.append(_ended(ending.name, steps, blocks.rest))
            if tell is not None:
                tell(notes[0])
        elif blocks.rest:
            raise InputError(
                f"standard input: ended {blocks.rest} bytes into a step of {blocks.frame}; "
                "check --raw and --channels"
            )
        written = _put(writer, stream.advance(0, last=True), tally, written)
        if isinstance(writer, GrowingNpyWriter):
            writer.finish(written)
        output.commit()
    except BaseException as error:
        output.abort()
        if isinstance(error, ShapeError):
            raise ShapeError(f"standard input: {error}") from error
        raise
    plan = replace(plan, data=plan.data._replace(steps=slice(0, steps)), notes=[*plan.notes, *notes])
    report = plan.report("-", str(target.output))
    report.complete(tally, time.perf_counter() - started)
    return report


def _put(writer: Any, outputs: Array, tally: Tally, written: int) -> int:
    """Write outputs (1, n, channels) after `written` steps; give the steps written by then."""
    if not outputs.shape[1]:
        return written
    tally.count_output(outputs)
    block = np.ascontiguousarray(outputs[0])
    at = written * block.itemsize * block.shape[1]
    writer.write_at(bytes_of(block), at)
    return written + len(block)


def _ended(name: str, steps: int, rest: int) -> str:
    """What is said of a recording that a signal ended."""
    unfinished = f", without {rest} bytes of an unfinished one" if rest else ""
    return f"{name} ended the recording after {steps} steps{unfinished}; a second signal would abort"


class _Blocks:
    """Steps as they come, at least `block_steps` at a time but for the last.

    Attributes
    ----------
    frame : int
        Bytes of a step.
    rest : int
        Bytes that the stream ended with and that are no whole step.
    """

    def __init__(self, source: Source, dtype: np.dtype[Any], raw: Raw, ending: Ending | None) -> None:
        self._source, self._dtype, self._raw, self._ending = source, dtype, raw, ending
        self.frame = dtype.itemsize * raw.channels
        self.rest = 0

    def __iter__(self) -> Iterator[Array]:
        unread = bytearray()
        for piece in self._pieces():
            unread += piece
            count = len(unread) // self.frame
            if count >= self._raw.block_steps:
                yield self._first(unread, count - count % self._raw.block_steps)
        count, self.rest = divmod(len(unread), self.frame)
        if count:
            yield self._first(unread, count)

    def _first(self, unread: bytearray, count: int) -> Array:
        """The first `count` steps of what is unread, taken out of it."""
        taken = bytes(unread[: count * self.frame])
        del unread[: count * self.frame]
        return np.frombuffer(taken, self._dtype).reshape(count, self._raw.channels)

    def _pieces(self) -> Iterator[bytes]:
        try:
            if self._ending is not None:
                yield from self._ending.pieces()
            else:
                while piece := self._source.read(ASK):
                    yield piece
        except OSError as error:
            raise InputError(f"standard input: {reason(error)}") from error
