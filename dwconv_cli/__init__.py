"""Keras's ``DepthwiseConv1D`` for recorded sensor data, in NumPy and SciPy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dwconv_cli.version import __version__

if TYPE_CHECKING:
    from dwconv_cli.convolution.functional import depthwise_conv1d
    from dwconv_cli.convolution.plan import Plan, plan_conv
    from dwconv_cli.convolution.streaming import StreamingConv
    from dwconv_cli.description import describe
    from dwconv_cli.errors import (
        DwconvError,
        InputError,
        LayerError,
        MissingExtraError,
        OutOfMemoryError,
        OutputError,
        ShapeError,
        UnsafeFileError,
    )
    from dwconv_cli.jobs.pipeline import apply_file, apply_many, make_weights
    from dwconv_cli.jobs.report import Report
    from dwconv_cli.jobs.settings import Settings
    from dwconv_cli.layer.spec import LayerSpec, Weights
    from dwconv_cli.weights.load import load_weights
    from dwconv_cli.weights.recipe import Recipe
    from dwconv_cli.weights.save import save_weights


_HOMES = {
    "DwconvError": "errors",
    "InputError": "errors",
    "LayerError": "errors",
    "LayerSpec": "layer.spec",
    "MissingExtraError": "errors",
    "OutOfMemoryError": "errors",
    "OutputError": "errors",
    "Plan": "convolution.plan",
    "Recipe": "weights.recipe",
    "Report": "jobs.report",
    "Settings": "jobs.settings",
    "ShapeError": "errors",
    "StreamingConv": "convolution.streaming",
    "UnsafeFileError": "errors",
    "Weights": "layer.spec",
    "apply_file": "jobs.pipeline",
    "apply_many": "jobs.pipeline",
    "depthwise_conv1d": "convolution.functional",
    "describe": "description",
    "load_weights": "weights.load",
    "make_weights": "jobs.pipeline",
    "plan_conv": "convolution.plan",
    "save_weights": "weights.save",
}

__all__ = [
    "DwconvError",
    "InputError",
    "LayerError",
    "LayerSpec",
    "MissingExtraError",
    "OutOfMemoryError",
    "OutputError",
    "Plan",
    "Recipe",
    "Report",
    "Settings",
    "ShapeError",
    "StreamingConv",
    "UnsafeFileError",
    "Weights",
    "__version__",
    "apply_file",
    "apply_many",
    "depthwise_conv1d",
    "describe",
    "load_weights",
    "make_weights",
    "plan_conv",
    "save_weights",
]


def __getattr__(name: str) -> Any:
    """Import public names when they are first used: ``import dwconv_cli`` itself does no work."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
