"""One contender on one case, in a process of its own: prints seconds per call as JSON.

Each contender is a function of a case, its data and the number of threads; it returns a function of no arguments that
does the whole job on arrays in memory (layout in, same layout out) and gives its output.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

THREADS = int(os.environ.get("BENCH_THREADS", "2"))
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, str(THREADS))

import numpy as np  # noqa: E402 - the thread counts come first
from cases import CASES, FIRST, Case  # noqa: E402

Run = Callable[[], Any]


def dwconv(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    from dwconv_cli import depthwise_conv1d

    options = {
        "strides": case.strides,
        "dilation_rate": case.dilation,
        "data_format": case.data_format,
        "threads": THREADS,
    }
    out = depthwise_conv1d(x, kernel, **options)
    return lambda: depthwise_conv1d(x, kernel, out=out, **options)


def copy(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    """As many numbers as the output has, copied once."""
    source = np.ones(case.outputs, x.dtype)
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


def torch(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    import torch as library

    library.set_num_threads(THREADS)
    data = library.from_numpy(x)
    weights = library.from_numpy(np.ascontiguousarray(kernel.transpose(1, 2, 0)).reshape(-1, 1, case.taps))
    options = {"stride": case.strides, "dilation": case.dilation, "groups": case.channels}

    def run() -> Any:
        with library.no_grad():
            if case.data_format == FIRST:
                return library.nn.functional.conv1d(data, weights, **options)
            made = library.nn.functional.conv1d(data.transpose(1, 2), weights, **options)
            return made.transpose(1, 2).contiguous()

    return run


def jax(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    import jax as library

    library.config.update("jax_enable_x64", x.dtype == np.float64)
    layout = "NCH" if case.data_format == FIRST else "NHC"
    weights = library.numpy.asarray(kernel.reshape(case.taps, 1, -1))
    data = library.numpy.asarray(x)

    @library.jit
    def convolve(data: Any, weights: Any) -> Any:
        return library.lax.conv_general_dilated(
            data,
            weights,
            (case.strides,),
            "VALID",
            rhs_dilation=(case.dilation,),
            dimension_numbers=(layout, "HIO", layout),
            feature_group_count=case.channels,
        )

    return lambda: convolve(data, weights).block_until_ready()


def tensorflow(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as library

    library.config.threading.set_intra_op_parallelism_threads(THREADS)
    library.config.threading.set_inter_op_parallelism_threads(1)
    weights = library.constant(kernel[None])
    data = library.constant(x)
    first = case.data_format == FIRST

    @library.function
    def convolve(data: Any) -> Any:
        if first:
            data = library.transpose(data, (0, 2, 1))
        made = library.nn.depthwise_conv2d(
            data[:, None],
            weights,
            (1, case.strides, case.strides, 1),
            "VALID",
            dilations=(1, case.dilation),
        )[:, 0]
        return library.transpose(made, (0, 2, 1)) if first else made

    return lambda: convolve(data)


def onnxruntime(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    import onnx
    import onnxruntime as library
    from onnx import helper

    kind = onnx.TensorProto.FLOAT if x.dtype == np.float32 else onnx.TensorProto.DOUBLE
    weights = np.ascontiguousarray(kernel.transpose(1, 2, 0)).reshape(-1, 1, case.taps)
    convolve = helper.make_node(
        "Conv",
        ["x0", "w"],
        ["y0"],
        group=case.channels,
        strides=[case.strides],
        dilations=[case.dilation],
    )
    first = case.data_format == FIRST
    turn = [] if first else [helper.make_node("Transpose", ["x"], ["x0"], perm=[0, 2, 1])]
    back = [] if first else [helper.make_node("Transpose", ["y0"], ["y"], perm=[0, 2, 1])]
    if first:
        convolve.input[0], convolve.output[0] = "x", "y"
    graph = helper.make_graph(
        [*turn, convolve, *back],
        "g",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = library.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = library.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})


def oaconvolve(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    from scipy.signal import oaconvolve as convolve

    if case.multiplier > 1 or case.dilation > 1:
        raise NotImplementedError("no multiplier, no dilation")
    axis = 2 if case.data_format == FIRST else 1
    flipped = np.ascontiguousarray(kernel[::-1, :, 0])
    taps = flipped.T[None] if axis == 2 else flipped[None]
    keep = (
        (..., slice(None, None, case.strides))
        if axis == 2
        else (slice(None), slice(None, None, case.strides))
    )
    return lambda: np.ascontiguousarray(convolve(x, taps, mode="valid", axes=axis)[keep])


def upfirdn(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    from scipy.signal import upfirdn as convolve

    axis = 1 if case.data_format == FIRST else 0
    steps = x.shape[axis + 1]
    length = (steps - (case.taps - 1) * case.dilation - 1) // case.strides + 1
    spread = np.zeros(((case.taps - 1) * case.dilation + 1, *kernel.shape[1:]), kernel.dtype)
    spread[:: case.dilation] = kernel
    lead = len(spread) - 1

    def run() -> Any:
        width = case.channels * case.multiplier
        shape = (case.batch, width, length) if axis else (case.batch, length, width)
        out = np.empty(shape, x.dtype)
        for channel in range(case.channels):
            for multiple in range(case.multiplier):
                taps = spread[::-1, channel, multiple]
                data = x[:, channel, :] if axis else x[:, :, channel]
                made = convolve(taps, data[:, lead % case.strides :], 1, case.strides, axis=1)
                begin = lead // case.strides
                target = channel * case.multiplier + multiple
                (out[:, target] if axis else out[:, :, target])[...] = made[:, begin : begin + length]
        return out

    return run


def correlate1d(case: Case, x: np.ndarray, kernel: np.ndarray) -> Run:
    from scipy.ndimage import correlate1d as convolve

    if case.dilation > 1:
        raise NotImplementedError("no dilation")
    first = case.data_format == FIRST
    half = case.taps // 2
    length = (case.steps - case.taps) // case.strides + 1
    stop = half + (length - 1) * case.strides + 1

    def run() -> Any:
        width = case.channels * case.multiplier
        out = np.empty((case.batch, width, length) if first else (case.batch, length, width), x.dtype)
        for channel in range(case.channels):
            for multiple in range(case.multiplier):
                data = x[:, channel, :] if first else x[:, :, channel]
                made = convolve(data, kernel[:, channel, multiple], axis=1, mode="constant")
                target = channel * case.multiplier + multiple
                (out[:, target] if first else out[:, :, target])[...] = made[:, half : stop : case.strides]
        return out

    return run


CONTENDERS = (dwconv, copy, torch, jax, tensorflow, onnxruntime, oaconvolve, upfirdn, correlate1d)
SCIPY = ("oaconvolve", "upfirdn", "correlate1d")


def measure(run: Run, budget: float = 1.5, most: int = 15) -> dict[str, float]:
    """Seconds per call after a warm-up: the median of up to `most` calls, at least three, within about `budget`."""
    run()
    run()
    times: list[float] = []
    while len(times) < 3 or (len(times) < most and sum(times) < budget):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return {"median": float(np.median(times)), "min": min(times), "max": max(times), "calls": len(times)}


def main() -> None:
    name, number, dtype = sys.argv[1:4]
    case = Case(**json.loads(number)) if number.startswith("{") else CASES[int(number)]
    contender = next(function for function in CONTENDERS if function.__name__ == name)
    x, kernel = case.data(dtype)
    try:
        run = contender(case, x, kernel)
        found: dict[str, Any] = measure(run)
    except (ImportError, NotImplementedError) as error:
        found = {"skipped": f"{type(error).__name__}: {error}"}
    except Exception as error:
        found = {"skipped": f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
