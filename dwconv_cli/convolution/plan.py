"""Problem to plan: which algorithm, and why. Pure: no arrays, no clock, no files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dwconv_cli.choices import ALGORITHM_NAMES, AUTO, REMOVED_ADVICE, REMOVED_ALGORITHM
from dwconv_cli.convolution.algorithms import ALGORITHMS, Problem, real_problem
from dwconv_cli.errors import LayerError
from dwconv_cli.layer.arguments import instance, one_of
from dwconv_cli.layer.spec import LayerSpec

# The costs are constants, so that the choice is the same on every machine. They were fitted to benchmarks/crossing.py on
# AVX2: the two cross at about 400 taps in float32 and 330 in float64, and near that with AVX-512.
# The algorithm that has nothing to set up, and costs that are no reason to take another.
SIMPLEST, TIE = "direct", 1.1


@dataclass(frozen=True)
class Plan:
    """The algorithm for a problem, and the reason.

    Parameters
    ----------
    problem : Problem
    algorithm : str
        A name in ``ALGORITHMS``.
    reason : str
        One phrase for people.
    costs : tuple of (str, float)
        Predicted nanoseconds per output sample of each algorithm that can do it, cheapest first.
    """

    problem: Problem
    algorithm: str
    reason: str
    costs: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        table = ", ".join(f"{name} {cost:.2f}" for name, cost in self.costs)
        return f"{self.algorithm}: {self.reason} (predicted ns per output: {table})"


def problem_of(
    layer: LayerSpec, channels: int, dtype: str, *, exact: bool = False, complex_taps: bool = False
) -> Problem:
    """What an algorithm needs to know of `layer` on data of `channels` channels computed in `dtype`."""
    problem = Problem(
        layer.kernel_size,
        channels,
        layer.depth_multiplier,
        layer.strides,
        layer.dilation_rate,
        layer.data_format,
        dtype,
        exact,
    )
    return real_problem(problem, complex_taps) if dtype.startswith("complex") else problem


def plan_conv(problem: Problem, algorithm: str = AUTO) -> Plan:
    """Choose the algorithm for `problem`, or check the one asked for.

    Parameters
    ----------
    problem : Problem
    algorithm : str
        A name in ``ALGORITHMS``, or ``auto`` for the one predicted fastest, the direct sum if it is nearly so.

    Returns
    -------
    Plan

    Raises
    ------
    LayerError
        If `algorithm` is unknown or cannot solve the problem.
    """
    instance("problem", problem, Problem)
    if algorithm == REMOVED_ALGORITHM:
        raise LayerError(f"{REMOVED_ADVICE}; use algorithm='direct'")
    return _plan(problem, one_of("algorithm", algorithm, ALGORITHM_NAMES))


@lru_cache(maxsize=256)
def _plan(problem: Problem, algorithm: str) -> Plan:
    able = {name: module for name, module in ALGORITHMS.items() if module.supports(problem) is None}
    costs = tuple(
        sorted(((name, module.cost(problem)) for name, module in able.items()), key=lambda pair: pair[1])
    )
    if algorithm == AUTO:
        chosen, least = costs[0]
        reason = "predicted fastest" if len(costs) > 1 else "the only one for this problem"
        if chosen != SIMPLEST and dict(costs)[SIMPLEST] <= TIE * least:
            chosen, reason = SIMPLEST, "predicted about as fast as any, and faster for short recordings"
        return Plan(problem, chosen, reason, costs)
    if algorithm not in able:
        why = ALGORITHMS[algorithm].supports(problem)
        raise LayerError(f"algorithm {algorithm} cannot do this layer: {why}; use --algorithm auto")
    return Plan(problem, algorithm, "asked for", costs)
