"""Initializers against Keras's recorded numbers."""

from __future__ import annotations

import numpy as np
import pytest
from checks import recorded, refused

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.catalogues.designs import DESIGNS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS, compute_fans

RECORDED = recorded("catalogues")[0]
SHAPES = [tuple(shape) for shape in RECORDED["shapes"]]
CHOICES = [INITIALIZERS.choose(entry["name"], entry["arguments"]) for entry in RECORDED["initializers"]]
RANDOM = [choice for choice in CHOICES if "seed" in INITIALIZERS.arguments(choice.name)]


def test_every_name_is_recorded() -> None:
    recorded = {choice.name for choice in CHOICES}
    assert recorded | {*DESIGNS.names()} | {"identity"} == set(INITIALIZERS.names())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("index", range(len(CHOICES)), ids=[str(choice) for choice in CHOICES])
def test_keras(index: int, shape: tuple[int, ...]) -> None:
    expected = recorded("catalogues")[1][f"initializers/{index}/{'x'.join(map(str, shape))}"]
    choice = CHOICES[index]
    result = INITIALIZERS.function(choice)(shape, "float32")
    assert result.dtype == np.float32
    if choice.name in {"orthogonal", "stft"}:  # LAPACK's and libm's last bits differ between machines
        np.testing.assert_allclose(result, expected, rtol=0, atol=4e-6)
    else:
        assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_dtype_and_shape(choice: object, dtype: str) -> None:
    result = INITIALIZERS.function(choice)((5, 3, 2), dtype)
    assert result.dtype == dtype
    assert result.shape == (5, 3, 2)
    assert np.isfinite(result).all()
    assert result.flags.writeable


@pytest.mark.parametrize("name", sorted({choice.name for choice in RANDOM}))
def test_without_a_seed_every_call_differs(name: str) -> None:
    draw = INITIALIZERS.function(INITIALIZERS.choose(name))
    assert not np.array_equal(draw((5, 3, 2), "float32"), draw((5, 3, 2), "float32"))


def test_identity() -> None:
    result = INITIALIZERS.function(INITIALIZERS.parse("identity(gain=2)"))((2, 3), "float64")
    assert result.tolist() == [[2, 0, 0], [0, 2, 0]]


def test_constant_broadcasts() -> None:
    result = INITIALIZERS.function(INITIALIZERS.parse("constant([1, 2])"))((2, 1, 2), "float32")
    assert result.tolist() == [[[1, 2]], [[1, 2]]]


def test_stft_is_the_same_for_every_channel() -> None:
    result = INITIALIZERS.function(INITIALIZERS.parse("stft"))((8, 3, 5), "float32")
    assert (result == result[:, :1]).all()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (((9, 4, 2),), (36, 18)),
        (((9, 4),), (9, 4)),
        (((9,),), (9, 9)),
        (((),), (1, 1)),
        (((9, 4, 2), (0,), (1, 2)), (9, 8)),
        (((9, 4, 2), (0,), None), (36, 18)),
    ],
)
def test_fans(arguments: tuple[tuple[int, ...], ...], expected: tuple[int, int]) -> None:
    assert compute_fans(*arguments) == expected


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("zero", "zeros"),
        ("one", "ones"),
        ("normal", "random_normal"),
        ("uniform", "random_uniform"),
        ("IdentityInitializer", "identity"),
        ("OrthogonalInitializer", "orthogonal"),
        ("STFTInitializer", "stft"),
        ("STFT", "stft"),
        ("GlorotUniform", "glorot_uniform"),
        ("HeNormal", "he_normal"),
        ("VarianceScaling", "variance_scaling"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert INITIALIZERS.parse(alias).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("identity", "matrices only"),
        ("random_normal(seed=-1)", "seed must be from 0 to 4294967295, got -1"),
        ("random_normal(seed=4294967296)", "seed must be from 0 to"),
        ("random_normal(seed=1.5)", "seed must be a whole number or None, got 1.5"),
        ("random_normal(seed=True)", "seed must be a whole number"),
        ("random_normal(stddev=-1)", "stddev must be at least 0"),
        ("random_uniform(2, 1)", "minval=2 is above maxval=1"),
        ("variance_scaling(scale=0)", "scale must be above 0"),
        ("variance_scaling(mode='fan')", "mode must be one of fan_in, fan_out, fan_avg, got 'fan'"),
        ("variance_scaling(distribution='x')", "distribution must be one of"),
        ("glorot_uniform(input_axes=[9], output_axes=[0])", "has no such axis"),
        ("constant('a')", "value must be a number or a list of numbers, got 'a'"),
        ("constant([1, 2, 3])", r"value does not fit shape \(5, 4, 2\)"),
        ("constant(1j)", "value does not fit"),
        ("stft(side='both')", "side must be one of real, imag, got 'both'"),
        ("stft(window='nope')", "window must be .*a window of scipy.signal.windows .* got 'nope'"),
        ("stft(window=kaiser)", "window must be .* that needs no parameter"),
        ("stft(window=[1, 2])", "window has 2 values, the kernel 5 taps"),
        ("stft(window=[0, 0, 0, 0, 0])", "has the norm 0.0"),
        ("stft(scaling='x')", "scaling must be one of density, spectrum, None"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with refused(LayerError, message):
        INITIALIZERS.function(INITIALIZERS.parse(text))((5, 4, 2), "float32")


@pytest.mark.parametrize(("name", "shape"), [("orthogonal", (5,)), ("stft", (5, 4)), ("stft", (5, 4, 1))])
def test_impossible_shapes(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(LayerError, match=f"initializer {name}: it needs"):
        INITIALIZERS.function(INITIALIZERS.choose(name))(shape, "float32")
