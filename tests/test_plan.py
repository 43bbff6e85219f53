"""Plans: pure, from the problem alone, and honest about what they chose."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest

from dwconv_cli.choices import ALGORITHM_NAMES, AUTO
from dwconv_cli.convolution.algorithms import ALGORITHMS, Problem
from dwconv_cli.convolution.plan import plan_conv, problem_of
from dwconv_cli.errors import LayerError
from dwconv_cli.layer.spec import LayerSpec

PROBLEMS = [
    Problem(taps, channels, multiplier, strides, dilation, data_format, dtype)
    for taps, channels, multiplier, (strides, dilation), data_format, dtype in itertools.product(
        (1, 2, 3, 9, 31, 129, 1025),
        (1, 4, 6, 128),
        (1, 4),
        ((1, 1), (4, 1), (1, 8)),
        ("channels_last", "channels_first"),
        ("float32", "float64"),
    )
]


def test_words_and_table_agree() -> None:
    assert (AUTO, *ALGORITHMS) == ALGORITHM_NAMES
    assert all(name == module.NAME for name, module in ALGORITHMS.items())


def test_layers_on_short_recordings_take_no_detour() -> None:
    assert plan_conv(Problem(3, 12)).algorithm == "direct"
    assert plan_conv(Problem(3, 12, 3, 3)).algorithm == "direct"


def test_auto_takes_the_cheapest_or_the_direct_sum_at_a_tenth_more() -> None:
    for problem in PROBLEMS:
        plan = plan_conv(problem)
        assert plan.problem == problem
        costs = dict(plan.costs)
        assert costs == {
            name: module.cost(problem)
            for name, module in ALGORITHMS.items()
            if module.supports(problem) is None
        }
        cheapest = min(costs, key=costs.__getitem__)
        assert plan.algorithm == ("direct" if costs["direct"] <= 1.1 * costs[cheapest] else cheapest)
        assert list(costs.values()) == sorted(costs.values())
        assert all(math.isfinite(cost) and cost > 0 for cost in costs.values())
        assert plan.reason


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 6, 32, 128])
def test_the_best_cost_grows_no_faster_than_the_kernel(data_format: str, dtype: str, channels: int) -> None:
    sizes = (1, 2, 3, 5, 9, 15, 31, 63, 129, 257, 513, 1025, 4097)
    plans = [plan_conv(Problem(taps, channels, 1, 1, 1, data_format, dtype)) for taps in sizes]
    best = [plan.costs[0][1] for plan in plans]
    assert all(later <= 2.2 * earlier for earlier, later in itertools.pairwise(best))


def test_direct_takes_every_problem() -> None:
    assert all(ALGORITHMS["direct"].supports(problem) is None for problem in PROBLEMS)


@pytest.mark.parametrize(
    "problem, reason",
    [
        (Problem(2000, 1), None),
        (Problem(2000, 1, strides=2), None),
        (Problem(2000, 1, dilation_rate=2), None),
        (Problem(2000, 1, strides=2, dilation_rate=2), "strides and dilation are both above 1"),
        (Problem(2000, 1, exact=True), "integers are summed exactly"),
        (Problem(1_000_000, 1), "1000000 taps"),
    ],
)
def test_what_overlap_save_takes(problem: Problem, reason: str | None) -> None:
    if reason is None:
        plan = plan_conv(problem, "overlap-save")
        assert (plan.algorithm, plan.reason) == ("overlap-save", "asked for")
    else:
        with pytest.raises(LayerError, match=f"algorithm overlap-save cannot do this layer: .*{reason}"):
            plan_conv(problem, "overlap-save")


def test_equal_problems_have_equal_plans() -> None:
    for problem in PROBLEMS[::11]:
        assert plan_conv(problem) == plan_conv(dataclasses.replace(problem))


@pytest.mark.parametrize("name", ["", "fft", "auto ", None, ["direct"]])
def test_unknown(name: Any) -> None:
    with pytest.raises(LayerError, match="algorithm must be one of auto, direct"):
        plan_conv(PROBLEMS[0], name)


def test_gone() -> None:
    with pytest.raises(LayerError, match="toeplitz is gone, and direct is faster"):
        plan_conv(PROBLEMS[0], "toeplitz")


def test_printed() -> None:
    text = str(plan_conv(PROBLEMS[0]))
    assert "\n" not in text
    assert all(name in text for name, _ in plan_conv(PROBLEMS[0]).costs)
    assert text.startswith(plan_conv(PROBLEMS[0]).algorithm)


def test_problem_of() -> None:
    layer = LayerSpec(kernel_size=5, dilation_rate=3, depth_multiplier=2, data_format="channels_first")
    assert problem_of(layer, 4, "float64") == Problem(5, 4, 2, 1, 3, "channels_first", "float64")
    assert problem_of(layer, 4, "float64").effective_kernel_size == 13


def test_complex_numbers_are_twice_as_many_real_channels() -> None:
    layer = LayerSpec(kernel_size=5, depth_multiplier=2)
    assert problem_of(layer, 4, "complex64") == Problem(5, 8, 2, dtype="float32")
    assert problem_of(layer, 4, "complex128", complex_taps=True) == Problem(5, 8, 4, dtype="float64")
