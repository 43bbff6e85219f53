"""Catalogue configs and values held against the Keras that is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import recorded
from helpers_keras import keras, plain

from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.registry import Choice, Registry

RECORDED = recorded("catalogues")[0]
OBJECTS = [
    (registry, module, registry.choose(entry["name"], entry["arguments"]))
    for registry, module in (
        (INITIALIZERS, "initializers"),
        (REGULARIZERS, "regularizers"),
        (CONSTRAINTS, "constraints"),
    )
    for entry in RECORDED[module]
]
FUNCTIONS = [ACTIVATIONS.choose(entry["name"], entry["arguments"]) for entry in RECORDED["activations"]]
WITH_LAYERS = {"relu", "leaky_relu", "elu", "softmax"}


def in_keras(choice: Choice) -> bool:
    """Whether Keras can hold the choice: by name, or as a layer, which takes no negative threshold."""
    if choice.name in WITH_LAYERS:
        return bool(dict(choice.arguments).get("threshold", 0) >= 0)
    return not choice.arguments


@pytest.mark.parametrize(("registry", "module", "choice"), OBJECTS, ids=[str(row[2]) for row in OBJECTS])
def test_keras_opens_our_config(registry: Registry[Any], module: str, choice: Choice) -> None:
    config = plain(registry.to_config(choice))
    theirs = getattr(keras, module).deserialize(config)
    again = registry.from_config(plain(getattr(keras, module).serialize(theirs)))
    assert again.name == choice.name
    assert [key for key, _ in again.arguments] == [key for key, _ in choice.arguments] or choice.name == "l1"
    written: Any = registry.to_config(again)
    for key, value in written["config"].items():
        if isinstance(value, float):  # L1 and the orthogonal regularizer keep their factor in float32
            assert value == pytest.approx(config["config"][key], rel=1e-7)
        else:
            assert value == config["config"][key]


@pytest.mark.parametrize("choice", FUNCTIONS, ids=str)
def test_activation_in_a_layer(choice: Choice) -> None:
    config = plain(ACTIVATIONS.to_config(choice))
    known = in_keras(choice)
    assert ACTIVATIONS.in_keras(choice) == known
    layer = keras.layers.DepthwiseConv1D(3, depth_multiplier=2)
    layer.build((2, 20, 3))
    whole = layer.get_config()
    whole["activation"] = config
    if not known:
        with pytest.raises((ValueError, TypeError)):
            keras.layers.DepthwiseConv1D.from_config(whole)
        return
    activated = keras.layers.DepthwiseConv1D.from_config(whole)
    activated.build((2, 20, 3))
    activated.set_weights(layer.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 20, 3)).astype("float32") * 4
    before = np.ascontiguousarray(keras.ops.convert_to_numpy(layer(x)))
    after = keras.ops.convert_to_numpy(activated(x))
    np.testing.assert_allclose(ACTIVATIONS.function(choice)(before), after, rtol=2e-5, atol=2e-6)
    assert ACTIVATIONS.from_config(plain(activated.get_config()["activation"])) == choice
