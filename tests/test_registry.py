"""The registry: names, parsing, checking, and Keras's serialized objects."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from checks import recorded, refused
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.registry import REQUIRED, Choice, Registry, above, at_least, one_of

RECORDED = recorded("catalogues")[0]
REGISTRIES: dict[str, Registry[Any]] = {
    "activations": ACTIVATIONS,
    "initializers": INITIALIZERS,
    "regularizers": REGULARIZERS,
    "constraints": CONSTRAINTS,
}
OBJECTS = [
    pytest.param(registry, entry, id=f"{module}-{entry['name']}-{index}")
    for module, registry in REGISTRIES.items()
    for index, entry in enumerate(RECORDED[module])
]
NEEDED: dict[str, dict[str, Any]] = {
    "threshold": {"threshold": 0.5, "default_value": 1},
}

SAMPLE: Registry[Any] = Registry("sample", "keras.samples", ignored=("dtype",), optional=("extra",))


@SAMPLE.register("alias", limits={"count": at_least(1), "mode": one_of("a", "b"), "rate": above(0)})
def some_entry(
    x: Any,
    count: int = 3,
    *,
    rate: float,
    mode: str = "a",
    flag: bool = False,
    axes: int | tuple[int, ...] = 0,
    extra: float | None = None,
    anything: Any = None,
) -> Any:
    return x, count, rate, mode, flag, axes, extra, anything


def test_arguments() -> None:
    assert SAMPLE.arguments("some_entry") == {
        "count": 3,
        "rate": REQUIRED,
        "mode": "a",
        "flag": False,
        "axes": 0,
        "extra": None,
        "anything": None,
    }


@pytest.mark.parametrize("name", ["some_entry", "SomeEntry", "alias"])
def test_names(name: str) -> None:
    assert SAMPLE.choose(name, {"rate": 1}) == Choice("some_entry", (("rate", 1),))
    assert SAMPLE.class_name(Choice("some_entry")) == "SomeEntry"
    assert SAMPLE.names() == ("some_entry",)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("some_entry(rate=2)", {"rate": 2}),
        ("some_entry(3, 2)", {"rate": 2}),
        ("  some_entry ( 4, rate = 0.5 )  ", {"count": 4, "rate": 0.5}),
        ("alias(rate=1e-3, mode='b', flag=True)", {"rate": 1e-3, "mode": "b", "flag": True}),
        ("alias(rate=1, axes=[0, 1], extra=-2)", {"rate": 1, "axes": (0, 1), "extra": -2}),
        ("alias(rate=1, axes=-1, extra=None)", {"rate": 1, "axes": -1}),
        ("alias(rate=1, anything=[[1, 'a'], (2j, None)])", {"rate": 1, "anything": ((1, "a"), (2j, None))}),
    ],
)
def test_parse(text: str, arguments: dict[str, Any]) -> None:
    choice = SAMPLE.parse(text)
    assert dict(choice.arguments) == arguments
    assert SAMPLE.parse(str(choice)) == choice
    assert SAMPLE.function(choice)("x", **({} if "rate" in arguments else {"rate": 0}))[0] == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unknown sample ''; choose one of: some_entry"),
        ("nothing(", "unknown sample 'nothing'|write name or"),
        ("some_entry", "rate is missing; it takes count=3, rate, mode='a'"),
        ("some_entry(", "write name or name"),
        ("some_entry(rate=1))", "write name or name"),
        ("some_entry(rate=1)(2)", "write name or name"),
        ("some_entry(rate=1).x", "write name or name"),
        ("some_entry(rate=1, rate=2)", "rate is given twice"),
        ("some_entry(**{'rate': 1})", "write name or name"),
        ("some_entry(1, 2, 3, 4, 5, 6, 7, 8)", "8 values given, it takes 7"),
        ("some_entry(rate=__import__('os'))", "rate must be a number, a string or a list"),
        ("some_entry(rate=open)", "rate must be a finite number, got 'open'"),
        ("some_entry(rate=-open)", "rate must be a number, a string or a list"),
        ("some_entry(rate={})", "rate must be a number, a string or a list"),
        ("some_entry(rate=1, anything={1: 2})", "anything must be a number, a string or a list"),
        ("some_entry(rate=1, anything=b'x')", "anything must be a number, a string or a list"),
        ("some_entry(rate=0)", "rate must be above 0, got 0"),
        ("some_entry(rate=1" + "0" * 400 + ")", "rate must be a finite number"),
        ("some_entry(rate=True)", "rate must be a finite number, got True"),
        ("some_entry(rate='1')", "rate must be a finite number, got '1'"),
        ("some_entry(rate=1, count=1.5)", "count must be a whole number, got 1.5"),
        ("some_entry(rate=1, mode='c')", "mode must be one of a, b, got 'c'"),
        ("some_entry(rate=1, mode=1)", "mode must be a name, got 1"),
        ("some_entry(rate=1, flag=0)", "flag must be True or False, got 0"),
        ("some_entry(rate=1, axes=[0.5])", "axes must be a whole number or whole numbers"),
        ("some_entry(rate=1, extra='a')", "extra must be a finite number or None, got 'a'"),
        ("some_entry(rate=1, count=0)", "count must be at least 1, got 0"),
        ("some_entry(rate=1, x=3)", "unknown argument 'x'; it takes count=3, rate, mode='a'"),
        ("some_entry(rate=" + "(" * 300 + ")" * 300 + ")", "write name or name|must be a number"),
        ("some_entry(rate=1, anything=" + "[" * 50 + "]" * 50 + ")", "anything must be a number, a string"),
        ("some_entry(anything='" + "x" * 1000 + "')", "write name or name"),
        ("a\nb", r"unknown sample 'a\\nb'"),
    ],
)
def test_parse_refuses(text: str, message: str) -> None:
    with refused(LayerError, message):
        SAMPLE.parse(text)


def fault(call: Callable[[Any], Choice], value: Any) -> str:
    """The message of the only error allowed, or nothing."""
    try:
        call(value)
    except LayerError as error:
        return str(error)
    return ""


@given(st.text(max_size=60))
def test_parse_raises_nothing_else(text: str) -> None:
    for candidate in (text, f"some_entry({text}", f"some_entry(rate={text})"):
        assert "\n" not in fault(SAMPLE.parse, candidate)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(plain)
def test_text_round_trip(value: Any) -> None:
    choice = SAMPLE.choose("alias", {"rate": 1, "anything": value})
    assert len(str(choice)) > 900 or SAMPLE.parse(str(choice)) == choice
    again = SAMPLE.from_config(json.loads(json.dumps(SAMPLE.to_config(choice))))
    assert again == choice
    hash(choice)


def test_numpy_values() -> None:
    choice = SAMPLE.choose("alias", {"rate": np.float64(0.5), "axes": np.array([0, 1]), "count": np.int64(4)})
    assert choice == Choice("some_entry", (("count", 4), ("rate", 0.5), ("axes", (0, 1))))
    assert all(not isinstance(value, np.generic) for _, value in choice.arguments)


def test_defaults_are_left_out() -> None:
    assert str(ACTIVATIONS.parse("leaky_relu(negative_slope=0.2)")) == "leaky_relu"
    assert ast.literal_eval(repr(ACTIVATIONS.parse("relu(max_value=6)").arguments)) == (("max_value", 6),)


def same(value: Any, other: Any) -> bool:
    """Equal, floats to float32's precision: some of Keras's classes keep their argument in it."""
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=1e-7)
    return bool(value == other)


@pytest.mark.parametrize(("registry", "entry"), OBJECTS)
def test_reads_what_keras_writes(registry: Registry[Any], entry: dict[str, Any]) -> None:
    if registry is ACTIVATIONS and entry["name"] == "threshold":
        with pytest.raises(LayerError, match="threshold is missing"):  # nor can Keras call what it wrote
            registry.from_config(entry["config"])
        return
    choice = registry.from_config(entry["config"])
    if registry is ACTIVATIONS:  # Keras writes an activation function's name only
        assert choice == Choice(entry["name"])
        return
    expected = registry.choose(entry["name"], entry["arguments"])
    assert choice.name == expected.name
    ours, theirs = (registry.arguments(one.name) | dict(one.arguments) for one in (choice, expected))
    assert all(same(value, theirs[key]) for key, value in ours.items())


@pytest.mark.parametrize("entry", RECORDED["layers"], ids=lambda entry: str(entry["name"]))
def test_reads_keras_activation_layers(entry: dict[str, Any]) -> None:
    choice = ACTIVATIONS.from_config(entry["config"])
    if entry["name"] == "Activation":
        assert choice == Choice(entry["arguments"]["activation"])
        return
    assert choice == ACTIVATIONS.choose(entry["name"], entry["arguments"])
    if choice.arguments:
        ours, theirs = ACTIVATIONS.to_config(choice), entry["config"]
        assert isinstance(ours, Mapping)
        assert {k: v for k, v in ours.items() if k != "config"} == {
            k: v for k, v in theirs.items() if k != "config"
        }
        assert ours["config"].items() <= theirs["config"].items()


@pytest.mark.parametrize(("registry", "entry"), [row for row in OBJECTS if "activations" not in str(row.id)])
def test_writes_what_keras_writes(registry: Registry[Any], entry: dict[str, Any]) -> None:
    ours = registry.to_config(registry.choose(entry["name"], entry["arguments"]))
    theirs = entry["config"]
    assert isinstance(ours, Mapping)
    for key in ("module", "class_name", "registered_name"):
        assert ours[key] == theirs[key]
    left_out = {key for key in theirs["config"] if key not in ours["config"]}
    assert left_out <= {"input_axes", "output_axes"}
    assert all(theirs["config"][key] is None for key in left_out)
    assert all(same(ours["config"][key], theirs["config"][key]) for key in set(theirs["config"]) - left_out)


@pytest.mark.parametrize("module", REGISTRIES)
def test_every_entry_round_trips(module: str) -> None:
    registry = REGISTRIES[module]
    for name in registry.names():
        example = registry.entry(name).example
        choice = registry.parse(example) if example else registry.choose(name, NEEDED.get(name))
        config = registry.to_config(choice)
        assert registry.from_config(json.loads(json.dumps(config))) == choice
        assert registry.from_config(choice) == choice
        assert registry.in_keras(choice) == (isinstance(config, str) or config["module"].startswith("keras."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relu", "relu"),
        ("swish", "silu"),
        ("relu(max_value=6)", "ReLU"),
        ("leaky_relu(0.1)", "LeakyReLU"),
        ("elu(2)", "ELU"),
        ("softmax(axis=2)", "Softmax"),
        ("gelu(approximate=True)", None),
        ("threshold(0, 1)", None),
        ("relu(threshold=-1)", None),
        ("leaky_relu(-0.5)", None),
    ],
)
def test_form_of_activations(text: str, expected: str | None) -> None:
    choice = ACTIVATIONS.parse(text)
    config = ACTIVATIONS.to_config(choice)
    assert ACTIVATIONS.in_keras(choice) == (expected is not None)
    if isinstance(config, str):
        assert config == expected
    elif expected is None:
        assert config["registered_name"] == f"dwconv_cli>{choice.name}"
    else:
        assert (config["module"], config["class_name"]) == ("keras.layers", expected)


SEED = {"module": "keras.random", "class_name": "SeedGenerator", "config": {"seed": 3, "name": "g"}}
ARRAY = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}


@pytest.mark.parametrize(
    ("registry", "config", "expected"),
    [
        # Keras 2: no module, no registered_name
        (
            INITIALIZERS,
            {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}},
            "glorot_uniform",
        ),
        (INITIALIZERS, {"class_name": "Zeros", "config": {}}, "zeros"),
        (INITIALIZERS, {"class_name": "Zeros"}, "zeros"),
        (INITIALIZERS, {"class_name": "RandomNormal", "config": {"seed": SEED}}, "random_normal(seed=3)"),
        (INITIALIZERS, {"class_name": "Constant", "config": {"value": ARRAY}}, "constant([1.0, 2.0])"),
        (REGULARIZERS, {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}}, "l1_l2(l2=0.5)"),
        (
            CONSTRAINTS,
            {"class_name": "MaxNorm", "config": {"max_value": 3, "axis": [0, 1]}},
            "max_norm(3, [0, 1])",
        ),
        (ACTIVATIONS, {"class_name": "LeakyReLU", "config": {"name": "x", "alpha": 0.5}}, "leaky_relu(0.5)"),
        (ACTIVATIONS, {"class_name": "ThresholdedReLU", "config": {"theta": 0.5}}, "threshold(0.5, 0.0)"),
        (
            ACTIVATIONS,
            {"class_name": "Activation", "config": {"activation": "tanh", "dtype": "float32"}},
            "tanh",
        ),
        (ACTIVATIONS, {"class_name": "Activation", "config": {"activation": {"class_name": "ELU"}}}, "elu"),
        (
            ACTIVATIONS,
            {"class_name": "ReLU", "config": {"max_value": 6.0, "trainable": True}},
            "relu(max_value=6.0)",
        ),
        (ACTIVATIONS, {"class_name": "Activation", "config": {"activation": None}}, "linear"),
        # tf-keras and Keras 3
        (
            ACTIVATIONS,
            {
                "module": "tf_keras.activations",
                "class_name": "function",
                "config": "relu",
                "registered_name": "relu",
            },
            "relu",
        ),
        (
            ACTIVATIONS,
            {"module": "builtins", "class_name": "function", "config": "gelu", "registered_name": "function"},
            "gelu",
        ),
        (ACTIVATIONS, {"module": "keras.src.layers.activations", "class_name": "ELU", "config": {}}, "elu"),
    ],
)
def test_other_writings(registry: Registry[Any], config: dict[str, Any], expected: str) -> None:
    assert registry.from_config(config) == registry.parse(expected)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("nope", "unknown activation 'nope'"),
        (None, "expected a name or a serialized object, got None"),
        (3, "expected a name or a serialized object, got 3"),
        ([], "expected a name"),
        ({}, "expected a name"),
        ({"class_name": None}, "expected a name"),
        ({"class_name": "PReLU", "config": {}}, "activation PReLU: it has weights of its own"),
        ({"class_name": "__lambda__", "config": {"value": "4wEAAA=="}}, "unknown activation '__lambda__'"),
        ({"class_name": "Lambda", "config": {}, "module": "keras.layers"}, "unknown activation 'Lambda'"),
        ({"class_name": "ReLU", "config": "x"}, "cannot read its config 'x'"),
        ({"class_name": "ReLU", "config": {3: 4}}, "cannot read its config"),
        (
            {"class_name": "ReLU", "config": {"max_value": {"a": 1}}},
            "max_value must be a number, a string or a list",
        ),
        ({"class_name": "ReLU", "config": {"slope": 1}}, "relu: unknown argument 'slope'"),
        ({"class_name": "Softmax", "config": {"axis": 1}}, "axis must be one of -1, 2"),
        ({"class_name": "function", "config": "nope"}, "unknown activation 'nope'"),
        ({"class_name": "function", "config": {}}, "unknown activation 'function'"),
        (
            {"class_name": "Activation", "config": {"activation": {"class_name": "Activation"}}},
            "unknown activation 'Activation'",
        ),
        ({"class_name": "Activation", "config": {"activation": []}}, "expected a name"),
        ({"class_name": "ReLU", "config": {"max_value": {"class_name": []}}}, "max_value must be a number"),
        # the names of Keras's own, in another package or none
        (
            {"module": "mine.layers", "class_name": "ReLU", "config": {}},
            "'ReLU' of 'mine.layers': a custom object",
        ),
        ({"module": "kerasx", "class_name": "ReLU", "config": {}}, "a custom object"),
        ({"module": None, "class_name": "ReLU", "config": {}}, "a custom object"),
        ({"class_name": "ReLU", "registered_name": "mine>ReLU"}, "'mine>ReLU' of 'keras': a custom object"),
        (
            {
                "module": "builtins",
                "class_name": "function",
                "config": "relu",
                "registered_name": "mine>relu",
            },
            "'mine>relu' of 'builtins': a custom object",
        ),
        ({"class_name": "Custom>Swish", "config": {}}, "unknown activation 'Custom>Swish'"),
    ],
)
def test_from_config_refuses(config: Any, message: str) -> None:
    with refused(LayerError, message):
        ACTIVATIONS.from_config(config)


def test_a_choice_of_another_catalogue() -> None:
    with pytest.raises(LayerError, match="unknown constraint 'relu'"):
        CONSTRAINTS.from_config(Choice("relu"))


@given(
    st.recursive(
        plain,
        lambda inner: st.dictionaries(
            st.sampled_from(
                ["class_name", "config", "module", "registered_name", "activation", "value", "x"]
            ),
            inner,
            max_size=4,
        ),
    )
)
def test_from_config_raises_nothing_else(config: Any) -> None:
    for value in (
        config,
        {"class_name": "ReLU", "config": config},
        {"class_name": "Activation", "config": config},
    ):
        assert "\n" not in fault(ACTIVATIONS.from_config, value)
