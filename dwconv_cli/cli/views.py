"""Descriptions as text: one function for each kind of thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TextIO

from dwconv_cli.cli.render import check_rows, note_rows, shape, size, table, title
from dwconv_cli.text import counted

MAX_CHANNELS = 64
MAX_TEXT = 200

Rows = list[tuple[str, str]]

# What a layer's line says where it differs from Keras's defaults.
_LAYER_DEFAULTS = {
    "strides": 1,
    "padding": "valid",
    "depth_multiplier": 1,
    "dilation_rate": 1,
    "data_format": "channels_last",
    "activation": "linear",
}
# Keys that a serialized activation layer shares with every layer.
_OF_ALL_LAYERS = {"name", "trainable", "dtype"}


def show(found: dict[str, Any], stream: TextIO) -> None:
    """Write a description (as :func:`~dwconv_cli.description.describe` gives it) to `stream`."""
    _VIEWS[found["kind"]](found, stream)


def _data(found: dict[str, Any], stream: TextIO) -> None:
    title(found["input"]["address"], stream)
    rows: Rows = [("shape", shape(found["input"]["shape"]) + _recording(found["recording"]))]
    rows += [("dtype", found["input"]["dtype"]), ("order", found["order"]), ("size", size(found["nbytes"]))]
    rows += [("storage", _storage(found["storage"]))]
    rows += [(f"@{name}", _text(value)) for name, value in found["attributes"].items()]
    if "output" in found:
        rows += _checked({**found, "input": {}})
    table(rows, stream)
    if "stats" in found:
        keys = ("channel", "min", "max", "mean", "std", "nan", "inf")
        table([[_number(entry[key]) for key in keys] for entry in found["stats"]], stream, keys)


def _shape(found: dict[str, Any], stream: TextIO) -> None:
    title(shape(found["input"]["shape"]), stream)
    table(_checked(found), stream)


def _checked(found: dict[str, Any]) -> Rows:
    rows = check_rows(found)
    where = next(i for i, (name, _) in enumerate(rows) if name == "effective kernel size")
    steps, delay = found["receptive_field"], found["delay"]
    rows[where + 1 : where + 1] = [("receptive field", f"{steps} steps"), ("delay", _delay(delay))]
    rows.append(("layer", _layer(found["layer"])))
    if found["weights"]["address"]:
        rows.append(("weights", f"{found['weights']['address']} {shape(found['weights']['kernel_shape'])}"))
    return rows + note_rows(found)


def _weights(found: dict[str, Any], stream: TextIO) -> None:
    entry = found["weights"]
    title(entry["address"] or "fresh weights", stream)
    rows: Rows = [("kernel", f"{shape(entry['kernel_shape'])} {found['dtype']}")]
    rows.append(("bias", "none" if entry["bias_shape"] is None else shape(entry["bias_shape"])))
    rows += [("layer", _layer(found["layer"])), ("receptive field", f"{found['receptive_field']} steps")]
    table([*rows, ("sha256", entry["sha256"]), *note_rows(found)], stream)
    unit = found["frequency_unit"]
    head = ("channel", "DC gain", f"-3 dB ({unit})", "group delay (causal)", "taps", "response")
    alike: dict[tuple[str, ...], list[int]] = {}
    for channel in found["channels"]:
        alike.setdefault(_response(channel), []).append(channel["channel"])
    lines = [(_ranges(numbers), *response) for response, numbers in alike.items()]
    table(lines[:MAX_CHANNELS], stream, head)
    if len(lines) > MAX_CHANNELS:
        stream.write(f"  ... {len(lines) - MAX_CHANNELS} more; --json has them all\n")


def _response(channel: dict[str, Any]) -> tuple[str, ...]:
    delay, spread = channel["group_delay"], channel["group_delay_range"]
    shown = "-" if delay is None else _delay(delay)
    if spread is not None and not channel["linear_phase"]:
        shown += f" ({spread[0]:.4g} to {spread[1]:.4g})"
    edges = [f"{edge:.5g}" for edge in channel["cutoffs"]]
    cutoffs = ", ".join(edges[:4]) + (f" and {len(edges) - 4} more" if len(edges) > 4 else "")
    lines = channel["sparklines"]
    return _number(channel["dc_gain"]), cutoffs or "-", shown, lines["taps"], lines["response"]


def _model(found: dict[str, Any], stream: TextIO) -> None:
    title(found["input"]["address"], stream)
    keys = ("layer", "kernel", "strides", "padding", "dilation", "data_format", "activation", "bias", "dtype")
    rows = []
    for layer in found["layers"]:
        config, weights = layer["config"] or {}, layer["weights"]
        name = layer["address"].rpartition("::")[2]
        if layer["class_name"] != "DepthwiseConv1D":
            name += f" ({layer['class_name']})"
        told = [_single(config.get(key)) for key in ("strides", "padding", "dilation_rate", "data_format")]
        bias = "no" if weights["bias_shape"] is None else "yes"
        activation = _single(config.get("activation"))
        rows.append([name, shape(weights["kernel_shape"]), *told, activation, bias, layer["dtype"]])
    if not rows:
        stream.write("  no DepthwiseConv1D layers\n")
    table(rows, stream, keys)
    table(note_rows(found), stream)


def _listing(found: dict[str, Any], stream: TextIO) -> None:
    title(found["input"]["address"], stream)
    table([(f"@{name}", _text(value)) for name, value in found["attributes"].items()], stream)
    rows = [(entry["name"], entry["kind"], *_content(entry)) for entry in found["contents"]]
    if not rows:
        stream.write("  empty\n")
    table(rows, stream, ("name", "kind", "shape", "dtype"))


def _content(entry: dict[str, Any]) -> tuple[str, str]:
    if entry["error"]:
        return "", f"error: {entry['error']}"
    if entry["target"] is not None:
        return f"-> {entry['target']}", ""
    if entry["shape"] is None:
        several = entry["arrays"] is not None
        return (f"{entry['arrays']} arrays" if several else ""), entry["dtype"] or ""
    return shape(entry["shape"]), entry["dtype"]


_VIEWS: dict[str, Callable[[dict[str, Any], TextIO], None]] = {
    "data": _data,
    "shape": _shape,
    "weights": _weights,
    "model": _model,
    "file": _listing,
    "directory": _listing,
}


def _recording(found: dict[str, Any]) -> str:
    if found["steps"] is None:
        return ""
    words = f": {found['steps']} steps, {counted(found['channels'], 'channel')}"
    if found["batch"] != 1:
        words = f": batch of {found['batch']}, " + words[2:]
    if found["data_format"] != "channels_last":
        words += f", {found['data_format']}"
    return words if found["duration"] is None else f"{words}, {found['duration']:.6g} s"


def _storage(found: dict[str, Any]) -> str:
    words = [found["format"]]
    if found.get("layout"):
        words.append(found["layout"])
    if found.get("chunks"):
        words.append(f"chunks {shape(found['chunks'])}")
    if found.get("filters"):
        words.append("filters " + " ".join(map(str, found["filters"])))
    if found.get("stored") is not None:
        words.append(f"{size(found['stored'])} stored")
    return ", ".join(words)


def _layer(config: dict[str, Any]) -> str:
    words = [f"kernel_size {config['kernel_size']}"]
    for key, usual in _LAYER_DEFAULTS.items():
        if config[key] != usual:
            words.append(f"{key} {_single(config[key])}")
    return ", ".join(words)


def _single(value: Any) -> str:
    """A config's value on a line: one step of one axis, a class by its name."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        inner = value.get("config")
        told = inner.items() if isinstance(inner, dict) else ()
        arguments = (f"{key}={item}" for key, item in told if key not in _OF_ALL_LAYERS and item is not None)
        return f"{value.get('class_name')}({', '.join(arguments)})"
    return "?" if value is None else str(value)


def _delay(found: dict[str, Any]) -> str:
    words = f"{found['steps']:.6g} steps"
    return words if found["seconds"] is None else f"{words} ({found['seconds']:.6g} s)"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"{value[0]:.6g}{value[1]:+.6g}j" if None not in value else "-"
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(value: Any) -> str:
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return words if len(words) <= MAX_TEXT else f"{words[:MAX_TEXT]} ..."


def _ranges(numbers: list[int]) -> str:
    """Rising numbers, those that follow each other as a range."""
    parts: list[list[int]] = []
    for value in numbers:
        if parts and value == parts[-1][-1] + 1:
            parts[-1][1:] = [value]
        else:
            parts.append([value])
    words = ["-".join(map(str, part)) for part in parts]
    return ",".join(words[:8]) + (",..." if len(words) > 8 else "")
