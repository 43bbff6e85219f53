"""What audio files have in common: the names of their sample formats, and the whole number that is their rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dwconv_cli.errors import LayerError, OutputError
from dwconv_cli.storage.interleaved import steps_and_channels
from dwconv_cli.storage.protocols import SAMPLE_FORMAT, NewArray
from dwconv_cli.storage.sample_types import SampleType


class AudioLayout(NamedTuple):
    """What an audio file is to hold, and what a careful person should know of it."""

    steps: int
    channels: int
    rate: int
    sample_format: str
    notes: tuple[str, ...]


def audio_layout(
    array: NewArray,
    path: str,
    what: str,
    formats: Mapping[str, SampleType],
    default: str,
    max_channels: int,
    max_rate: int,
) -> AudioLayout:
    """How `array` is written to the audio file at `path`.

    The sample format is the one that was asked for, else that of the input, else `default`, which a note says.

    Raises
    ------
    OutputError
        If the array is complex, has a batch, too many channels, or no whole sampling rate.
    LayerError
        If the format that was asked for is another kind of file's.
    """
    steps, channels = steps_and_channels(array, path, what)
    if array.dtype.kind == "c":
        raise OutputError(f"{path}: {what} holds no complex samples; write to a .sigmf-data or .npy file")
    if channels > max_channels:
        raise OutputError(
            f"{path}: {what} holds at most {max_channels} channels, and this has {channels}; write to an .npy file"
        )
    names = ", ".join(formats)
    if array.sample_format is not None and array.sample_format not in formats:
        raise LayerError(f"{path}: {what} holds {names}, not {array.sample_format}; name one of these")
    before = array.attributes.get(SAMPLE_FORMAT)
    notes: tuple[str, ...] = ()
    name = array.sample_format or (before if isinstance(before, str) and before in formats else None)
    if name is None:
        name = default
        notes = (f"{path} holds {name} samples, whose full scale is 1; --sample-format takes {names}",)
    return AudioLayout(steps, channels, _whole_rate(array, path, what, max_rate), name, notes)


def _whole_rate(array: NewArray, path: str, what: str, largest: int) -> int:
    rate = array.sampling_rate
    if rate is None:
        raise OutputError(f"{path}: {what} needs a sampling rate, and the input states none; say --fs HZ")
    whole = round(rate)
    # A rate that was computed from a period may be off by a rounding.
    if abs(rate - whole) > 1e-9 * rate or not 1 <= whole <= largest:
        raise OutputError(
            f"{path}: {what} holds whole sampling rates up to {largest} Hz, and this has {rate:.12g} Hz; "
            "choose --strides that divide the input's rate, or write to an .h5 file"
        )
    return whole
