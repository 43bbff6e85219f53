"""Which layer with which weights: the options as given, resolved against the data they meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from dwconv_cli.constraints import CONSTRAINTS
from dwconv_cli.errors import LayerError
from dwconv_cli.initializers import INITIALIZERS
from dwconv_cli.layer import LayerSpec, Weights
from dwconv_cli.layer_config import from_config
from dwconv_cli.registry import Choice
from dwconv_cli.weights import LoadedWeights, checksum, load_kernel, load_weights

FRESH = "fresh"


@dataclass(frozen=True, eq=False)
class Resolved:
    """A layer and weights that fit each other and the data.

    Parameters
    ----------
    layer : LayerSpec
    weights : Weights
    entry : dict
        The report's entry of the weights.
    notes : list of str
        What was overridden or changed on the way.
    """

    layer: LayerSpec
    weights: Weights
    entry: dict[str, Any]
    notes: list[str]


@dataclass(frozen=True)
class Recipe:
    """Where layer and weights come from.

    Exactly one of `kernel`, `weights` and ``options["kernel_size"]`` says where the weights come from; `given` takes
    layer and weights that are there already instead.

    Parameters
    ----------
    options : mapping
        Fields of :class:`~dwconv_cli.LayerSpec` that were asked for.
    defaults : mapping
        Fields that hold where neither options nor configs say anything.
    kernel, bias : str, optional
        Addresses of arrays.
    weights : str, optional
        Address of a file that holds both.
    layout : str
        ``keras`` or ``torch``.
    config : mapping, optional
        A Keras layer config.
    seed : int, optional
        Of fresh weights.
    given : (LayerSpec, Weights), optional
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    kernel: str | None = None
    bias: str | None = None
    weights: str | None = None
    layout: str = "keras"
    config: Mapping[str, Any] | None = None
    seed: int | None = None
    given: tuple[LayerSpec, Weights] | None = None

    def data_format(self) -> str:
        """The data format, which is known before any data is met."""
        return self._layer(kernel_size=1).data_format if self.given is None else self.given[0].data_format

    def resolve(self, channels: int | None) -> Resolved:
        """Layer and weights for data of `channels` channels.

        Parameters
        ----------
        channels : int or None
            None where no data is met, which fresh weights cannot do.

        Raises
        ------
        LayerError, ShapeError, InputError
            If they do not fit, or cannot be read.
        """
        if self.given is not None:
            layer, weights = self.given
            return _resolved(layer, weights, None, [])
        if self._loaded is None:
            return self._fresh(channels)
        weights = self._loaded.fit(channels, self._multiplier())
        own = {"kernel_size": weights.kernel.shape[0], "depth_multiplier": weights.kernel.shape[2]}
        for key, value in own.items():
            asked = {**(self._loaded.config or {}), **(self.config or {}), **self.options}.get(key, value)
            if asked not in (value, [value], (value,)):
                raise LayerError(f"{key}={asked}, but {self._loaded.address} has a kernel with {key} {value}")
        notes = self._overridden()
        use_bias = self.options.get("use_bias", weights.bias is not None)
        if use_bias and weights.bias is None:
            raise LayerError(f"use_bias asked for, but {self._loaded.address} has no bias; give one with --bias")
        if not use_bias and weights.bias is not None:
            if self.bias is not None:
                raise LayerError("a bias is given and refused at once; leave out --bias or --no-bias")
            notes.append(f"the bias in {self._loaded.address} is left out, as asked")
            weights = replace(weights, bias=None)
        layer = self._layer(**own, use_bias=use_bias)
        return _resolved(layer, self._projected(layer, weights, notes), self._loaded.address, notes)

    @cached_property
    def _loaded(self) -> LoadedWeights | None:
        if self.kernel is not None:
            return load_kernel(self.kernel, self.bias, self.layout)
        if self.weights is not None:
            return load_weights(self.weights, self.layout)
        return None

    def _config(self) -> dict[str, Any] | None:
        loaded = self._loaded.config if self._loaded else None
        if loaded is None and self.config is None:
            return None
        return {**(loaded or {}), **_inner(self.config or {})}

    def _layer(self, **known: Any) -> LayerSpec:
        config = self._config()
        if config is None:
            return LayerSpec(**{**self.defaults, **known, **self.options, **_forced(known)})
        defaults = {key: value for key, value in self.defaults.items() if key not in _inner(config)}
        return from_config(config, **{**defaults, **self.options, **_forced(known)})

    def _multiplier(self) -> int | None:
        value = self.options.get("depth_multiplier", (self._config() or {}).get("depth_multiplier"))
        return int(value) if value is not None else None

    def _overridden(self) -> list[str]:
        loaded = self._loaded.config if self._loaded else None
        if not loaded or not self._loaded:
            return []
        theirs = from_config(loaded)
        ours = self._layer(kernel_size=theirs.kernel_size, depth_multiplier=theirs.depth_multiplier)
        return [
            f"{key} is {getattr(theirs, key)} in {self._loaded.address}, {getattr(ours, key)} as asked"
            for key in {**_inner(self.config or {}), **self.options}
            if hasattr(theirs, key) and getattr(theirs, key) != getattr(ours, key)
        ]

    def _fresh(self, channels: int | None) -> Resolved:
        layer = self._layer()
        if channels is None:
            raise LayerError("fresh weights need the number of channels; give data, --channels or --input-shape")
        dtype = layer.dtype or "float32"
        shape = (layer.kernel_size, channels, layer.depth_multiplier)
        kernel = initialized(layer.depthwise_initializer, shape, dtype, self.seed)
        bias = None
        if layer.use_bias:
            # Another seed, or a random bias would repeat the kernel's first numbers.
            seed = None if self.seed is None else self.seed + 1
            bias = initialized(layer.bias_initializer, (channels * layer.depth_multiplier,), dtype, seed)
        notes: list[str] = []
        return _resolved(layer, self._projected(layer, Weights(kernel, bias), notes), FRESH, notes)

    def _projected(self, layer: LayerSpec, weights: Weights, notes: list[str]) -> Weights:
        """Weights under the constraints that were asked for; those of a file's config were met in training."""
        kernel, bias = weights.kernel, weights.bias
        if "depthwise_constraint" in self.options and layer.depthwise_constraint:
            kernel = CONSTRAINTS.function(layer.depthwise_constraint)(kernel)
            notes.append(f"kernel projected by {layer.depthwise_constraint}")
        if "bias_constraint" in self.options and layer.bias_constraint and bias is not None:
            bias = CONSTRAINTS.function(layer.bias_constraint)(bias)
            notes.append(f"bias projected by {layer.bias_constraint}")
        return Weights(kernel, bias, weights.shared)


def initialized(choice: Choice, shape: tuple[int, ...], dtype: str, seed: int | None) -> np.ndarray[Any, Any]:
    """Fresh numbers from a catalogue entry; `seed` is for entries that take one and were given none."""
    takes_seed = "seed" in INITIALIZERS.arguments(choice.name) and "seed" not in dict(choice.arguments)
    extra = {"seed": seed} if takes_seed else {}
    array: np.ndarray[Any, Any] = INITIALIZERS.function(choice)(shape, dtype, **extra)
    return array


def _forced(known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in known.items() if key != "kernel_size" or value is not None}


def _inner(config: Mapping[str, Any]) -> Mapping[str, Any]:
    found = config.get("config") if "class_name" in config else config
    return found if isinstance(found, Mapping) else {}


def _resolved(layer: LayerSpec, weights: Weights, address: str | None, notes: list[str]) -> Resolved:
    bias = weights.bias
    kernel = weights.kernel[:, 0, 0] if weights.shared else weights.kernel
    entry = {
        "address": address,
        "kernel_shape": list(kernel.shape),
        "bias_shape": None if bias is None else list(bias.shape),
        "sha256": checksum(kernel, bias),
    }
    return Resolved(layer, weights, entry, notes)
