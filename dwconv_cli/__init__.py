"""Keras's ``DepthwiseConv1D`` for recorded sensor data, in NumPy and SciPy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
from dwconv_cli.version import __version__

if TYPE_CHECKING:
    from dwconv_cli.convolution.functional import depthwise_conv1d
    from dwconv_cli.convolution.plan import Plan, plan_conv
    from dwconv_cli.convolution.streaming import StreamingConv
    from dwconv_cli.description import Comparison, Difference, compare, describe
    from dwconv_cli.jobs.pipeline import apply_file, apply_many, make_weights
    from dwconv_cli.jobs.report import Report
    from dwconv_cli.jobs.settings import Settings
    from dwconv_cli.layer.spec import LayerSpec, Weights
    from dwconv_cli.weights.load import LoadedWeights, load_weights
    from dwconv_cli.weights.recipe import Recipe
    from dwconv_cli.weights.save import save_weights


_MODULES = {
    "convolution.functional": ("depthwise_conv1d",),
    "convolution.plan": ("Plan", "plan_conv"),
    "convolution.streaming": ("StreamingConv",),
    "description": ("Comparison", "Difference", "compare", "describe"),
    "jobs.pipeline": ("apply_file", "apply_many", "make_weights"),
    "jobs.report": ("Report",),
    "jobs.settings": ("Settings",),
    "layer.spec": ("LayerSpec", "Weights"),
    "weights.load": ("LoadedWeights", "load_weights"),
    "weights.recipe": ("Recipe",),
    "weights.save": ("save_weights",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Comparison",
    "Difference",
    "DwconvError",
    "InputError",
    "LayerError",
    "LayerSpec",
    "LoadedWeights",
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
    "compare",
    "depthwise_conv1d",
    "describe",
    "load_weights",
    "make_weights",
    "plan_conv",
    "save_weights",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import dwconv_cli`` loads no NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
