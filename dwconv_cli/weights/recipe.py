"""Which layer with which weights: the options as given, resolved against the data they meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.choices import DTYPES, KERNEL_LAYOUTS, LARGEST
from dwconv_cli.errors import LayerError
from dwconv_cli.layer import arguments
from dwconv_cli.layer.arguments import Converted, Location, default
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS, initialized
from dwconv_cli.layer.config import KERAS_2_KEY, field_of, from_config, inner_config, is_known, to_config
from dwconv_cli.layer.dtype_policy import policy_of, unread_policies, weights_dtype
from dwconv_cli.layer.keras_models import is_model, pick_layer
from dwconv_cli.layer.keys import INITIALIZER_KEYS, OF_WEIGHTS, SETTINGS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.storage.address import Address
from dwconv_cli.text import shown
from dwconv_cli.weights.keras_files import is_keras_file
from dwconv_cli.weights.layer_source import DEFAULT, defaults_note, layer_source
from dwconv_cli.weights.load import LoadedWeights, load_kernel, load_weights
from dwconv_cli.weights.resolved import Resolved, weights_entry

FIELDS = (*SETTINGS, "allow_strided_dilation")


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
    kernel, bias : str or path, optional
        Addresses of arrays.
    weights : str or path, optional
        Address of a file that holds both.
    layout : str
        ``keras`` or ``torch``.
    config : mapping, optional
        A Keras layer config, or the config of the model that `weights` belong to.
    seed : int, optional
        Of fresh weights.
    assume_depthwise : bool
        Take layers of somebody's own class for DepthwiseConv1D layers.
    drawn : bool
        Nobody asked for this seed, so it is worth a note.
    given : (LayerSpec, Weights), optional
    default_notes : tuple of str
        What to tell those for whom the defaults decided the data format.

    Raises
    ------
    LayerError
        If an argument is none of these, or the weights are to come from several places.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    kernel: Converted[str | None, Location | None] = default(None)
    bias: Converted[str | None, Location | None] = default(None)
    weights: Converted[str | None, Location | None] = default(None)
    layout: str = "keras"
    config: Mapping[str, Any] | None = None
    seed: int | None = None
    assume_depthwise: bool = False
    drawn: bool = False
    given: tuple[LayerSpec, Weights] | None = None
    default_notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("kernel", "bias", "weights"):
            if getattr(self, name) is not None:
                put(self, name, arguments.location(name, getattr(self, name)))
        put(self, "layout", arguments.one_of("layout", self.layout, KERNEL_LAYOUTS))
        for name in ("options", "defaults", *(() if self.config is None else ("config",))):
            for key in arguments.mapping(name, getattr(self, name)):
                if name != "config" and key not in FIELDS:
                    raise LayerError(
                        f"{name} has {shown(key)}, which is no field of a layer; there are: {', '.join(FIELDS)}"
                    )
        sources = [name for name in ("kernel", "weights", "given") if getattr(self, name) is not None]
        if len(sources) > 1:
            raise LayerError(f"{' and '.join(sources)} exclude each other; the weights come from one place")
        if self.given is not None:
            if not isinstance(self.given, tuple) or len(self.given) != 2:
                raise LayerError(f"given must be a pair of LayerSpec and Weights, got {shown(self.given)}")
            arguments.instance("layer", self.given[0], LayerSpec)
            arguments.instance("weights", self.given[1], Weights)
        if self.options.get("dtype") is not None:
            dtype = arguments.dtype_name("dtype", self.options["dtype"], DTYPES)
            put(self, "options", {**self.options, "dtype": dtype})
        if self.seed is not None and not (isinstance(self.seed, int | np.integer) and 0 <= self.seed < 2**32):
            raise LayerError(f"seed must be from 0 to 4294967295, got {shown(self.seed)}")

    def load(self) -> None:
        """Read the weights and check the layer now, so that their faults are told once, before any data is met.

        Raises
        ------
        InputError, LayerError
            If the weights cannot be read, or the layer is impossible.
        """
        if self.given is None:
            known = {} if self._loaded is None or "kernel_size" in self._said() else {"kernel_size": 1}
            self._layer(**known)

    def data_format(self) -> str:
        """The data format, which is known before any data is met."""
        if self.given is not None:
            return self.given[0].data_format
        return str(
            self._said().get("data_format") or self.defaults.get("data_format") or "channels_last"
        ).lower()

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
            return Resolved(layer, weights, weights_entry(weights), [], layer_source(SETTINGS, ()))
        if self._loaded is None:
            return self._fresh(channels)
        weights, notes = self._loaded.fit(channels, self._multiplier()), self._notes()
        own = {"kernel_size": weights.kernel.shape[0], "depth_multiplier": weights.kernel.shape[2]}
        asked = self._layer(**{key: value for key, value in own.items() if key not in self._said()})
        for key, value in own.items():
            if getattr(asked, key) != value:
                text = f"{key} is {getattr(asked, key)}, but the kernel in {self._loaded.address} has {value}"
                raise LayerError(text)
        asked_for = {**self.given_config, **self.options}
        use_bias = asked_for.get("use_bias", weights.bias is not None)
        if use_bias and weights.bias is None:
            raise LayerError(
                f"a bias is asked for, but {self._loaded.address} has none; give one with --bias"
            )
        if not use_bias and weights.bias is not None:
            if self.bias is not None:
                raise LayerError("a bias is given and refused at once; leave out --bias or --no-bias")
            notes.append(f"the bias in {self._loaded.address} is left out, as asked")
            weights = replace(weights, bias=None)
        layer = self._layer(**own, use_bias=use_bias)
        return self._resolved(layer, self._projected(layer, weights, notes), notes)

    @cached_property
    def _loaded(self) -> LoadedWeights | None:
        if self.kernel is not None:
            return load_kernel(self.kernel, self.bias, self.layout)
        if self.weights is not None:
            model = self.config if is_model(self.config) else None
            return load_weights(
                self.weights, self.layout, assume_depthwise=self.assume_depthwise, model=model
            )
        return None

    @cached_property
    def given_config(self) -> Mapping[str, Any]:
        """What the given config says of the layer."""
        if not is_model(self.config):
            return inner_config(self.config or {})
        if self.weights is not None and is_keras_file(Address.parse(self.weights).path):
            return {}
        return pick_layer(self.config, None, "config")

    @cached_property
    def _configured(self) -> dict[str, Any]:
        """What configs say: the weights' own, then the one given."""
        own = dict(inner_config((self._loaded.config if self._loaded else None) or {}))
        for key in self._unread_initializers:
            del own[key]
        if "activation" in self.given_config:
            own.pop(KERAS_2_KEY, None)
        return {**own, **self.given_config}

    @cached_property
    def _unread_initializers(self) -> list[str]:
        """Initializers in the weights' own config that are not known; weights that are there need none."""
        own = inner_config((self._loaded.config if self._loaded else None) or {})
        return [key for key in INITIALIZER_KEYS if key in own and not is_known(key, own[key])]

    def _said(self) -> dict[str, Any]:
        return {**self._configured, **self.options}

    def _layer(self, **known: Any) -> LayerSpec:
        return from_config({**self.defaults, **self._configured}, **{**self.options, **known})

    def _multiplier(self) -> int | None:
        value = self._said().get("depth_multiplier")
        return value if isinstance(value, int) else None

    def _notes(self) -> list[str]:
        """Where the data format came from, and which options overrode the weights' own config."""
        notes = [] if "data_format" in self._said() else list(self.default_notes)
        if self._loaded is not None and self._loaded.note:
            notes.append(self._loaded.note)
        layer = self._layer() if "kernel_size" in self._said() else self._layer(kernel_size=1)
        if layer.strides > 1 and layer.dilation_rate > 1:
            notes.append(
                f"strides {layer.strides} with dilation_rate {layer.dilation_rate}, as the config says: Keras computes "
                "them, although its documentation promises a ValueError, and so does dwconv"
            )
        policies, name = self._configured.get("dtype"), self._configured.get("name")
        unread = [] if "dtype" in self.options else unread_policies(policies, name)
        if unread:
            keys = ", ".join(map(shown, unread[:5]))
            notes.append(
                f"the layer's dtype is a map of policies with regular expressions ({keys}), which are not evaluated: "
                f"its default counts, {policy_of(self._configured)}; --dtype sets another"
            )
        if self._loaded is None or not self._loaded.config:
            return notes
        if self._unread_initializers:
            keys = " and ".join(self._unread_initializers)
            notes.append(
                f"{keys} in {self._loaded.address} is not known; the weights that are there need none"
            )
        theirs, ours = inner_config(self._loaded.config), self._layer()
        for key in {**self.given_config, **self.options}:
            before, after = field_of(theirs, key), getattr(ours, key, None)
            if key in theirs and before != after and key not in OF_WEIGHTS:
                notes.append(f"{key} is {before} in {self._loaded.address}, {after} as asked")
        return notes

    def _fresh(self, channels: int | None) -> Resolved:
        if "kernel_size" not in self._said():
            raise LayerError("there are no weights; give kernel, weights, or kernel_size among the options")
        layer = self._layer()
        if channels is None:
            raise LayerError(
                "fresh weights need the number of channels; give data, --channels or --input-shape"
            )
        asked = "dtype" in self.options and layer.dtype
        dtype = asked or weights_dtype(self._configured)
        shape = (layer.kernel_size, channels, layer.depth_multiplier)
        if math.prod(shape) > LARGEST:
            raise LayerError(
                f"a kernel of shape {shape} is too large to be made; take fewer taps or channels"
            )
        kernel = initialized(layer.depthwise_initializer, shape, dtype, self.seed)
        bias = None
        if layer.use_bias:
            # Another seed, or a random bias would repeat the kernel's first numbers.
            seed = None if self.seed is None else (self.seed + 1) % 2**32
            bias = initialized(layer.bias_initializer, (channels * layer.depth_multiplier,), dtype, seed)
        notes = self._notes()
        if self.drawn and _is_random(layer):
            notes.append(f"the weights were drawn with seed {self.seed}; --seed {self.seed} draws them again")
        return self._resolved(layer, self._projected(layer, Weights(kernel, bias), notes), notes)

    def _resolved(self, layer: LayerSpec, weights: Weights, notes: list[str]) -> Resolved:
        address = None if self._loaded is None else self._loaded.address
        source = self.layer_source()
        # Whoever gives a bare kernel knows that the layer has to be typed.
        untold = None if self.weights is None else defaults_note(source, layer, str(address))
        config = None
        if self._configured or not {"activation", "activity_regularizer"}.isdisjoint(self.options):
            whole = to_config(layer)
            config = {key: whole[key] for key, origin in source.items() if origin != DEFAULT}
            if isinstance(self._configured.get("trainable"), bool):
                # It changes nothing here, and is Keras's to know.
                config["trainable"] = self._configured["trainable"]
        entry = weights_entry(weights, address)
        return Resolved(
            layer, weights, entry, [*notes, *([untold] if untold else [])], source, config, untold
        )

    def layer_source(self) -> dict[str, str]:
        """``file``, ``typed`` or ``default`` for each setting of the layer."""
        filed = set(self._configured) | (set(OF_WEIGHTS) if self._loaded is not None else set())
        return layer_source(self.options, filed)

    def _projected(self, layer: LayerSpec, weights: Weights, notes: list[str]) -> Weights:
        """Weights under the constraints that were asked for; those of a file's config were met in training."""
        kernel, bias = weights.kernel, weights.bias
        if "depthwise_constraint" in self.options and layer.depthwise_constraint:
            kernel = _constrained(kernel, layer.depthwise_constraint)
            notes.append(f"kernel projected by {layer.depthwise_constraint}")
        if "bias_constraint" in self.options and layer.bias_constraint and bias is not None:
            bias = _constrained(bias, layer.bias_constraint)
            notes.append(f"bias projected by {layer.bias_constraint}")
        return Weights(kernel, bias, weights.shared)


def _constrained(weights: Array, constraint: Choice) -> Array:
    """Weights projected in floating point; whole numbers stay floats, since their projection is seldom whole."""
    working = weights.astype(np.promote_types(weights.dtype, np.float32))
    with np.errstate(all="ignore"):
        found: Array = CONSTRAINTS.function(constraint)(working)
        return found.astype(weights.dtype) if weights.dtype.kind in "fc" else found


def _is_random(layer: LayerSpec) -> bool:
    chosen = [layer.depthwise_initializer, *([layer.bias_initializer] if layer.use_bias else [])]
    return any("seed" in INITIALIZERS.arguments(choice.name) for choice in chosen)
