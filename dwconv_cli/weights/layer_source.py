"""Where each setting of a layer comes from: a file, what was typed, or a default."""

from __future__ import annotations

from collections.abc import Collection

from dwconv_cli.layer.keys import NOT_IN_WEIGHTS, SETTINGS
from dwconv_cli.layer.spec import LayerSpec

FILE, TYPED, DEFAULT = "file", "typed", "default"


def layer_source(typed: Collection[str], filed: Collection[str]) -> dict[str, str]:
    """``typed``, ``file`` or ``default`` for each setting of a layer.

    Parameters
    ----------
    typed, filed : collection of str
        Settings that were typed, and those that a file holds.
    """
    return {key: TYPED if key in typed else FILE if key in filed else DEFAULT for key in SETTINGS}


def defaults_note(source: dict[str, str], layer: LayerSpec, address: str) -> str | None:
    """One line that names the settings which a weight file does not hold, with the defaults that stand for them.

    Parameters
    ----------
    source : dict
        As :func:`layer_source` gives it.
    layer : LayerSpec
    address : str
        Of the weights.

    Returns
    -------
    str or None
        None where nothing is left to a default.
    """
    untold = [f"{key} {getattr(layer, key)}" for key in NOT_IN_WEIGHTS if source[key] == DEFAULT]
    if not untold:
        return None
    return (
        f"{address} does not hold these settings of its layer, so their defaults are taken: {', '.join(untold)}; "
        "set those that differ, or give the layer's config"
    )


def lost_note(source: dict[str, str], layer: LayerSpec, address: str) -> str | None:
    """One line that names known settings which a file of weights alone cannot hold; None where all are defaults."""
    usual = LayerSpec(kernel_size=1)
    lost = [
        f"{key} {getattr(layer, key)}"
        for key in NOT_IN_WEIGHTS
        if source[key] != DEFAULT and getattr(layer, key) != getattr(usual, key)
    ]
    if not lost:
        return None
    return f"{address} cannot hold the layer's settings; give them where it is used: {', '.join(lost)}"
