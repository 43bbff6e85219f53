"""Kernels and biases out of files and into them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import oracle
import pytest
from checks import refused

from dwconv_cli import LayerSpec, Weights, depthwise_conv1d, load_weights, save_weights
from dwconv_cli.errors import DwconvError, InputError, LayerError, OutputError, ShapeError
from dwconv_cli.weights.load import LoadedWeights, checksum, load_kernel

Array = np.ndarray[Any, Any]

GOLDEN = Path(__file__).resolve().parent / "golden" / "keras"
KERNEL = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
BIAS = np.arange(6, dtype=np.float32) - 2


def write(path: Path, arrays: dict[str, Array]) -> str:
    """A file of arrays with these names, or of one array without a name, as the suffix says."""
    if path.suffix == ".npy":
        np.save(path, *arrays.values())
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    return str(path)


class TestLayouts:
    def fit(self, kernel: Array, layout: str = "keras", bias: Array | None = None, **more: Any) -> Weights:
        return LoadedWeights("k.npy", kernel, bias, layout).fit(**more)

    def test_full(self) -> None:
        weights = self.fit(KERNEL, bias=BIAS, channels=3, depth_multiplier=2)
        assert np.array_equal(weights.kernel, KERNEL)
        assert weights.bias is BIAS
        assert not weights.shared

    def test_one_filter_a_channel(self) -> None:
        assert np.array_equal(self.fit(KERNEL[..., 0]).kernel, KERNEL[..., :1])

    def test_one_filter_for_all(self) -> None:
        weights = self.fit(KERNEL[:, 0, 0], channels=17)
        assert weights.shared
        assert weights.kernel.shape == (4, 1, 1)
        assert weights.for_channels(17).kernel.shape == (4, 17, 1)

    @pytest.mark.parametrize(
        "named", [{"channels": 3}, {"depth_multiplier": 2}, {"channels": 3, "depth_multiplier": 2}]
    )
    def test_torch(self, named: dict[str, int]) -> None:
        """``torch.nn.Conv1d(3, 6, 4, groups=3)`` holds (6, 1, 4); output c*M + m has row c*M + m."""
        theirs = np.empty((6, 1, 4), np.float32)
        for c in range(3):
            for m in range(2):
                theirs[c * 2 + m, 0] = KERNEL[:, c, m]
        assert np.array_equal(self.fit(theirs, "torch", **named).kernel, KERNEL)

    @pytest.mark.parametrize(
        "channels, multiplier, taps", [(1, 1, 1), (1, 3, 4), (4, 1, 2), (3, 2, 5), (2, 4, 3)]
    )
    def test_torch_by_its_definition(self, channels: int, multiplier: int, taps: int) -> None:
        rng = np.random.default_rng(channels)
        theirs = rng.integers(-9, 9, (channels * multiplier, 1, taps)).astype(np.float64)
        x = rng.integers(-9, 9, (9, channels)).astype(np.float64)
        kernel = self.fit(theirs, "torch", channels=channels).kernel
        for j, outputs in enumerate(oracle.depthwise_conv1d(x, kernel).T):
            # torch's documentation of Conv1d: out[j] is the correlation of row j with the input of its group.
            assert np.array_equal(outputs, oracle.depthwise_conv1d(x[:, j // multiplier], theirs[j, 0]))

    @pytest.mark.parametrize(
        "shape, layout, named, message",
        [
            ((), "keras", {}, r"\(K, C, M\), \(K, C\) or \(K,\), found \(\)"),
            ((1, 2, 3, 4), "keras", {}, "found"),
            ((0,), "keras", {}, "found"),
            ((3, 0, 2), "keras", {}, "found"),
            ((4, 3, 2), "keras", {"channels": 6}, r"for 3 channels, the data has 6; give a kernel for 6 channels"),
            ((4, 3), "keras", {"channels": 6}, "for 3 channels, the data has 6"),
            ((6, 1, 4), "keras", {"channels": 6}, "torch's .*layout='torch'"),
            ((6, 1, 4), "keras", {"channels": 3}, "layout='torch'"),
            ((6, 1, 4), "keras", {"channels": 4}, "for 1 channel, the data has 4; give"),
            ((4, 3, 2), "keras", {"depth_multiplier": 3}, "has depth multiplier 2, not 3"),
            ((4,), "keras", {"depth_multiplier": 2}, "has depth multiplier 1, not 2"),
            ((4, 3, 2), "torch", {"channels": 3}, r"\(C\*M, 1, K\), found \(4, 3, 2\)"),
            ((6, 4), "torch", {"channels": 3}, "found"),
            ((0, 1, 4), "torch", {"channels": 3}, "found"),
            ((6, 1, 4), "torch", {"channels": 4}, "do not divide by 4 channels"),
            ((6, 1, 4), "torch", {"channels": 7}, "do not divide by 7 channels"),
            ((6, 1, 4), "torch", {"channels": 3, "depth_multiplier": 1}, "depth multiplier 2, not 1"),
            ((6, 1, 4), "torch", {"depth_multiplier": 4}, "depth multiplier 6, not 4"),
        ],
    )  # fmt: skip
    def test_misfits(self, shape: tuple[int, ...], layout: str, named: dict[str, int], message: str) -> None:
        with refused(ShapeError, f"^k.npy: .*{message}"):
            self.fit(np.ones(shape), layout, **named)

    @pytest.mark.parametrize("shape", [(), (5,), (7,), (1,), (6, 1), (3, 2)])
    def test_bias_of_another_shape(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match="bias"):
            self.fit(KERNEL, bias=np.zeros(shape), channels=3)
        with pytest.raises(ShapeError, match="bias"):
            self.fit(KERNEL[:, 0, 0], bias=np.zeros(shape), channels=6 if shape != (6,) else 3)


class TestLoading:
    @pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
    @pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">f8", "<i2", ">i8", "<c8", "|u1"])
    def test_one_array(self, tmp_path: Path, suffix: str, dtype: str) -> None:
        array = np.asfortranarray(np.arange(12).reshape(4, 3).astype(dtype))
        if suffix == "npy":
            address = write(tmp_path / "k.npy", {"": array})
        else:
            arrays = {"filters/low": array, "filters/high": array + 1}
            address = write(tmp_path / f"k.{suffix}", arrays) + "::filters/low"
        loaded = load_kernel(address)
        assert np.array_equal(loaded.kernel, array)
        assert loaded.kernel.dtype == np.dtype(dtype).newbyteorder("=")
        assert loaded.bias is None
        assert loaded.kernel.flags.c_contiguous

    def test_kernel_and_bias_from_two_files(self, tmp_path: Path) -> None:
        kernel, bias = write(tmp_path / "k.npy", {"": KERNEL}), write(tmp_path / "b.npy", {"": BIAS})
        loaded = load_kernel(kernel, bias)
        assert loaded.bias is not None
        assert np.array_equal(loaded.bias, BIAS)
        assert loaded.sha256 == checksum(KERNEL, BIAS)

    @pytest.mark.parametrize("suffix", ["npz", "h5"])
    @pytest.mark.parametrize("group", ["", "left", "filters/left"])
    @pytest.mark.parametrize("bias", [None, BIAS])
    def test_groups(self, tmp_path: Path, suffix: str, group: str, bias: Array | None) -> None:
        prefix = f"{group}/" if group else ""
        arrays = {f"{prefix}kernel": KERNEL, f"{prefix}gain": np.ones(3), "filters/right/kernel": KERNEL + 1}
        if bias is not None:
            arrays[f"{prefix}bias"] = bias
        path = write(tmp_path / f"w.{suffix}", arrays)
        for address in (f"{path}::{group}", f"{path}::/{group}", f"{path}::{group}/") if group else (path,):
            loaded = load_weights(address)
            assert np.array_equal(loaded.kernel, KERNEL)
            assert (loaded.bias is None) == (bias is None)
            assert bias is None or np.array_equal(loaded.bias, bias)
            assert loaded.config is None

    @pytest.mark.parametrize("suffix", ["npz", "h5"])
    def test_no_kernel_there(self, tmp_path: Path, suffix: str) -> None:
        path = write(tmp_path / f"w.{suffix}", {"taps": KERNEL})
        for address in (path, f"{path}::nowhere"):
            with pytest.raises(
                InputError, match=r"no array 'kernel' there .*taps.*with kernel, e\.g\. .*::/?taps"
            ):
                load_weights(address)

    def test_a_bare_array_is_no_group(self, tmp_path: Path) -> None:
        address = write(tmp_path / "k.npy", {"": KERNEL})
        with pytest.raises(InputError, match=r"holds one array.*give a kernel with kernel"):
            load_weights(address)

    @pytest.mark.parametrize(
        "file, layer, shape, has_bias",
        [
            ("keras3/functional.keras", "conv_a", (3, 3, 2), True),
            ("keras3/functional.keras", "conv_b", (5, 6, 1), False),
            ("keras3/sequential.keras", "depthwise_conv1d_1", (2, 12, 1), True),
            ("keras3/functional.weights.h5", "conv_a", (3, 3, 2), True),
        ],
    )
    def test_a_layer_of_a_keras_file(
        self, file: str, layer: str, shape: tuple[int, ...], has_bias: bool
    ) -> None:
        loaded = load_weights(f"{GOLDEN / file}::{layer}")
        assert loaded.kernel.shape == shape
        assert (loaded.bias is not None) == has_bias
        assert (loaded.config is not None) == file.endswith(".keras")

    @pytest.mark.parametrize(
        "name, message", [("", "holds 2 layers, name one after '::'"), ("::conv_z", "no layer of this name")]
    )
    def test_layers_to_choose_from(self, name: str, message: str) -> None:
        with pytest.raises(InputError, match=f"{message}.*: conv_a, conv_b"):
            load_weights(f"{GOLDEN / 'keras3/functional.keras'}{name}")

    @pytest.mark.parametrize("name", ["k.npy", "k.npz", "k.h5", "k.keras", "k.weights.h5", "k.txt", "k"])
    def test_missing(self, tmp_path: Path, name: str) -> None:
        for load in (load_weights, load_kernel):
            with refused(DwconvError, name):
                load(str(tmp_path / name))

    def test_too_large_for_weights(self, tmp_path: Path) -> None:
        path = tmp_path / "k.npy"
        with path.open("wb") as file:
            np.lib.format.write_array_header_2_0(
                file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 28,)}
            )
            file.truncate(file.tell() + (8 << 28))
        with pytest.raises(InputError, match="too large for weights"):
            load_kernel(str(path))


class TestChecksum:
    def test_is_of_little_endian_rows(self) -> None:
        expected = hashlib.sha256(KERNEL.astype("<f4").tobytes() + BIAS.astype("<f4").tobytes()).hexdigest()
        assert checksum(KERNEL, BIAS) == expected
        assert checksum(KERNEL.astype(">f4"), BIAS.astype(">f4")) == expected
        assert checksum(np.asfortranarray(KERNEL), BIAS) == expected
        wide = np.zeros((8, 3, 2), np.float32)
        wide[::2] = KERNEL
        assert checksum(wide[::2], BIAS) == expected

    def test_tells_apart(self) -> None:
        others = (KERNEL, BIAS), (KERNEL.astype(np.float64), None), (KERNEL + 1, None), (KERNEL, None)
        assert len({checksum(*weights) for weights in others}) == 4


class TestSaving:
    @pytest.mark.parametrize("suffix", ["npz", "h5"])
    @pytest.mark.parametrize("group", ["", "filters/left"])
    @pytest.mark.parametrize("bias", [None, BIAS])
    def test_round_trip(self, tmp_path: Path, suffix: str, group: str, bias: Array | None) -> None:
        address = f"{tmp_path / 'w'}.{suffix}" + (f"::{group}" if group else "")
        save_weights(address, Weights(KERNEL, bias))
        loaded = load_weights(address)
        assert np.array_equal(loaded.kernel, KERNEL)
        assert loaded.kernel.dtype == KERNEL.dtype
        assert (loaded.bias is None) == (bias is None)
        assert bias is None or np.array_equal(loaded.bias, bias)

    def test_npz_is_numpys(self, tmp_path: Path) -> None:
        save_weights(str(tmp_path / "w.npz"), Weights(KERNEL.transpose(2, 1, 0), np.arange(12.0)))
        with np.load(tmp_path / "w.npz", allow_pickle=False) as file:
            assert sorted(file.files) == ["bias", "kernel"]
            assert np.array_equal(file["kernel"], KERNEL.transpose(2, 1, 0))

    def test_shared(self, tmp_path: Path) -> None:
        weights = Weights(KERNEL[:, :1, :1], np.ones(5), shared=True)
        save_weights(str(tmp_path / "w.npz"), weights)
        loaded = load_weights(str(tmp_path / "w.npz"))
        assert loaded.kernel.shape == (4,)
        assert loaded.fit(5).shared

    def test_npy_holds_a_kernel_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "k.npy"
        with pytest.raises(LayerError, match=r"\.npy holds a kernel alone"):
            save_weights(str(path), Weights(KERNEL, BIAS))
        assert not path.exists()
        save_weights(str(path), Weights(KERNEL, np.zeros(6)))
        assert np.array_equal(np.load(path), KERNEL)

    @pytest.mark.parametrize("suffix", ["npy", "npz", "h5"])
    def test_existing(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"w.{suffix}"
        path.write_bytes(b"mine")
        with pytest.raises(OutputError):
            save_weights(str(path), Weights(KERNEL))
        assert path.read_bytes() == b"mine"
        save_weights(str(path), Weights(KERNEL), overwrite=True)
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
        kernel = load_kernel(str(path)).kernel if suffix == "npy" else load_weights(str(path)).kernel
        assert np.array_equal(kernel, KERNEL)

    @pytest.mark.parametrize("name", ["w.txt", "w", "nowhere/w.npz"])
    def test_nowhere_to_write(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(OutputError):
            save_weights(str(tmp_path / name), Weights(KERNEL))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
    def test_keras_files(self, tmp_path: Path, suffix: str) -> None:
        """What is written for Keras is read back as such, with the layer where the format holds it."""
        layer = LayerSpec(kernel_size=4, depth_multiplier=2, padding="same", name="conv", dtype="float32")
        save_weights(str(tmp_path / f"m{suffix}"), Weights(KERNEL, BIAS), layer)
        loaded = load_weights(str(tmp_path / f"m{suffix}"))
        assert np.array_equal(loaded.kernel, KERNEL)
        assert loaded.bias is not None
        assert np.array_equal(loaded.bias, BIAS)
        if suffix == ".keras":
            assert loaded.config is not None
            assert loaded.config["padding"] == "same"

    @pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
    def test_layers_that_keras_does_not_have(self, tmp_path: Path, suffix: str) -> None:
        layer = LayerSpec(kernel_size=4, depth_multiplier=2, padding="causal")
        path = tmp_path / f"m{suffix}"
        with pytest.raises(LayerError, match="causal"):
            save_weights(str(path), Weights(KERNEL, BIAS), layer)
        with pytest.raises(LayerError, match="complex64"):
            save_weights(str(path), Weights(KERNEL.astype(np.complex64)), LayerSpec(kernel_size=4))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
    def test_keras_files_need_a_layer_and_no_name(self, tmp_path: Path, suffix: str) -> None:
        path, layer = f"{tmp_path / 'm'}{suffix}", LayerSpec(kernel_size=4)
        with pytest.raises(LayerError, match="give the layer"):
            save_weights(path, Weights(KERNEL))
        with pytest.raises(LayerError, match="leave out ::conv"):
            save_weights(f"{path}::conv", Weights(KERNEL), layer)
        with pytest.raises(LayerError, match=r"\(K, C, M\)"):
            save_weights(path, Weights(KERNEL[:, :1, :1], shared=True), layer)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("bias", [None, BIAS])
    def test_a_keras_file_says_whether_there_is_a_bias(self, tmp_path: Path, bias: Array | None) -> None:
        save_weights(str(tmp_path / "m.keras"), Weights(KERNEL, bias), LayerSpec(kernel_size=4))
        config = load_weights(str(tmp_path / "m.keras")).config
        assert config is not None
        assert config["use_bias"] == (bias is not None)
        assert (config["kernel_size"], config["depth_multiplier"]) == ([4], 2)

    @pytest.mark.parametrize("shape", [(4, 3, 2), (4, 6, 1), (4, 1, 1)])
    def test_torch_round_trip(self, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        kernel = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        path = str(tmp_path / "k.npy")
        save_weights(path, Weights(kernel), layout="torch")
        assert np.load(path).shape == (shape[1] * shape[2], 1, 4)
        assert np.array_equal(load_kernel(path, layout="torch").fit(shape[1]).kernel, kernel)


def test_loaded_weights_convolve(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", kernel=KERNEL.astype(np.int16), bias=BIAS)
    weights = load_weights(str(tmp_path / "w.npz")).fit(3)
    x = np.arange(30, dtype=np.int16).reshape(10, 3)
    assert np.array_equal(
        depthwise_conv1d(x, weights.kernel, weights.bias), oracle.depthwise_conv1d(x, KERNEL, BIAS)
    )
