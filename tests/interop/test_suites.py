"""The tests in the wheels of Keras and SciPy, with functions of ours standing in for theirs.

What does not pass is listed here with the reason, and nothing else may fail; what is listed may not pass unnoticed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent / "suites"
ROOT = HERE.parent.parent.parent

AXES = "it asks for another axis than the last, and an activation of a layer's output has only that one"
WORDS = "it compares the words of an error, and ours tells the same fault in other words"
WIDE = "its numbers have 128 bits or are objects, and ours have at most 64 bits"
EXACT = "its integers could pass 64 bits, where ours are refused instead of rounded"
UNSIGNED = "it wants unsigned integers of 64 bits refused, which SciPy cannot compute and ours can"


@dataclass(frozen=True)
class Suite:
    """Files of a package, the tests to run, and which of them differ, by reason."""

    package: str
    version: str
    files: tuple[str, ...]
    called: tuple[str, ...]
    only: str = ""
    differences: dict[str, tuple[str, ...]] = field(default_factory=dict)


SUITES = {
    "depthwise convolutions": Suite(
        "keras",
        "3.15",
        ("layers/convolutional/depthwise_conv_test.py", "ops/nn_test.py"),
        ("depthwise_conv", "GlorotUniform", "Zeros"),
        only="depthwise",
    ),
    "operations": Suite(
        "keras",
        "3.15",
        ("ops/nn_test.py",),
        ("relu", "silu", "squareplus"),
        only="Correctness or Behavior or Dtype",
        differences={
            AXES: (
                "NNOpsCorrectnessTest::test_log_softmax",
                "NNOpsCorrectnessTest::test_softmax",
                "NNOpsBehaviorTest::test_softmax_on_axis_with_size_one_warns",
            )
        },
    ),
    "catalogues": Suite(
        "keras",
        "3.15",
        (
            "activations/activations_test.py",
            "layers/activations",
            "initializers/constant_initializers_test.py",
            "initializers/random_initializers_test.py",
            "regularizers/regularizers_test.py",
            "constraints/constraints_test.py",
        ),
        ("softmax", "STFT", "Orthogonal", "RandomNormal", "L1L2", "OrthogonalRegularizer", "MinMaxNorm"),
        differences={
            AXES: (
                "ActivationsTest::test_glu",
                "ActivationsTest::test_log_softmax_2d_axis_0",
                "ActivationsTest::test_log_softmax_3d_axis_tuple",
                "ActivationsTest::test_log_softmax_higher_dim",
                "ActivationsTest::test_log_softmax_higher_dim_multiple_axes",
                "ActivationsTest::test_softmax_2d_axis_0",
                "ActivationsTest::test_softmax_3d_axis_tuple",
                "ActivationsTest::test_softmax_higher_dim",
                "ActivationsTest::test_softmax_higher_dim_multiple_axes",
                "ActivationsTest::test_sparsemax",
                "SoftmaxTest::test_softmax_correctness_with_axis",
            ),
            WORDS: (
                "RandomInitializersTest::test_variance_scaling_invalid_distribution",
                "RandomInitializersTest::test_variance_scaling_invalid_mode",
                "RandomInitializersTest::test_variance_scaling_invalid_scale",
                "RegularizersTest::test_orthogonal_regularizer_input_rank_validation",
                "RegularizersTest::test_orthogonal_regularizer_mode_validation",
            ),
        },
    ),
    "signals": Suite(
        "scipy",
        "1.17",
        ("signal/tests/test_fir_filter_design.py", "signal/tests/test_signaltools.py"),
        ("convolve", "lfilter", "firwin"),
        only="(Firwin or FirWin or TestConvolve or LinearFilter or lfilter) and not 2d",
        differences={
            WORDS: ("TestFirwin::test_fs_validation", "TestFirWinMore::test_bad_pass_zero"),
            EXACT: ("TestConvolve::test_convolve_method_large_input",),
            UNSIGNED: tuple(
                f"TestLinearFilter{kind}::test_invalid_params"
                for kind in (
                    "Float32",
                    "Float64",
                    "FloatExtended",
                    "Complex64",
                    "Complex128",
                    "ComplexExtended",
                )
            ),
            WIDE: (
                *(
                    f"TestLinearFilter{kind}Extended::{test}"
                    for kind in ("Float", "Complex")
                    for test in (
                        "test_rank_1_FIR",
                        "test_rank_3_FIR",
                        "test_scalar_a",
                        "test_do_not_modify_a_b_FIR",
                    )
                ),
                "test_lfilter_bad_object",
            ),
        },
    ),
}


@pytest.mark.skipif("KERAS_BACKEND" not in os.environ, reason="other packages' tests run with real Keras's")
@pytest.mark.parametrize("name", SUITES)
def test_what_differs_is_known(name: str, tmp_path: Path) -> None:
    suite = SUITES[name]
    package = pytest.importorskip(suite.package)
    if not package.__version__.startswith(suite.version):
        pytest.skip(f"what differs is known for {suite.package} {suite.version}, not {package.__version__}")
    home = Path(package.__file__).parent / ("src" if suite.package == "keras" else "")
    files = [home / file for file in suite.files]
    if not all(file.exists() for file in files):
        pytest.skip(f"this {suite.package} was installed without its tests")
    # Settings of this project are not meant for other projects' tests.
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    outcomes = tmp_path / "outcomes.json"
    plugins = f"-p no:cacheprovider -p outcomes -p standing_in_{suite.package}"
    line = f"-m pytest -q -W ignore -c pytest.ini {plugins}".split()
    only = ("-k", suite.only) if suite.only else ()
    ran = subprocess.run(
        [sys.executable, *line, "--rootdir", home, *files, *only],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(HERE), str(ROOT))),
            "KERAS_BACKEND": "numpy",  # every number is there at once, and nothing is compiled
            "DWCONV_OUTCOMES": str(outcomes),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert outcomes.exists(), ran.stdout[-2000:] + ran.stderr[-2000:]
    report = json.loads(outcomes.read_text())
    assert not set(suite.called) - set(report["calls"]), "nothing of ours was called"
    failed = {
        test.split("::", 1)[1].removesuffix("[numpy]"): message
        for test, message in report["tests"].items()
        if message not in ("passed", "skipped")
    }
    known = {test: why for why, tests in suite.differences.items() for test in tests}
    assert {test: message for test, message in failed.items() if test not in known} == {}
    assert set(known) - set(failed) == set(), "these pass now: take them out of the list"
