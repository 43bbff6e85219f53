"""Regularizers against Keras's recorded penalties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from checks import recorded

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS

RECORDED = recorded("catalogues")[0]["regularizers"]
CHOICES = [REGULARIZERS.choose(entry["name"], entry["arguments"]) for entry in RECORDED]


def test_every_name_is_recorded() -> None:
    assert {choice.name for choice in CHOICES} == set(REGULARIZERS.names())


@pytest.mark.parametrize("index", range(len(CHOICES)), ids=[str(choice) for choice in CHOICES])
def test_keras(index: int) -> None:
    choice = CHOICES[index]
    weights = recorded("catalogues")[1]["weights"]
    x = weights[:, :, 0] if choice.name == "orthogonal_regularizer" else weights
    penalty = REGULARIZERS.function(choice)(x)
    assert isinstance(penalty, float)
    assert penalty == pytest.approx(RECORDED[index]["penalty"], rel=1e-6)


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("l1(0.5)", [3, -4], 3.5),
        ("l2(0.5)", [3, -4], 12.5),
        ("l1_l2(l1=1, l2=2)", [3, -4], 57),
        ("l1_l2", [3, -4], 0),
        ("l1(1)", [3 + 4j], 5),
        ("l2(1)", [3 + 4j], 25),
        ("l2(1)", [], 0),
        ("orthogonal_regularizer(1)", [[3, 0], [0, 2]], 0),
        ("orthogonal_regularizer(1)", [[3, 0], [-2, 0]], 1),
        ("orthogonal_regularizer(1)", [[3, 0], [0, 0]], 0),
        ("orthogonal_regularizer(1)", [[3, 0]], 0),
        ("orthogonal_regularizer(1, 'columns')", [[1, 1], [1, -1], [0, 0]], 0),
        ("orthogonal_regularizer(1, 'columns')", [[1, 1], [0, 1]], math.sqrt(0.5)),
    ],
)
def test_by_hand(text: str, x: list[complex], expected: float) -> None:
    array = np.array(x)
    penalty = REGULARIZERS.function(REGULARIZERS.parse(text))(array.astype(np.result_type(array, np.float32)))
    assert penalty == pytest.approx(expected, abs=1e-12)


def test_sums_in_double() -> None:
    x = np.full(10**6, 0.1, "float32")
    assert REGULARIZERS.function(REGULARIZERS.parse("l1(1)"))(x) == pytest.approx(
        float(x[0]) * 10**6, rel=1e-12
    )
    assert REGULARIZERS.function(REGULARIZERS.parse("l2(1)"))(np.array([1e30], "float32")) == pytest.approx(
        1e60
    )


@pytest.mark.parametrize("alias", ["L1L2", "l1l2", "l1_l2"])
def test_aliases(alias: str) -> None:
    assert REGULARIZERS.parse(alias).name == "l1_l2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("l1(-1)", "regularizer l1: l1 must be at least 0, got -1"),
        ("l2('a')", "l2 must be a finite number, got 'a'"),
        ("orthogonal_regularizer(mode='diagonal')", "mode must be one of rows, columns"),
        ("l3", "unknown regularizer 'l3'"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(LayerError, match=message):
        REGULARIZERS.parse(text)


def test_orthogonality_of_a_kernel_is_refused() -> None:
    with pytest.raises(LayerError, match=r"needs a matrix, not an array of shape \(5, 3, 2\)"):
        REGULARIZERS.function(REGULARIZERS.parse("orthogonal_regularizer"))(np.ones((5, 3, 2)))
