"""The settings of a layer: put together from options, configs and defaults, and where each of them comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dwconv_cli.layer.config import KERAS_2_KEY, field_of, from_config, is_known, to_config
from dwconv_cli.layer.dtype_policy import policy_of, unread_policies
from dwconv_cli.layer.keys import INITIALIZER_KEYS, NOT_IN_WEIGHTS, OF_WEIGHTS, SETTINGS
from dwconv_cli.layer.spec import LayerSpec
from dwconv_cli.text import shown

FILE, TYPED, DEFAULT = "file", "typed", "default"


@dataclass(frozen=True)
class LayerSettings:
    """What is known of a layer; options replace configs, and configs replace defaults.

    Parameters
    ----------
    options : mapping
        Fields of :class:`~dwconv_cli.LayerSpec` that were typed.
    given_config : mapping
        A Keras config that was given beside the weights; it replaces theirs.
    own_config : mapping
        The Keras config that the file of the weights holds.
    defaults : mapping
        Fields that count where nothing else says anything.
    address : str, optional
        Of weights that exist already, and decide the settings `OF_WEIGHTS`; None for fresh ones.
    """

    options: Mapping[str, Any]
    given_config: Mapping[str, Any]
    own_config: Mapping[str, Any]
    defaults: Mapping[str, Any]
    address: str | None

    @cached_property
    def unknown_initializers(self) -> list[str]:
        """Initializers in the weights' own config that no catalogue has; weights that exist need none."""
        own = self.own_config
        return [key for key in INITIALIZER_KEYS if key in own and not is_known(key, own[key])]

    @cached_property
    def configured(self) -> dict[str, Any]:
        """What the configs say."""
        own = {key: value for key, value in self.own_config.items() if key not in self.unknown_initializers}
        if "activation" in self.given_config:
            # The version of Keras that wrote the weights decides nothing about another config's activation.
            own.pop(KERAS_2_KEY, None)
        return {**own, **self.given_config}

    @property
    def known(self) -> dict[str, Any]:
        """What configs and options say."""
        return {**self.configured, **self.options}

    def layer(self, **fields: Any) -> LayerSpec:
        """The layer, with these fields of it replaced."""
        return from_config({**self.defaults, **self.configured}, **{**self.options, **fields})

    def sources(self) -> dict[str, str]:
        """``typed``, ``file`` or ``default`` for each setting of the layer."""
        filed = {*self.configured, *(() if self.address is None else OF_WEIGHTS)}
        return {key: TYPED if key in self.options else FILE if key in filed else DEFAULT for key in SETTINGS}

    def known_config(self, layer: LayerSpec) -> dict[str, Any] | None:
        """The settings of `layer` that are no defaults, under Keras's keys, for a file of weights to hold.

        None where no config is known and the options say nothing that only a config can hold.
        """
        if not self.configured and {"activation", "activity_regularizer"}.isdisjoint(self.options):
            return None
        whole = to_config(layer)
        config = {key: whole[key] for key, source in self.sources().items() if source != DEFAULT}
        if isinstance(self.configured.get("trainable"), bool):
            # It changes nothing here, but Keras needs it.
            config["trainable"] = self.configured["trainable"]
        return config

    def notes(self) -> list[str]:
        """What is unusual about the settings, and which of the weights' own config are replaced."""
        notes = []
        layer = self.layer() if "kernel_size" in self.known else self.layer(kernel_size=1)
        if layer.strides > 1 and layer.dilation_rate > 1:
            notes.append(
                f"strides {layer.strides} with dilation_rate {layer.dilation_rate}, as the config says: Keras computes "
                "them, although its documentation promises a ValueError, and so does dwconv"
            )
        policies, name = self.configured.get("dtype"), self.configured.get("name")
        unread = [] if "dtype" in self.options else unread_policies(policies, name)
        if unread:
            keys = ", ".join(map(shown, unread[:5]))
            notes.append(
                f"the layer's dtype is a map of policies with regular expressions ({keys}), which are not evaluated: "
                f"its default counts, {policy_of(self.configured)}; --dtype sets another"
            )
        if self.unknown_initializers:
            keys = " and ".join(self.unknown_initializers)
            notes.append(f"{keys} in {self.address} is not known; the weights that are there need none")
        for key in {**self.given_config, **self.options}:
            if key not in self.own_config or key in OF_WEIGHTS:
                continue
            before, after = field_of(self.own_config, key), getattr(layer, key, None)
            if before != after:
                notes.append(f"{key} is {before} in {self.address}, {after} as asked")
        return notes


def defaults_note(sources: Mapping[str, str], layer: LayerSpec, address: str) -> str | None:
    """One line that names the settings which the file of weights at `address` does not hold, with their defaults.

    None where no such setting is left to its default. `sources` are those of :meth:`LayerSettings.sources`.
    """
    missing = [f"{key} {getattr(layer, key)}" for key in NOT_IN_WEIGHTS if sources[key] == DEFAULT]
    if not missing:
        return None
    return (
        f"{address} does not hold these settings of its layer, so their defaults are taken: {', '.join(missing)}; "
        "set those that differ, or give the layer's config"
    )


def lost_note(sources: Mapping[str, str], layer: LayerSpec, address: str) -> str | None:
    """One line that names the known settings which a file of weights alone cannot hold; None where all are defaults."""
    usual = LayerSpec(kernel_size=1)
    lost = [
        f"{key} {getattr(layer, key)}"
        for key in NOT_IN_WEIGHTS
        if sources[key] != DEFAULT and getattr(layer, key) != getattr(usual, key)
    ]
    if not lost:
        return None
    return f"{address} cannot hold the layer's settings; give them where it is used: {', '.join(lost)}"
