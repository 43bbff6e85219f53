"""The metadata of a SigMF recording: read and checked, and carried over to what a layer makes of the recording.

The keys are those of the SigMF specification 1.2, https://sigmf.org.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.layer.keras_json import MAX_BYTES, load_json
from dwconv_cli.storage.sample_types import SampleType
from dwconv_cli.storage.source import FileSource

# The attribute under which a recording's metadata goes along, as JSON.
METADATA = "sigmf_metadata"
VERSION = "1.2.0"
START, COUNT, OFFSET, TIME = "core:sample_start", "core:sample_count", "core:offset", "core:datetime"
# What is about the file that was read, and not about the signal in it.
_ABOUT_THE_FILE = (
    *("core:datatype", "core:sample_rate", "core:num_channels", "core:sha512", OFFSET),
    *("core:dataset", "core:trailing_bytes", "core:metadata_only"),
)
_DATATYPE = re.compile(r"([cr])(?:(f)(32|64)|([iu])(8|16|32))(_le|_be)?")
_LARGEST = 2**63 - 1

Metadata = dict[str, Any]


def sample_type(datatype: object) -> SampleType | None:
    """What ``core:datatype`` stands for; None if it is none. Without ``_be`` it is little-endian.

    Examples
    --------
    >>> sample_type("ci16_be")
    SampleType(dtype='>i2', is_complex=True)
    """
    match = _DATATYPE.fullmatch(datatype) if isinstance(datatype, str) else None
    if match is None:
        return None
    number, _, float_bits, _, bits, order = match.groups()
    size = int(float_bits or bits) // 8
    endian = "|" if size == 1 else ">" if order == "_be" else "<"
    return SampleType(f"{endian}{match[2] or match[4]}{size}", number == "c")


def read_metadata(path: str) -> Metadata:
    """The metadata in a ``.sigmf-meta`` file; what is used of it is checked.

    Raises
    ------
    InputError
        If it cannot be read, or is malformed.
    """
    source = FileSource(path)
    try:
        size = source.size or 0
        if size > MAX_BYTES:
            raise UnsafeFileError(f"{path}: {size} bytes of JSON, more than {MAX_BYTES}")
        content = bytearray(size)
        source.read_into(memoryview(content), 0)
        source.finish(size)
    finally:
        source.close()
    metadata = load_json(bytes(content), path)
    if fault := _fault(metadata):
        raise InputError(f"{path}: malformed SigMF metadata: {fault}")
    result: Metadata = {"captures": [], "annotations": [], **metadata}
    return result


def _fault(metadata: object) -> str | None:
    """What is wrong with metadata; None if it can be used."""
    if not isinstance(metadata, dict) or not isinstance(metadata.get("global"), dict):
        return "no object 'global'"
    about = metadata["global"]
    if sample_type(about.get("core:datatype")) is None:
        return f"core:datatype is {str(about.get('core:datatype'))[:60]!r}; cf32_le or ri16_le would be one"
    rate = about.get("core:sample_rate")
    if rate is not None and (
        isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf
    ):
        return f"core:sample_rate is {str(rate)[:60]}, and must be a number above 0"
    for key, least in (("core:num_channels", 1), (OFFSET, 0), ("core:trailing_bytes", 0)):
        if not _is_whole(about.get(key, least), least):
            return f"{key} is {str(about[key])[:60]}, and must be a whole number from {least} on"
    if about.get("core:metadata_only") is True:
        return "it is metadata alone, without samples"
    for name in ("captures", "annotations"):
        segments = metadata.get(name, [])
        if not isinstance(segments, list):
            return f"{name} is no list"
        for segment in segments:
            if not isinstance(segment, dict) or not _is_whole(segment.get(START), 0):
                return f"{name} without a whole number {START}"
            if not _is_whole(segment.get(COUNT, 0), 0):
                return f"{COUNT} is {str(segment[COUNT])[:60]}, and must be a whole number from 0 on"
            if segment.get("core:header_bytes"):
                return "its samples are interrupted by headers (core:header_bytes); write them without"
    return None


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST


def carried_metadata(text: object, begin: int, strides: int, steps: int, rate: float | None) -> str | None:
    """Metadata for an output of `steps` steps, which keeps one of `strides` from step `begin` of its input on.

    Segments stay where they are in time; those outside are left out. A segment that began earlier begins at 0 then.

    Parameters
    ----------
    text : str
        The input's metadata as JSON; anything else, or what is no metadata, gives None.
    begin, strides, steps : int
    rate : float, optional
        Sampling rate of the input in Hz, by which times of segments are moved.
    """
    metadata: Any = None
    if isinstance(text, str):
        with suppress(InputError):
            metadata = load_json(text, METADATA)
    if metadata is None or _fault(metadata):
        return None
    about = metadata["global"]
    first = about.get(OFFSET, 0) + begin
    captures: list[Metadata] = []
    for capture in sorted(metadata.get("captures", []), key=lambda segment: int(segment[START])):
        behind = capture[START] - first
        if behind <= 0:
            # The last of those that began earlier is the one in effect at the first step.
            captures = [_later(capture, -behind, strides, rate)]
        elif -(-behind // strides) < steps:
            captures.append({**_later(capture, 0, strides, rate), START: -(-behind // strides)})
    annotations = []
    for annotation in sorted(metadata.get("annotations", []), key=lambda segment: int(segment[START])):
        start, count = annotation[START] - first, annotation.get(COUNT)
        place = max(0, start) // strides
        if place >= steps or (count is not None and start + count <= 0 and start < 0):
            continue
        moved = {**annotation, START: place}
        if count is not None:
            moved[COUNT] = min(steps, -(-(start + count) // strides)) - place
        annotations.append(moved)
    signal = {key: value for key, value in about.items() if key not in _ABOUT_THE_FILE}
    # Kept, so that what is carried can be carried further.
    signal["core:datatype"] = about["core:datatype"]
    return json.dumps({**metadata, "global": signal, "captures": captures, "annotations": annotations})


def _later(capture: Metadata, steps: int, strides: int, rate: float | None) -> Metadata:
    """A capture that begins `steps` later, at 0."""
    moved = {key: value for key, value in capture.items() if key != "core:header_bytes"}
    moved[START] = 0
    if strides > 1:
        moved.pop("core:global_index", None)
    elif "core:global_index" in moved:
        moved["core:global_index"] += steps
    if steps and TIME in moved:
        time = moved.pop(TIME)
        with suppress(ValueError, TypeError, OverflowError):
            if rate is not None:
                later = datetime.fromisoformat(time) + timedelta(seconds=steps / rate)
                moved[TIME] = later.isoformat().replace("+00:00", "Z")
    return moved


def new_metadata(text: object, datatype: str, channels: int, rate: float | None, sha512: str) -> bytes:
    """The content of the ``.sigmf-meta`` file of an output, with what was carried over as `text`."""
    carried: Metadata = json.loads(text) if isinstance(text, str) else {"global": {}}
    about: Metadata = {
        "core:version": VERSION,
        **{key: value for key, value in carried["global"].items() if key not in _ABOUT_THE_FILE},
        "core:datatype": datatype,
        "core:num_channels": channels,
        "core:sha512": sha512,
    }
    if rate is not None:
        about["core:sample_rate"] = int(rate) if rate.is_integer() else rate
    captures = carried.get("captures") or [{START: 0}]
    metadata = {
        **carried,
        "global": about,
        "captures": captures,
        "annotations": carried.get("annotations", []),
    }
    return json.dumps(metadata, indent=2).encode() + b"\n"
