"""Record what Keras's DepthwiseConv1D computes: ``python tests/golden/make_layers.py [DIRECTORY]``.

Needs Keras 3 with any backend. Writes ``layers.json``, the layers' configs as Keras gives them, and
``layers.npz`` with ``NAME/inputs``, ``NAME/kernel``, ``NAME/bias`` (where there is one) and ``NAME/outputs``.

Keras's layer has no causal padding: there the outputs are those of ZeroPadding1D followed by the layer with
padding ``valid``, and the config says ``causal``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from records import write

PADDINGS = ("valid", "same", "causal")
STRIDES_AND_DILATIONS = ((1, 1), (2, 1), (3, 1), (1, 2), (1, 3))
DATA_FORMATS = ("channels_last", "channels_first")
# glu halves the last axis, which has to be even: it has a layer of its own below. threshold has arguments
# without defaults, so that Keras cannot apply it by name.
ACTIVATIONS: tuple[Any, ...] = (
    *(
        "linear",
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
    ),
    *("leaky_relu", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu"),
    *("soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax"),
    *("squareplus", "tanh", "tanh_shrink"),
    keras.layers.LeakyReLU(negative_slope=0.1),
    keras.layers.ReLU(negative_slope=0.25, max_value=1.5, threshold=0.5),
    keras.layers.ELU(alpha=0.5),
)


@dataclass(frozen=True)
class Sample:
    """One layer and the shape of the data it is given."""

    padding: str
    strides: int = 1
    dilation_rate: int = 1
    depth_multiplier: int = 1
    data_format: str = "channels_last"
    activation: Any = "linear"
    use_bias: bool = True
    kernel_size: int = 3
    batch: int = 2
    steps: int = 13
    channels: int = 4
    dtype: str = "float32"
    inputs_dtype: str = "float32"

    @property
    def name(self) -> str:
        activation = self.activation if isinstance(self.activation, str) else type(self.activation).__name__
        shape = f"k{self.kernel_size}_s{self.strides}_d{self.dilation_rate}_m{self.depth_multiplier}"
        return f"{self.padding}_{shape}_{self.data_format}_{activation}"


def samples() -> Iterator[Sample]:
    """Every padding and layout with every stride or dilation, then every multiplier; the rest in turn."""
    activations = itertools.cycle(ACTIVATIONS)
    spaced = itertools.product(PADDINGS, STRIDES_AND_DILATIONS, DATA_FORMATS)
    widened = itertools.product(PADDINGS, (1, 2, 3), DATA_FORMATS)
    for i, (padding, (strides, dilation_rate), data_format) in enumerate(spaced):
        yield Sample(
            padding,
            strides,
            dilation_rate,
            depth_multiplier=1 + i % 3,
            data_format=data_format,
            activation=next(activations) if i % 4 else "linear",
            use_bias=i % 3 != 1,
            kernel_size=(3, 4, 1, 2, 5, 7)[i // 2 % 6],
            steps=19 + i % 5,
            channels=(4, 1, 3)[i // 3 % 3],
        )
    for i, (padding, depth_multiplier, data_format) in enumerate(widened):
        strides, dilation_rate = STRIDES_AND_DILATIONS[(2 * i + 1) % 5]
        yield Sample(
            padding,
            strides,
            dilation_rate,
            depth_multiplier,
            data_format,
            activation=next(activations),
            use_bias=i % 2 == 0,
            kernel_size=(3, 2, 5)[i % 3],
            batch=1 + i % 2,
            steps=11 + i % 4,
            channels=(2, 5, 1, 3)[i % 4],
        )
    # The example in Keras's documentation: (4, 10, 12) to (4, 4, 36).
    yield Sample("same", 3, depth_multiplier=3, activation="relu", batch=4, steps=10, channels=12)
    yield Sample("valid", depth_multiplier=2, activation="glu", channels=3)
    # Kernels longer than the recording.
    yield Sample("same", kernel_size=9, steps=4, channels=2)
    yield Sample("same", dilation_rate=3, kernel_size=4, steps=5, channels=2, data_format="channels_first")
    yield Sample("causal", kernel_size=8, steps=3, channels=2, activation="tanh")
    # A float32 layer takes float64 inputs as float32; a float64 layer computes in float64.
    yield Sample("same", 2, kernel_size=4, activation="softsign", inputs_dtype="float64")
    yield Sample("valid", kernel_size=6, activation="softplus", dtype="float64", inputs_dtype="float64")


def record(sample: Sample, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """The layer's entry in the JSON file, and its arrays."""
    first = sample.data_format == "channels_first"
    shape = (sample.channels, sample.steps) if first else (sample.steps, sample.channels)
    inputs = rng.normal(scale=2, size=(sample.batch, *shape)).astype(sample.inputs_dtype)
    layer = keras.layers.DepthwiseConv1D(
        sample.kernel_size,
        strides=sample.strides,
        padding="valid" if sample.padding == "causal" else sample.padding,
        depth_multiplier=sample.depth_multiplier,
        data_format=sample.data_format,
        dilation_rate=sample.dilation_rate,
        activation=sample.activation,
        use_bias=sample.use_bias,
        dtype=sample.dtype,
        name=sample.name,
    )
    data = inputs
    if sample.padding == "causal":
        left = (sample.kernel_size - 1) * sample.dilation_rate
        pad = keras.layers.ZeroPadding1D((left, 0), data_format=sample.data_format, dtype=sample.dtype)
        data = pad(inputs)
    layer.build(data.shape)
    weights = [rng.normal(size=weight.shape).astype(sample.dtype) for weight in layer.weights]
    layer.set_weights(weights)
    arrays = {"inputs": inputs, **dict(zip(("kernel", "bias"), weights, strict=False))}
    arrays["outputs"] = keras.ops.convert_to_numpy(layer(data))
    entry = {"name": sample.name, "config": layer.get_config() | {"padding": sample.padding}}
    return entry, {f"{sample.name}/{key}": array for key, array in arrays.items()}


def main(directory: Path) -> None:
    """Write both files into `directory`."""
    rng = np.random.default_rng(20)
    entries: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for sample in samples():
        entry, recorded = record(sample, rng)
        assert not arrays.keys() & recorded.keys(), sample.name
        entries.append(entry)
        arrays |= recorded
    about = {"keras": keras.__version__, "backend": keras.backend.backend(), "layers": entries}
    write(directory / "layers.json", about)
    np.savez_compressed(directory / "layers.npz", **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
