"""Blocks through the engine: the same bits as the whole array, in whatever order it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import strategies
from checks import able, assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli import LayerSpec, Weights, depthwise_conv1d
from dwconv_cli.convolution.algorithms import ALGORITHMS
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.errors import DwconvError, InputError, LayerError
from dwconv_cli.jobs import transfer
from dwconv_cli.jobs.tally import Tally
from dwconv_cli.jobs.transfer import Transfer
from dwconv_cli.layer.axes import Axes
from dwconv_cli.layer.registry import Choice

Array = np.ndarray[Any, Any]


class MemoryReader:
    """An array behind the readers' protocol; a sequential one refuses to go back."""

    name = "memory"

    def __init__(
        self,
        data: Array,
        fortran: bool = False,
        sequential: bool = False,
        chunks: tuple[int, ...] | None = None,
    ) -> None:
        self.data, self.fortran, self.sequential, self.chunks = data, fortran, sequential, chunks
        self.shape, self.dtype = data.shape, data.dtype
        self.attributes: dict[str, Any] = {}
        self.storage: dict[str, Any] = {}
        self.largest = 0
        self._places = np.arange(data.size).reshape(data.shape, order="F" if fortran else "C")
        self._at = -1

    def read(self, selection: tuple[slice, ...], out: Array) -> None:
        assert out.shape == self.data[selection].shape
        self.largest = max(self.largest, out.size)
        if self.sequential:
            places = self._places[selection].ravel(order="F" if self.fortran else "C")
            assert places[0] > self._at
            assert (np.diff(places) > 0).all()
            self._at = places[-1]
        out[...] = self.data[selection]

    def spool(self) -> None:
        self.sequential = False

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


class MemoryWriter:
    """The writers' protocol into an array; every place once, and a sequential one without a jump."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, sequential: bool = False) -> None:
        self.array = np.zeros(shape, dtype)
        self.sequential = sequential
        self.written = np.zeros(shape, int)
        self._at = 0
        self._places = np.arange(self.array.size).reshape(shape)

    def spool(self) -> None:
        self.sequential = False

    def write(self, selection: tuple[slice, ...], block: Array) -> None:
        assert block.shape == self.array[selection].shape
        assert block.dtype == self.array.dtype
        if self.sequential:
            places = self._places[selection].ravel()
            assert np.array_equal(places, np.arange(self._at, self._at + places.size))
            self._at += places.size
        self.array[selection] = block
        self.written[selection] += 1

    def commit(self) -> None:
        pass

    def abort(self) -> None:
        pass


def moved(
    case: strategies.Case,
    reader: MemoryReader | None = None,
    *,
    in_order: bool = False,
    steps: slice = slice(None),
    tally: Tally | None = None,
    activation: str = "linear",
    algorithm: str = "auto",
) -> tuple[Array, Array]:
    """The output by blocks and by the whole; `in_order` if the writer cannot go back."""
    reader = reader or MemoryReader(case.inputs)
    axes = Axes(case.inputs.ndim, case.layer.data_format)
    part = slice(*steps.indices(case.steps)[:2])
    x = case.inputs[axes.arrange(slice(None), part, slice(None))]
    options = {"activation": activation, "algorithm": algorithm}
    whole = depthwise_conv1d(x, case.kernel, case.bias, **case.arguments, **options)
    spec, weights = case.layer.spec(activation=activation), Weights(case.kernel, case.bias)
    conv = Convolution(spec, weights, case.layer.channels, x.dtype, algorithm=algorithm)
    writer = MemoryWriter(whole.shape, whole.dtype, in_order)
    Transfer(reader, writer, conv, axes, part, tally or Tally(None, 1)).run()
    assert (writer.written == 1).all()
    return writer.array, whole


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(
    st.data(),
    st.one_of(
        strategies.float_cases(dtypes=("float32", "float64", "float16"), max_exponent=3),
        strategies.float_cases(strategies.layers(max_kernel_size=3, max_strides=9), max_steps=200),
        strategies.nonfinite_cases(),
    ),
    st.sampled_from(("linear", "linear", "tanh", "softmax", "sparsemax")),
    st.sampled_from((16, 64, 400, 1 << 20)),
    st.tuples(*[st.booleans()] * 4),
)
def test_any_cut_is_the_whole(
    algorithm: str,
    data: st.DataObject,
    case: strategies.Case,
    activation: str,
    block_bytes: int,
    flags: tuple[bool, bool, bool, bool],
) -> None:
    fortran, reads_on, in_order, chunked = flags
    shape = case.inputs.shape
    chunks = tuple(data.draw(st.integers(1, size), "chunk") for size in shape) if chunked else None
    fewest = case.layer.effective_kernel_size if case.layer.padding == "valid" else 1
    start = data.draw(st.integers(0, case.steps - fewest), "start")
    steps = slice(start, data.draw(st.integers(start + fewest, case.steps), "stop"))
    reader = MemoryReader(case.inputs, fortran, reads_on, chunks)
    algorithm = able(algorithm, case.layer.spec(), case.layer.channels, case.inputs.dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "BLOCK_BYTES", block_bytes)
        assert_same_bits(
            *moved(case, reader, in_order=in_order, steps=steps, activation=activation, algorithm=algorithm)
        )


def plain_case(shape: tuple[int, ...], data_format: str = "channels_last", **layer: Any) -> strategies.Case:
    rng = np.random.default_rng(9)
    channels = 1 if len(shape) == 1 else shape[-1 if data_format == "channels_last" else -2]
    spec = strategies.Layer(
        **{"kernel_size": 3, "channels": channels, "data_format": data_format, "use_bias": False, **layer}
    )
    kernel = rng.standard_normal((spec.kernel_size, channels, spec.depth_multiplier)).astype(np.float32)
    return strategies.Case(spec, rng.standard_normal(shape).astype(np.float32), kernel, None)


@pytest.mark.parametrize(
    "shape, data_format, multiplier",
    [
        ((9000,), "channels_last", 1),
        ((9000,), "channels_first", 2),
        ((3000, 4), "channels_last", 2),
        ((1, 9000), "channels_first", 1),
        ((50, 100, 3), "channels_last", 1),
        ((50, 3, 100), "channels_first", 2),
    ],
)
def test_pipes_are_not_spooled_without_need(
    shape: tuple[int, ...], data_format: str, multiplier: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BLOCK_BYTES", 4096)
    case = plain_case(shape, data_format, depth_multiplier=multiplier)
    reader = MemoryReader(case.inputs, sequential=True)
    assert_same_bits(*moved(case, reader, in_order=True))
    assert reader.sequential
    assert reader.largest <= 1024


def test_an_error_of_the_reader_or_the_writer_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BLOCK_BYTES", 256)
    case = plain_case((900, 2))

    class Broken(MemoryReader):
        def read(self, selection: tuple[slice, ...], out: Array) -> None:
            if selection[0].start > 300:
                raise InputError("cannot go on")
            super().read(selection, out)

    with pytest.raises(InputError, match="cannot go on"):
        moved(case, Broken(case.inputs))

    def full(self: Any, selection: tuple[slice, ...], block: Array) -> None:
        raise OSError("full")

    monkeypatch.setattr(MemoryWriter, "write", full)
    with pytest.raises(OSError, match="full"):
        moved(case)


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
def test_tally(block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BLOCK_BYTES", block_bytes)
    case = plain_case((4, 100, 2))
    case.inputs[0, 50, 0] = np.nan
    case.inputs[1, 0, 1] = np.inf
    tally = Tally(Choice("l1_l2", (("l1", 0.5), ("l2", 0.25))), 4)
    assert_same_bits(*moved(case, tally=tally))
    # The NaN is under 3 outputs; the Inf stands at the border, under one.
    assert (tally.input, tally.output) == (2, 4)
    assert not np.isfinite(tally.penalty)
    case.inputs[~np.isfinite(case.inputs)] = 0
    tally = Tally(Choice("l1_l2", (("l1", 0.5), ("l2", 0.25))), 4)
    wide = moved(case, tally=tally)[0].astype(np.float64)
    # Keras divides by the batch.
    assert tally.penalty == pytest.approx((0.5 * np.abs(wide).sum() + 0.25 * (wide**2).sum()) / 4, rel=1e-6)


@pytest.mark.parametrize("mode, fate", [("propagate", np.nan), ("zero", 0.0)])
def test_nan_in_the_data(mode: str, fate: float) -> None:
    case = plain_case((20, 1), kernel_size=1)
    case.kernel[...] = 2
    case.inputs[7], case.inputs[9] = np.nan, -np.inf
    tally = Tally(None, 1, mode)
    outputs, _ = moved(case, tally=tally)
    assert np.array_equal(outputs[[7, 9], 0], [fate, -np.inf], equal_nan=True)
    assert tally.input == 2


def test_nan_as_an_error() -> None:
    case = plain_case((20, 1))
    case.inputs[7] = np.inf
    moved(case, tally=Tally(None, 1, "error", "rec.npy"))
    case.inputs[7] = np.nan
    with pytest.raises(InputError, match=r"rec.npy: holds NaN"):
        moved(case, tally=Tally(None, 1, "error", "rec.npy"))


def test_a_penalty_that_needs_a_matrix() -> None:
    with pytest.raises(LayerError, match="activity_regularizer orthogonal_regularizer"):
        Tally(Choice("orthogonal_regularizer"), 1)


def test_an_activation_that_cannot_fit() -> None:
    case = plain_case((2, 50_000), "channels_first")
    spec = LayerSpec(kernel_size=3, data_format="channels_first", activation="softmax")
    conv = Convolution(spec, Weights(case.kernel), 2, np.float32)
    writer = MemoryWriter((2, 49_998), np.float32)
    with pytest.raises(DwconvError, match=r"softmax over all steps needs .* memory_limit="):
        Transfer(
            MemoryReader(case.inputs),
            writer,
            conv,
            Axes(2, "channels_first"),
            slice(0, 50_000),
            Tally(None, 1),
            memory=1 << 16,
        )
