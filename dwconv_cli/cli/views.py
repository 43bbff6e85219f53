"""Descriptions as text: one function for each kind of thing."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from dwconv_cli.cli.charts import MOST_CHARTS
from dwconv_cli.cli.columns import columns_of, shortened
from dwconv_cli.cli.render import (
    INDENT,
    Object,
    byte_count,
    check_rows,
    duration,
    note_rows,
    shape,
    table,
    title,
)
from dwconv_cli.text import counted, ranges

MAX_CHANNELS = 64
MAX_TEXT = 200

# The defaults of Keras; a layer's line names the settings that differ from them.
_LAYER_DEFAULTS = {
    "strides": 1,
    "padding": "valid",
    "depth_multiplier": 1,
    "dilation_rate": 1,
    "data_format": "channels_last",
    "activation": "linear",
}
# How many half-power points a line of a kernel's table has, and whether it has the range of delays: as much as there is
# room for.
_LENGTHS = ((4, True), (2, True), (2, False), (1, False))
# Columns of that table but for the small pictures.
_WITHOUT_PICTURES = 4
# Keys in the config of an activation layer that every layer of Keras has.
_KEYS_OF_ALL_LAYERS = {"name", "trainable", "dtype"}


def show(description: Object, stream: TextIO) -> None:
    """Write a description (as :func:`~dwconv_cli.description.describe` gives it) to `stream`."""
    views = {"data": _data, "shape": _shape, "weights": _weights, "model": _model}
    views.get(description["kind"], _listing)(description, stream)


def _data(data: Object, stream: TextIO) -> None:
    title(data["input"]["address"], stream)
    rows = [
        ("shape", shape(data["input"]["shape"]) + _recording(data["recording"])),
        ("dtype", data["input"]["dtype"]),
        ("order", data["order"]),
        ("size", byte_count(data["nbytes"])),
        ("storage", _storage(data["storage"])),
        *_attribute_rows(data),
    ]
    if "output" in data:
        rows += _layer_rows({**data, "input": {}})
    table(rows, stream)
    if "stats" in data:
        keys = ("channel", "min", "max", "mean", "std", "nan", "inf")
        table([[_number(entry[key]) for key in keys] for entry in data["stats"]], stream, keys)


def _shape(description: Object, stream: TextIO) -> None:
    title(shape(description["input"]["shape"]), stream)
    table(_layer_rows(description), stream)


def _layer_rows(description: Object) -> list[tuple[str, str]]:
    rows, weights = check_rows(description), description["weights"]
    rows.append(("layer", _layer(description["layer"])))
    if weights["address"]:
        rows.append(("weights", f"{weights['address']} {shape(weights['kernel_shape'])}"))
    return rows + note_rows(description)


def _weights(description: Object, stream: TextIO) -> None:
    weights, bias = description["weights"], description["weights"]["bias_shape"]
    # Of kernels without an address only typed taps have one axis; fresh ones have three.
    unnamed = "taps" if len(weights["kernel_shape"]) == 1 else "fresh weights"
    title(weights["address"] or unnamed, stream)
    # Behind the names of rows.
    room = (columns_of(stream) or sys.maxsize) - len("receptive field") - 2 * INDENT
    rows = [
        ("kernel", f"{shape(weights['kernel_shape'])} {description['dtype']}"),
        ("bias", "none" if bias is None else shape(bias)),
        ("layer", _layer(description["layer"])),
        ("receptive field", f"{description['receptive_field']} steps"),
        ("sha256", shortened(weights["sha256"] or "-", room)),
    ]
    table(rows + note_rows(description), stream)
    head: tuple[str, ...] = (
        "channel",
        "DC gain",
        f"-3 dB ({description['frequency_unit']})",
        "group delay (causal)",
        "taps",
        "response",
    )
    columns = columns_of(stream)
    for most_edges, has_range in _LENGTHS:
        # Channels that respond alike share a line.
        numbers: dict[tuple[str, ...], list[int]] = {}
        for channel in description["channels"]:
            cells = _response(channel, most_edges, has_range)
            numbers.setdefault(cells, []).append(channel["channel"])
        lines = [(ranges(channels), *cells) for cells, channels in numbers.items()]
        if columns is None or _width(lines, head, _WITHOUT_PICTURES) <= columns:
            break
    # Few kernels have charts, and beside many of them small pictures stand where there is room for them.
    shown_columns = len(head) if len(lines) > MOST_CHARTS else _WITHOUT_PICTURES
    while columns and shown_columns > _WITHOUT_PICTURES and _width(lines, head, shown_columns) > columns:
        shown_columns -= 1
    table([line[:shown_columns] for line in lines[:MAX_CHANNELS]], stream, head[:shown_columns])
    if len(lines) > MAX_CHANNELS:
        stream.write(f"  ... {len(lines) - MAX_CHANNELS} more; --json has them all\n")


def _width(lines: Sequence[tuple[str, ...]], head: tuple[str, ...], shown_columns: int) -> int:
    """The columns of a table that has the first `shown_columns` columns of these lines."""
    widths = [max(map(len, column)) + 2 for column in zip(head, *lines, strict=True)]
    return sum(widths[:shown_columns])


def _response(channel: Object, most_edges: int, has_range: bool) -> tuple[str, ...]:
    delay, spread = channel["group_delay"], channel["group_delay_range"]
    delay_text = "-" if delay is None else duration(delay)
    if spread is not None and has_range and not channel["linear_phase"]:
        delay_text += f" ({spread[0]:.4g} to {spread[1]:.4g})"
    edges = [f"{edge:.5g}" for edge in channel["cutoffs"]]
    more = f" and {len(edges) - most_edges} more" if len(edges) > most_edges else ""
    cutoffs = ", ".join(edges[:most_edges]) + more
    lines = channel["sparklines"]
    return _number(channel["dc_gain"]), cutoffs or "-", delay_text, lines["taps"], lines["response"]


def _model(model: Object, stream: TextIO) -> None:
    title(model["input"]["address"], stream)
    settings = ("strides", "padding", "dilation_rate", "data_format", "activation")
    rows = []
    for layer in model["layers"]:
        config, weights = layer["config"] or {}, layer["weights"]
        name = layer["address"].rpartition("::")[2]
        if layer["class_name"] != "DepthwiseConv1D":
            name += f" ({layer['class_name']})"
        bias = "no" if weights["bias_shape"] is None else "yes"
        values = [_single(config.get(key)) for key in settings]
        rows.append([name, shape(weights["kernel_shape"]), *values, bias, layer["dtype"]])
    if not rows:
        stream.write("  no DepthwiseConv1D layers\n")
    head = ("layer", "kernel", "strides", "padding", "dilation", "data_format", "activation", "bias", "dtype")
    table(rows, stream, head)
    table(note_rows(model), stream)


def _listing(listing: Object, stream: TextIO) -> None:
    title(listing["input"]["address"], stream)
    table(_attribute_rows(listing), stream)
    rows = [(entry["name"], entry["kind"], *_content(entry)) for entry in listing["contents"]]
    if not rows:
        stream.write("  empty\n")
    table(rows, stream, ("name", "kind", "shape", "dtype"))


def _content(entry: Object) -> tuple[str, str]:
    """The columns ``shape`` and ``dtype`` of one thing in a file or a directory."""
    if entry["error"]:
        return "", f"error: {entry['error']}"
    if entry["target"] is not None:
        return f"-> {entry['target']}", ""
    if entry["shape"] is not None:
        return shape(entry["shape"]), entry["dtype"]
    return "" if entry["arrays"] is None else f"{entry['arrays']} arrays", entry["dtype"] or ""


def _recording(recording: Object) -> str:
    if recording["steps"] is None:
        return ""
    batch = f"batch of {recording['batch']}, " if recording["batch"] != 1 else ""
    words = f": {batch}{recording['steps']} steps, {counted(recording['channels'], 'channel')}"
    if recording["data_format"] != "channels_last":
        words += f", {recording['data_format']}"
    return words if recording["duration"] is None else f"{words}, {recording['duration']:.6g} s"


def _storage(storage: Object) -> str:
    chunks, filters, stored = (storage.get(key) for key in ("chunks", "filters", "stored"))
    words = (
        storage["format"],
        storage.get("layout"),
        chunks and f"chunks {shape(chunks)}",
        filters and f"filters {' '.join(map(str, filters))}",
        None if stored is None else f"{byte_count(stored)} stored",
    )
    return ", ".join(filter(None, words))


def _attribute_rows(description: Object) -> list[tuple[str, str]]:
    rows = []
    for name, value in description["attributes"].items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows.append((f"@{name}", text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} ..."))
    return rows


def _layer(config: Object) -> str:
    keys = ["kernel_size", *(key for key, default in _LAYER_DEFAULTS.items() if config[key] != default)]
    return ", ".join(f"{key} {_single(config[key])}" for key in keys)


def _single(value: Any) -> str:
    """A value of a config on one line: a list of one number as the number, an activation layer as a call."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        config = value.get("config")
        items = config.items() if isinstance(config, dict) else ()
        arguments = (
            f"{key}={item}" for key, item in items if key not in _KEYS_OF_ALL_LAYERS and item is not None
        )
        return f"{value.get('class_name')}({', '.join(arguments)})"
    return "?" if value is None else str(value)


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"{value[0]:.6g}{value[1]:+.6g}j" if None not in value else "-"
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
