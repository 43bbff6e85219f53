"""The report of one input: its shape, the shape of its output, and what was done to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dwconv_cli.jobs.tally import Tally

SCHEMA_VERSION = 1
Status = Literal["ok", "failed", "skipped", "planned"]


@dataclass
class Report:
    """What happened to one input; :meth:`to_json` gives the object of the report's JSON Schema.

    Parameters
    ----------
    status : str
        ``ok``, ``failed``, ``skipped`` or ``planned``.
    input, output : dict
        ``address``, ``shape``, ``dtype``; of the output also ``nbytes``.
    layer : dict
        Under Keras's config keys.
    layer_source : dict
        Of each setting in `layer` whether it comes from a ``file``, was ``typed``, or is a ``default``.
    weights : dict
        ``address``, ``kernel_shape``, ``bias_shape``, ``sha256``.
    padding : dict
        ``left`` and ``right``, in steps.
    effective_kernel_size : int
        In steps.
    delay : dict
        How far an output lags the middle of the steps that it is made of: ``steps`` of the input, negative where it
        comes before them, and ``seconds`` where the sampling rate is known.
    algorithm : dict
        ``name``, ``reason`` and ``backend``.
    nonfinite : dict
        Numbers that are NaN or infinite in ``input`` and ``output``.
    clipped : int
        Samples of an output of integers that lay beyond them, or were NaN.
    losses : dict
        Penalties of the regularizers: ``depthwise``, ``bias``, ``activity``, ``total``.
    seconds : float
    error : dict
        ``code`` (the exit code) and ``message``.
    notes : list of str
        What a careful person should know, e.g. an option that overrode the weights' own config.
    cause : BaseException, optional
        The exception of an input that failed, for callers who want to raise it; not part of the JSON.

    Examples
    --------
    >>> report = Report(input={"address": "rec.npy"}, notes=["drawn with seed 3"])
    >>> report.to_json()["status"], report.to_json()["schema_version"]
    ('planned', 1)
    """

    status: Status = "planned"
    input: dict[str, Any] = field(default_factory=dict)
    output: dict[str, Any] | None = None
    layer: dict[str, Any] | None = None
    layer_source: dict[str, str] | None = None
    weights: dict[str, Any] | None = None
    padding: dict[str, int] | None = None
    effective_kernel_size: int | None = None
    delay: dict[str, float | None] | None = None
    algorithm: dict[str, str] | None = None
    nonfinite: dict[str, int] | None = None
    clipped: int | None = None
    losses: dict[str, float] | None = None
    seconds: float | None = None
    error: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    cause: BaseException | None = None

    def complete(self, tally: Tally, seconds: float) -> None:
        """Add what is known once all outputs are written."""
        self.status = "ok"
        self.seconds = seconds
        self.nonfinite = {"input": tally.input, "output": tally.output}
        if self.losses is not None:
            self.losses["activity"] = tally.penalty
            self.losses["total"] = self.losses["depthwise"] + self.losses["bias"] + tally.penalty

    def to_json(self) -> dict[str, Any]:
        """The report as JSON's types, with the version of the schema and of the program."""
        from dwconv_cli.version import __version__

        entry = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "cause"}
        if self.losses is not None:
            # JSON has no NaN.
            entry["losses"] = {key: value if isfinite(value) else None for key, value in self.losses.items()}
        return {"schema_version": SCHEMA_VERSION, "version": __version__, **entry}

    def _repr_html_(self) -> str:
        from dwconv_cli.layer.notebook import html_table

        addresses = [(array or {}).get("address") or "-" for array in (self.input, self.output)]
        entries = self.to_json()
        hidden = ("schema_version", "version", "status", "layer", "layer_source")
        rows = [(key.replace("_", " "), value) for key, value in entries.items() if key not in hidden]
        return html_table(
            f"{' -> '.join(addresses)}: {self.status}",
            [(name, value) for name, value in rows if value not in ({}, [])],
        )


def array_entry(
    address: str | None, shape: tuple[int, ...], dtype: Any, nbytes: int | None = None
) -> dict[str, Any]:
    """The report's entry of an input or an output."""
    entry: dict[str, Any] = {"address": address, "shape": list(shape), "dtype": str(dtype)}
    return entry if nbytes is None else {**entry, "nbytes": nbytes}


@cache
def schema() -> Mapping[str, Any]:
    """The JSON Schema of a report."""
    import json
    from importlib.resources import files

    text = files("dwconv_cli.jobs").joinpath("report_schema.json").read_text("utf-8")
    content: Mapping[str, Any] = json.loads(text)
    return content
