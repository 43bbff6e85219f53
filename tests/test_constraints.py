"""Constraints against Keras's recorded projections."""

from __future__ import annotations

import numpy as np
import pytest
from checks import recorded, refused

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS

RECORDED = recorded("catalogues")[0]["constraints"]
CHOICES = [CONSTRAINTS.choose(entry["name"], entry["arguments"]) for entry in RECORDED]


def test_every_name_is_recorded() -> None:
    assert {choice.name for choice in CHOICES} == set(CONSTRAINTS.names())


@pytest.mark.parametrize("index", range(len(CHOICES)), ids=[str(choice) for choice in CHOICES])
def test_keras(index: int) -> None:
    arrays = recorded("catalogues")[1]
    # Which is read-only: a projection may not change what it is given.
    result = CONSTRAINTS.function(CHOICES[index])(arrays["weights"])
    assert result.dtype == np.float32
    np.testing.assert_array_max_ulp(result, arrays[f"constraints/{index}"], maxulp=4)


@pytest.mark.parametrize(
    ("text", "w", "expected"),
    [
        ("max_norm(5)", [6, 8], [3, 4]),
        ("max_norm(5)", [3, 4], [3, 4]),
        ("unit_norm", [3, 4], [0.6, 0.8]),
        ("unit_norm", [0, 0], [0, 0]),
        ("unit_norm", [3, 4j], [0.6, 0.8j]),
        ("min_max_norm(min_value=10, max_value=20)", [3, 4], [6, 8]),
        ("min_max_norm(min_value=10, max_value=20, rate=0.5)", [3, 4], [4.5, 6]),
        ("non_neg", [-1, 2], [0, 2]),
        ("unit_norm(axis=1)", [[3, 4], [5, 12]], [[0.6, 0.8], [5 / 13, 12 / 13]]),
        ("unit_norm(axis=[0, 1])", [[3, 0], [0, 4]], [[0.6, 0], [0, 0.8]]),
    ],
)
def test_by_hand(text: str, w: list[complex], expected: list[complex]) -> None:
    array = np.array(w)
    array = array.astype(np.result_type(array, np.float32))
    result = CONSTRAINTS.function(CONSTRAINTS.parse(text))(array)
    assert result.dtype == array.dtype
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("alias", ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"])
def test_aliases(alias: str) -> None:
    assert CONSTRAINTS.class_name(CONSTRAINTS.parse(alias)) == alias


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_norm(-1)", "max_value must be at least 0"),
        ("max_norm(axis='a')", "axis must be a whole number or whole numbers, got 'a'"),
        ("max_norm(axis=3)", r"weights of shape \(5, 3, 2\) have no axis 3"),
        ("unit_norm(axis=[0, 0])", r"have no axis \(0, 0\)"),
        ("min_max_norm(2, 1)", "min_value=2 is above max_value=1"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with refused(LayerError, message):
        CONSTRAINTS.function(CONSTRAINTS.parse(text))(np.ones((5, 3, 2), "float32"))


def test_complex_weights_have_no_sign() -> None:
    with pytest.raises(LayerError, match="complex64"):
        CONSTRAINTS.function(CONSTRAINTS.parse("non_neg"))(np.ones(2, "complex64"))
