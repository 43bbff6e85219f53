"""Recipes: where a layer and its weights come from, resolved against the data that they meet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from dwconv_cli.choices import DTYPES, KERNEL_LAYOUTS, DataFormat, KernelLayout
from dwconv_cli.errors import LayerError
from dwconv_cli.layer import arguments
from dwconv_cli.layer.arguments import Converted, Location, default
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.config import inner_config
from dwconv_cli.layer.dtype_policy import weights_dtype
from dwconv_cli.layer.keys import SETTINGS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.storage.address import Address
from dwconv_cli.text import shown
from dwconv_cli.weights.designed import (
    TypedKernel,
    check_rates,
    design_of,
    from_design,
    from_taps,
    numbers_of,
    taps_dtype,
)
from dwconv_cli.weights.fresh import fresh_weights, is_random, projected
from dwconv_cli.weights.keras_files import is_keras_file
from dwconv_cli.weights.layer_settings import TYPED, LayerSettings, defaults_note
from dwconv_cli.weights.load import LoadedWeights, load_array, load_kernel, load_weights
from dwconv_cli.weights.resolved import Resolved

FIELDS = (*SETTINGS, "allow_strided_dilation")
# Where weights come from that are not drawn.
SOURCES = ("kernel", "weights", "design", "taps", "given")


@dataclass(frozen=True)
class Recipe:
    """Where a layer and its weights come from.

    The weights come from one of `kernel`, `weights`, `design`, `taps` and `given`, or else are drawn, for which `options`
    or `config` has a ``kernel_size``.

    Parameters
    ----------
    options : mapping
        Fields of :class:`~dwconv_cli.LayerSpec`; they replace what configs say.
    defaults : mapping
        Fields that count where neither options nor configs say anything.
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
        The seed was drawn and not typed, so a note has to tell it.
    design : str or Choice, optional
        A filter design, e.g. ``lowpass(5)``, the same for all channels. ``kernel_size`` among the options is its number
        of taps; without one its transition decides.
    taps : sequence of numbers, optional
        A kernel that all channels share.
    fs : float, optional
        Sampling rate for `design`; by default that of each recording, as its attributes say.
    flip : bool
        Reverse the taps, which makes the layer's correlation a convolution, as :func:`scipy.signal.lfilter` has it.
    given : (LayerSpec, Weights), optional
        A layer and weights that exist already.
    default_notes : tuple of str
        Notes for the case that `defaults` decide the data format.

    Raises
    ------
    LayerError
        If an argument is none of these, or the weights are to come from several places.

    Examples
    --------
    >>> recipe = Recipe(options={"kernel_size": 3, "depthwise_initializer": "moving_average", "use_bias": False})
    >>> recipe.resolve(channels=6).weights.kernel.shape
    (3, 6, 1)
    >>> smooth = Recipe(design="lowpass(5)", fs=50, options={"padding": "same"})
    >>> smooth.resolve(channels=3).weights.kernel.shape
    (75, 1, 1)
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    kernel: Converted[Address | None, Location | Address | None] = default(None)
    bias: Converted[Address | None, Location | Address | None] = default(None)
    weights: Converted[Address | None, Location | Address | None] = default(None)
    layout: KernelLayout = "keras"
    config: Mapping[str, Any] | None = None
    seed: int | None = None
    assume_depthwise: bool = False
    drawn: bool = False
    design: Converted[str | None, Choice | str | None] = default(None)
    taps: Converted[tuple[complex, ...] | None, Sequence[complex] | None] = default(None)
    fs: float | None = None
    flip: bool = False
    given: tuple[LayerSpec, Weights] | None = None
    default_notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("kernel", "bias", "weights"):
            place = getattr(self, name)
            if place is not None and not isinstance(place, Address):
                put(self, name, Address.parse(arguments.location(name, place)))
        put(self, "layout", arguments.one_of("layout", self.layout, KERNEL_LAYOUTS))
        if self.config is not None:
            arguments.mapping("config", self.config)
        for name in ("options", "defaults"):
            for key in arguments.mapping(name, getattr(self, name)):
                if key not in FIELDS:
                    raise LayerError(
                        f"{name} has {shown(key)}, which is no field of a layer; there are: {', '.join(FIELDS)}"
                    )
        if self.design is not None:
            check_rates(design_of(self.design), self.fs)
            put(self, "design", str(self.design))
        if self.taps is not None:
            put(self, "taps", numbers_of(self.taps))
        if self.fs is not None and not (isinstance(self.fs, int | float) and 0 < self.fs < math.inf):
            raise LayerError(f"fs must be a sampling rate above 0, got {shown(self.fs)}")
        sources = [name for name in SOURCES if getattr(self, name) is not None]
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
        """Read the weights and check the layer, so that their errors come once and before any recording is read.

        Raises
        ------
        InputError, LayerError
            If the weights cannot be read, or the layer is impossible.
        """
        if self.given is None:
            decided = not self.is_fresh and "kernel_size" not in self.settings.known
            self.settings.layer(**{"kernel_size": 1} if decided else {})
            if self.taps is not None or (self.design is not None and self.fs is not None):
                self._typed_kernel(None, None, None)

    @property
    def is_fresh(self) -> bool:
        """Whether the weights are drawn, instead of read or given."""
        return all(getattr(self, name) is None for name in SOURCES)

    @property
    def needs_rate(self) -> bool:
        """Whether the recordings' own sampling rates count: for a design, unless the rate is typed."""
        return (
            self.design is not None and self.fs is None and "fs" not in dict(design_of(self.design).arguments)
        )

    def data_format(self) -> DataFormat:
        """The data format, which does not depend on the data."""
        if self.given is not None:
            return self.given[0].data_format
        known = self.settings.known.get("data_format") or self.defaults.get("data_format")
        return cast("DataFormat", str(known or "channels_last").lower())

    def resolve(
        self, channels: int | None, dtype: np.dtype[Any] | None = None, fs: float | None = None
    ) -> Resolved:
        """Layer and weights for data of `channels` channels.

        Parameters
        ----------
        channels : int or None
            None where there is no data, which is enough for weights that exist.
        dtype : dtype, optional
            Of the data; a kernel that is typed is rounded to what the data is computed in.
        fs : float, optional
            Sampling rate of the data, as its attributes say.

        Raises
        ------
        LayerError, ShapeError, InputError
            If they do not fit, or cannot be read.
        """
        if self.given is not None:
            layer, weights = self.given
            return Resolved(layer, self._flipped(weights), None, [], dict.fromkeys(SETTINGS, TYPED))
        settings, sources, rate = self.settings, self.settings.sources(), fs
        notes = [] if "data_format" in settings.known else list(self.default_notes)
        if self.is_fresh:
            layer, weights = self._fresh(channels)
            notes += settings.notes()
            if self.drawn and is_random(layer):
                notes.append(
                    f"the weights were drawn with seed {self.seed}; --seed {self.seed} draws them again"
                )
        elif self._loaded is None:
            typed = self._typed_kernel(channels, dtype, fs)
            name, rate = self.design or "taps", typed.fs
            loaded = LoadedWeights(name, typed.kernel, self._bias)
            fields = {} if typed.design is None else {"depthwise_initializer": typed.design}
            layer, weights, bias_notes = self._fitted(loaded, channels, fields)
            sources |= dict.fromkeys(("kernel_size", *fields), TYPED)
            notes += [*typed.notes, *settings.notes(), *bias_notes]
        else:
            layer, weights, bias_notes = self._fitted(self._loaded, channels, {})
            notes += [*([self._loaded.note] if self._loaded.note else []), *settings.notes(), *bias_notes]
        weights = self._flipped(weights)
        # The constraints of a file's config were applied in training.
        weights, projections = projected(layer, weights, self.options)
        # Whoever gives a bare kernel knows that the settings have to be typed.
        missing = None if self.weights is None else defaults_note(sources, layer, str(settings.address))
        notes += [*projections, *([missing] if missing else [])]
        config = settings.known_config(layer)
        return Resolved(
            layer, weights, self.design or settings.address, notes, sources, config, missing, rate
        )

    def _flipped(self, weights: Weights) -> Weights:
        """The weights with their taps in reversed order, if that is asked for."""
        if not self.flip:
            return weights
        return replace(weights, kernel=np.ascontiguousarray(weights.kernel[::-1]))

    def _typed_kernel(
        self, channels: int | None, dtype: np.dtype[Any] | None, fs: float | None
    ) -> TypedKernel:
        """The kernel of `design` or `taps`."""
        known = self.settings.known
        layer = self.settings.layer(**({} if "kernel_size" in known else {"kernel_size": 1}))
        place = taps_dtype(dtype, layer.dtype), channels, layer.depth_multiplier
        if self.design is None:
            return from_taps(self.taps or (), *place)
        size = layer.kernel_size if "kernel_size" in known else None
        return from_design(design_of(self.design), size, self.fs, fs, *place)

    def _fresh(self, channels: int | None) -> tuple[LayerSpec, Weights]:
        """The layer, and weights from its initializers."""
        if "kernel_size" not in self.settings.known:
            raise LayerError("there are no weights; give kernel, weights, or kernel_size among the options")
        layer = self.settings.layer()
        if channels is None:
            raise LayerError(
                "fresh weights need the number of channels; give data, --channels or --input-shape"
            )
        dtype = ("dtype" in self.options and layer.dtype) or weights_dtype(self.settings.configured)
        return layer, fresh_weights(layer, channels, dtype, self.seed)

    def _fitted(
        self, loaded: LoadedWeights, channels: int | None, fields: Mapping[str, Any]
    ) -> tuple[LayerSpec, Weights, list[str]]:
        """The layer, with these `fields` of it, the weights, and what to tell of their bias; refused if they contradict."""
        known, notes = self.settings.known, []
        multiplier = known.get("depth_multiplier")
        weights = loaded.fit(channels, multiplier if isinstance(multiplier, int) else None)
        shape = {"kernel_size": weights.kernel.shape[0], "depth_multiplier": weights.kernel.shape[2]}
        layer = self.settings.layer(**{key: value for key, value in shape.items() if key not in known})
        for key, value in shape.items():
            if getattr(layer, key) != value:
                raise LayerError(
                    f"{key} is {getattr(layer, key)}, but the kernel in {loaded.address} has {value}"
                )
        use_bias = {**self.given_config, **self.options}.get("use_bias", weights.bias is not None)
        if use_bias and weights.bias is None:
            raise LayerError(
                f"a bias is asked for, but {loaded.address} has none; give one with --bias, or say --no-bias"
            )
        if not use_bias and weights.bias is not None:
            if self.bias is not None:
                raise LayerError("a bias is given and refused at once; leave out --bias or --no-bias")
            notes.append(f"the bias in {loaded.address} is left out, as asked")
            weights = replace(weights, bias=None)
        return self.settings.layer(**shape, use_bias=use_bias, **fields), weights, notes

    @cached_property
    def settings(self) -> LayerSettings:
        """What options, configs and defaults say of the layer; reads the weights if there are any."""
        loaded = self._loaded
        own = inner_config((loaded.config if loaded else None) or {})
        address = None if loaded is None else loaded.address
        return LayerSettings(self.options, self.given_config, own, self.defaults, address)

    @cached_property
    def given_config(self) -> Mapping[str, Any]:
        """What the given config says of the layer."""
        if self.config is None:
            return {}
        from dwconv_cli.layer.keras_models import (  # here, because few recipes have a config
            is_model,
            pick_layer,
        )

        if not is_model(self.config):
            return inner_config(self.config)
        if self.weights is not None and is_keras_file(self.weights.path):
            return {}
        return pick_layer(self.config, None, "config")

    @cached_property
    def _bias(self) -> Array | None:
        """The bias beside a kernel that is typed."""
        return None if self.bias is None else load_array(self.bias)

    @cached_property
    def _loaded(self) -> LoadedWeights | None:
        """The weights that exist, as their file holds them."""
        if self.kernel is not None:
            return load_kernel(self.kernel, self.bias, self.layout)
        if self.weights is None:
            return None
        model = None
        if self.config is not None:
            from dwconv_cli.layer.keras_models import is_model

            model = self.config if is_model(self.config) else None
        return load_weights(self.weights, self.layout, assume_depthwise=self.assume_depthwise, model=model)
