"""A pytest plugin: functions of ours stand in for Keras's, under the tests that Keras's wheel holds.

What is symbolic, or of two dimensions, is left to Keras: there are no numbers yet, or it is another layer.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras.src import activations, backend, constraints, initializers, ops, regularizers
from keras.src.backend import KerasTensor
from keras.src.initializers import random_initializers
from keras.src.ops import nn
from outcomes import CALLS

import dwconv_cli
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.designs import DESIGNS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS, compute_fans, initialized
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.registry import Registry


def _skip_if_backend(name: str, reason: str) -> Any:
    return pytest.mark.skipif(backend.backend() == name, reason=reason)


# Keras's tests import this from a conftest.py that is not in its wheel.
sys.modules["conftest"] = types.ModuleType("conftest")
sys.modules["conftest"].skip_if_backend = _skip_if_backend  # type: ignore[attr-defined]


def _symbolic(x: Any) -> bool:
    """Whether there are no numbers yet: a model is being drawn up, or JAX compiles it."""
    return isinstance(x, KerasTensor) or any(kind.__name__ == "Tracer" for kind in type(x).__mro__)


def _called(function: Callable[[Any], Any], x: Any) -> Any:
    """Call a function of ours on what Keras takes: also integers, single numbers and bfloat16."""
    x = np.asarray(x)
    wanted = np.dtype(backend.floatx()) if x.dtype.kind in "biu" else x.dtype
    found = function(np.array(np.atleast_1d(x), np.float32 if wanted.kind == "V" else wanted, order="C"))
    if np.ndim(found) and not x.ndim:
        found = found[0]
    return backend.convert_to_tensor(np.asarray(found).astype(wanted))


def _arguments(function: Callable[..., Any], *given: Any, **named: Any) -> dict[str, Any]:
    """Its arguments by name, without the first."""
    bound = inspect.signature(function).bind(*given, **named)
    bound.apply_defaults()
    return dict(list(bound.arguments.items())[1:])


def _activation(name: str, theirs: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(theirs)
    def ours(x: Any, *given: Any, **named: Any) -> Any:
        if _symbolic(x):
            return theirs(x, *given, **named)
        choice = ACTIVATIONS.choose(name, _arguments(theirs, x, *given, **named))
        CALLS[name] += 1
        return _called(ACTIVATIONS.function(choice), x)

    return ours


def _depthwise_conv(theirs: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(theirs)
    def ours(inputs: Any, kernel: Any, *given: Any, **named: Any) -> Any:
        if _symbolic(inputs) or _symbolic(kernel) or len(inputs.shape) != 3:
            return theirs(inputs, kernel, *given, **named)
        arguments = _arguments(theirs, inputs, kernel, *given, **named)
        arguments.pop("kernel")
        if arguments.get("data_format") is None:
            arguments["data_format"] = keras.config.image_data_format()
        CALLS["depthwise_conv"] += 1
        return backend.convert_to_tensor(
            dwconv_cli.depthwise_conv1d(np.asarray(inputs), np.asarray(kernel), **arguments)
        )

    return ours


def _class(catalogue: Registry[Any], kind: type, compute: Callable[..., Callable[..., Any]]) -> None:
    """Let ours check the arguments of a class before Keras does, and compute in its place."""
    made = kind.__init__  # type: ignore[misc]

    @functools.wraps(made)
    def checked(self: Any, *given: Any, **named: Any) -> None:
        arguments = _arguments(made, self, *given, **named) if made is not object.__init__ else {}
        if isinstance(arguments.get("seed"), keras.random.SeedGenerator):
            # Whose next number is not part of a config.
            del arguments["seed"]
        choice = catalogue.from_config({"class_name": kind.__name__, "config": arguments})
        made(self, *given, **named)
        self.choice = choice

    kind.__init__ = checked  # type: ignore[misc]
    kind.__call__ = compute(kind.__name__, kind.__call__)  # type: ignore[attr-defined]


def _drawn(name: str, theirs: Callable[..., Any]) -> Callable[..., Any]:
    def ours(self: Any, shape: Any, dtype: Any = None, **more: Any) -> Any:
        CALLS[name] += 1
        dtype = backend.standardize_dtype(dtype)
        return backend.convert_to_tensor(initialized(self.choice, tuple(shape), dtype, None))

    return ours


def _penalty(name: str, theirs: Callable[..., Any]) -> Callable[..., Any]:
    def ours(self: Any, x: Any) -> Any:
        if _symbolic(x):
            return theirs(self, x)
        CALLS[name] += 1
        return _called(REGULARIZERS.function(self.choice), x)

    return ours


def _projected(name: str, theirs: Callable[..., Any]) -> Callable[..., Any]:
    def ours(self: Any, w: Any) -> Any:
        if _symbolic(w):
            return theirs(self, w)
        CALLS[name] += 1
        return _called(CONSTRAINTS.function(self.choice), w)

    return ours


def _install() -> None:
    for name in ACTIVATIONS.names():
        if hasattr(activations, name):
            ours = _activation(name, getattr(activations, name))
            for place in (activations, activations.activations):
                setattr(place, name, ours)
            activations.ALL_OBJECTS_DICT[name] = ours
        if hasattr(nn, name):
            ours = _activation(name, getattr(nn, name))
            for place in (nn, ops, keras.ops):
                setattr(place, name, ours)
    for place in (nn, ops, keras.ops):
        place.depthwise_conv = _depthwise_conv(place.depthwise_conv)
    random_initializers.compute_fans = compute_fans
    for catalogue, home, compute in (
        (INITIALIZERS, initializers, _drawn),
        (REGULARIZERS, regularizers, _penalty),
        (CONSTRAINTS, constraints, _projected),
    ):
        # Keras has no filter designs, some of which have arguments without defaults.
        names = {
            catalogue.class_name(catalogue.choose(name))
            for name in catalogue.names()
            if name not in DESIGNS.names()
        }
        for class_name in sorted(names):
            if hasattr(home, class_name):
                _class(catalogue, getattr(home, class_name), compute)


_install()
