"""Whole processes over files and pipes: peak memory that stays flat, and speed beside the system's own tools.

    python benchmarks/files.py memory [--gb 0.1,1] [--dir DIR]
    python benchmarks/files.py speed [--mb 160] [--dir DIR]
    python benchmarks/files.py peers [--bytes 1e3,1e9] [--dir DIR]

`memory` filters recordings of each size in every format and layout and prints the peak resident set of the process;
`speed` compares with ``cp``, ``cat | cat`` and ``h5repack``; `peers` compares with scripts that do the same job (read
an .npy, filter it, write an .npy) with each library found installed, from 1 kB on.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

DWCONV = [sys.executable, "-m", "dwconv_cli"]
ENVIRONMENT = {
    **{
        key: value
        for key, value in os.environ.items()
        # An installed package has its bytecode beside it.
        if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")
    },
    # Where the package is not installed, the one beside this file is measured.
    **({} if find_spec("dwconv_cli") else {"PYTHONPATH": str(Path(__file__).parent.parent)}),
}
CHANNELS, TAPS = 6, 9


class Figures(NamedTuple):
    """Of one process, or of a shell and what it ran."""

    seconds: float
    megabytes: float


def run(command: list[str] | str, place: Path) -> Figures:
    """Run to the end; the peak memory is that of the largest process."""
    start = time.perf_counter()
    shell = command if isinstance(command, str) else shlex.join(command)
    process = subprocess.Popen(["bash", "-ec", "set -o pipefail; " + shell], cwd=place, env=ENVIRONMENT)
    _, status, _ = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {shell}")
    return Figures(seconds, 0.0)


def peak(command: str, place: Path) -> Figures:
    """As :func:`run`, each dwconv in the command under GNU time."""
    log = place / "peak.txt"
    log.unlink(missing_ok=True)
    timed = command.replace("dwconv ", f"/usr/bin/time -a -o {log} -f %M {shlex.join(DWCONV)} ")
    seconds = run(timed, place).seconds
    return Figures(seconds, max(int(line) for line in log.read_text().split()) / 1024)


def blocks(steps: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((min(steps, 1 << 20), CHANNELS), np.float32)


def write_npy(path: Path, steps: int, batch: int = 0, first: bool = False) -> None:
    """A recording of noise, block by block."""
    shape: tuple[int, ...] = (CHANNELS, steps) if first else (steps, CHANNELS)
    if batch:
        per = steps // batch
        shape = (batch, CHANNELS, per) if first else (batch, per, CHANNELS)
    block = blocks(steps).reshape(-1)
    total = int(np.prod(shape))
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for done in range(0, total, block.size):
            file.write(block[: total - done].tobytes())


def write_h5(path: Path, steps: int, first: bool = False, **options: object) -> None:
    block = np.round(np.cumsum(blocks(steps), axis=0) * 16) / 16
    shape = (CHANNELS, steps) if first else (steps, CHANNELS)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", shape, "f4", **options)
        for low in range(0, steps, len(block)):
            part = block[: steps - low]
            if first:
                data[:, low : low + len(part)] = part.T
            else:
                data[low : low + len(part)] = part


def memory(options: argparse.Namespace, place: Path) -> None:
    np.save(place / "k.npy", np.ones(TAPS, np.float32) / TAPS)
    print("| input | " + " | ".join(f"{size} GB" for size in options.gb) + " |  (peak MiB, seconds)")
    print("|---|" + "---|" * len(options.gb))
    layouts = [("channels_last", ""), ("channels_first", "--data-format channels_first")]
    rows: dict[str, list[str]] = {}
    for size in options.gb:
        steps = int(size * 1e9) // (4 * CHANNELS)
        for layout, flag in layouts:
            first = layout == "channels_first"
            for name, make, command in (
                ("npy", partial(write_npy, steps=steps, first=first), "dwconv apply x.npy {} -o y.npy"),
                (
                    "npy batch",
                    partial(write_npy, steps=steps, batch=64, first=first),
                    "dwconv apply x.npy {} -o y.npy",
                ),
                (
                    "npy pipe",
                    partial(write_npy, steps=steps, first=first),
                    "cat x.npy | dwconv apply - {} -o - | dwconv apply - {} -o - | cat > y.npy",
                ),
                (
                    "h5 contiguous",
                    partial(write_h5, steps=steps, first=first),
                    "dwconv apply x.h5 {} -o y.h5",
                ),
                (
                    "h5 gzip",
                    partial(
                        write_h5,
                        steps=steps,
                        first=first,
                        compression="gzip",
                        shuffle=True,
                        chunks=(1, 65536) if first else (8192, CHANNELS),
                    ),
                    "dwconv apply x.h5 {} -o y.h5",
                ),
            ):
                if name == "h5 gzip" and size > 1:
                    rows.setdefault(f"{name} {layout}", []).append("")
                    continue
                path = place / ("x.h5" if name.startswith("h5") else "x.npy")
                make(path)
                weights = f"-k k.npy --padding same -q --overwrite {flag}".strip()
                figures = peak(command.replace("{}", weights), place)
                rows.setdefault(f"{name} {layout}", []).append(
                    f"{figures.megabytes:.0f}, {figures.seconds:.1f}"
                )
                print(name, layout, size, figures, file=sys.stderr, flush=True)
                for made in ("x.npy", "x.h5", "y.npy", "y.h5"):
                    (place / made).unlink(missing_ok=True)
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


def paired(ours: str, theirs: str, place: Path, rounds: int = 5) -> tuple[float, float, float]:
    """Median seconds of both, run in turn, and the median of the ratios."""
    pairs = []
    for number in range(rounds + 1):
        pair = [
            run(command.replace("dwconv ", shlex.join(DWCONV) + " "), place).seconds
            for command in (ours, theirs)
        ]
        if number:
            pairs.append(pair)
    return (
        statistics.median(pair[0] for pair in pairs),
        statistics.median(pair[1] for pair in pairs),
        statistics.median(pair[0] / pair[1] for pair in pairs),
    )


def speed(options: argparse.Namespace, place: Path) -> None:
    np.save(place / "k.npy", np.ones(TAPS, np.float32) / TAPS)
    steps = int(options.mb * 1e6) // (4 * CHANNELS)
    write_npy(place / "x.npy", steps)
    write_h5(place / "x.h5", steps // 4, compression="gzip", shuffle=True, chunks=(8192, CHANNELS))
    weights = "-k k.npy --padding same -q --overwrite"
    print(f"| job, {options.mb} MB | seconds | beside | seconds | ratio |\n|---|---|---|---|---|")
    for name, ours, beside, theirs in (
        (
            "npy to npy",
            f"dwconv apply x.npy {weights} -o y.npy",
            "cp, sync",
            "cp --reflink=never x.npy z.npy; sync z.npy",
        ),
        ("npy to npy", f"dwconv apply x.npy {weights} -o y.npy", "cp", "cp --reflink=never x.npy z.npy"),
        (
            "pipe",
            f"cat x.npy | dwconv apply - {weights} -o - | cat > /dev/null",
            "cat \\| cat",
            "cat x.npy | cat | cat > /dev/null",
        ),
        (
            "gzip h5 to gzip h5",
            f"dwconv apply x.h5 {weights} -o y.h5",
            "h5repack",
            "h5repack -f x:SHUF -f x:GZIP=4 x.h5 z.h5",
        ),
    ):
        mine, other, ratio = paired(ours, theirs, place)
        print(f"| {name} | {mine:.3f} | {beside} | {other:.3f} | {ratio:.2f} |", flush=True)


PEERS = {
    "scipy oaconvolve": """
import numpy as np
from scipy.signal import oaconvolve
x = np.load('x.npy'); k = np.load('k.npy')
np.save('z.npy', oaconvolve(x, k[::-1, None], mode='valid', axes=0).astype('f4'))""",
    "scipy correlate1d": """
import numpy as np
from scipy.ndimage import correlate1d
x = np.load('x.npy'); k = np.load('k.npy')
np.save('z.npy', correlate1d(x, k, axis=0, mode='constant')[4:-4])""",
    "numpy": """
import numpy as np
x = np.load('x.npy'); k = np.load('k.npy')
np.save('z.npy', np.stack([np.correlate(c, k, 'valid') for c in x.T], axis=1).astype('f4'))""",
    "torch": """
import numpy as np, torch
x = torch.from_numpy(np.load('x.npy').T[None].copy()); k = torch.from_numpy(np.load('k.npy'))
with torch.no_grad():
    y = torch.nn.functional.conv1d(x, k.repeat(6, 1, 1), groups=6)
np.save('z.npy', y[0].T.numpy())""",
    "onnxruntime": """
import numpy as np, onnx, onnxruntime as ort
from onnx import helper as h
x = np.load('x.npy').T[None].copy(); k = np.tile(np.load('k.npy'), (6, 1, 1))
g = h.make_graph([h.make_node('Conv', ['x', 'w'], ['y'], group=6)], 'g',
    [h.make_tensor_value_info('x', 1, x.shape)], [h.make_tensor_value_info('y', 1, None)], [onnx.numpy_helper.from_array(k, 'w')])
m = h.make_model(g, opset_imports=[h.make_opsetid('', 17)], ir_version=9)
y = ort.InferenceSession(m.SerializeToString()).run(None, {'x': x})[0]
np.save('z.npy', y[0].T)""",
    "jax": """
import numpy as np, jax
x = np.load('x.npy')[None]; k = np.tile(np.load('k.npy')[:, None, None], (1, 1, 6))
y = jax.lax.conv_general_dilated(x, k, (1,), 'VALID', dimension_numbers=('NHC', 'HIO', 'NHC'), feature_group_count=6)
np.save('z.npy', np.asarray(y)[0])""",
    "tensorflow": """
import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np, tensorflow as tf
x = np.load('x.npy')[None, None]; k = np.tile(np.load('k.npy')[None, :, None, None], (1, 1, 6, 1))
np.save('z.npy', tf.nn.depthwise_conv2d(x, k, (1, 1, 1, 1), 'VALID')[0, 0].numpy())""",
}


def peers(options: argparse.Namespace, place: Path) -> None:
    np.save(place / "k.npy", np.arange(TAPS, dtype=np.float32))
    names = [name for name in PEERS if _installed(name.split()[0])]
    print("| input | dwconv s | " + " | ".join(f"{name}: ratio" for name in names) + " |")
    print("|---|---|" + "---|" * len(names))
    for size in options.bytes:
        write_npy(place / "x.npy", max(TAPS, int(size) // (4 * CHANNELS)))
        cells, mine = [], 0.0
        for name in names:
            (place / "peer.py").write_text(PEERS[name])
            rounds = 5 if size < 1e8 else 3
            # Ours syncs what it wrote to the disk, so theirs has to.
            mine, _, ratio = paired(
                "dwconv apply x.npy -k k.npy -q --overwrite -o y.npy",
                f"{sys.executable} peer.py 2>/dev/null; sync z.npy",
                place,
                rounds,
            )
            ends = [np.load(place / made, mmap_mode="r")[-1000:] for made in ("z.npy", "y.npy")]
            same = np.allclose(*ends, rtol=1e-3, atol=1e-3)
            cells.append(f"{1 / ratio:.2f}{'' if same else ', wrong at the end'}")
        print(f"| {size:.0e} B | {mine:.3f} | " + " | ".join(cells) + " |", flush=True)


def _installed(name: str) -> bool:
    return (
        subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, check=False).returncode
        == 0
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", choices=("memory", "speed", "peers"))
    parser.add_argument(
        "--gb", type=lambda text: [float(part) for part in text.split(",")], default=[0.1, 1.0]
    )
    parser.add_argument(
        "--bytes",
        type=lambda text: [float(part) for part in text.split(",")],
        default=[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
    )
    parser.add_argument("--mb", type=float, default=160)
    parser.add_argument("--dir", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as place:
        {"memory": memory, "speed": speed, "peers": peers}[options.job](options, Path(place))


if __name__ == "__main__":
    main()
