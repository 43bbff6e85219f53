"""Which algorithm solves a problem, and why. The plan depends on the problem alone: no arrays, no clock, no files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from operator import itemgetter

from dwconv_cli.choices import ALGORITHM_NAMES, AUTO, REMOVED_ADVICE, REMOVED_ALGORITHM, AlgorithmName
from dwconv_cli.convolution.algorithms import ALGORITHMS, Problem, real_problem
from dwconv_cli.errors import LayerError
from dwconv_cli.layer.arguments import instance, one_of
from dwconv_cli.layer.spec import LayerSpec

# The costs that the algorithms predict are constants and not measured here, so that the choice is the same on every
# machine. They were fitted to benchmarks/crossing.py on AVX2: the two algorithms are equally fast at about 400 taps in
# float32 and at 330 in float64, and near that with AVX-512.

# The algorithm that prepares nothing is chosen unless it costs more than TIE times as much as the cheapest.
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

    Examples
    --------
    >>> from dwconv_cli import plan_conv
    >>> from dwconv_cli.convolution.algorithms import Problem
    >>> plan = plan_conv(Problem(kernel_size=1000, channels=2))
    >>> plan.algorithm
    'overlap-save'
    >>> print(plan)
    overlap-save: predicted fastest (predicted ns per output: overlap-save 13.71, direct 37.80)
    """

    problem: Problem
    algorithm: str
    reason: str
    costs: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        table = ", ".join(f"{name} {cost:.2f}" for name, cost in self.costs)
        return f"{self.algorithm}: {self.reason} (predicted ns per output: {table})"

    def _repr_html_(self) -> str:
        from dwconv_cli.layer.notebook import html_table

        costs = [(f"{name}, predicted", f"{cost:.2f} ns per output") for name, cost in self.costs]
        problem = [(key.name, getattr(self.problem, key.name)) for key in fields(self.problem)]
        return html_table(f"{self.algorithm}: {self.reason}", [*costs, *problem])


def problem_of(
    layer: LayerSpec, channels: int, dtype: str, *, exact: bool = False, complex_taps: bool = False
) -> Problem:
    """The problem of `layer` with data of `channels` channels, computed in `dtype`."""
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


def plan_conv(problem: Problem, algorithm: AlgorithmName = AUTO) -> Plan:
    """Choose the algorithm for `problem`, or check the one asked for.

    Parameters
    ----------
    problem : Problem
    algorithm : str
        A name in ``ALGORITHMS``, or ``auto`` for the one predicted fastest, or for the direct sum if that is nearly as fast.

    Returns
    -------
    Plan

    Raises
    ------
    LayerError
        If `algorithm` is unknown or cannot solve the problem.

    Examples
    --------
    >>> from dwconv_cli import plan_conv
    >>> from dwconv_cli.convolution.algorithms import Problem
    >>> plan_conv(Problem(kernel_size=9, channels=2)).algorithm
    'direct'
    >>> plan_conv(Problem(kernel_size=9, channels=2), "overlap-save").reason
    'asked for'
    """
    instance("problem", problem, Problem)
    if str(algorithm) == REMOVED_ALGORITHM:
        raise LayerError(f"{REMOVED_ADVICE}; use algorithm='direct'")
    return _plan(problem, one_of("algorithm", algorithm, ALGORITHM_NAMES))


@lru_cache(maxsize=256)
def _plan(problem: Problem, algorithm: str) -> Plan:
    predicted = {
        name: module.cost(problem) for name, module in ALGORITHMS.items() if module.supports(problem) is None
    }
    costs = tuple(sorted(predicted.items(), key=itemgetter(1)))
    if algorithm == AUTO:
        chosen, least = costs[0]
        reason = "predicted fastest" if len(costs) > 1 else "the only one for this problem"
        if chosen != SIMPLEST and predicted[SIMPLEST] <= TIE * least:
            chosen, reason = SIMPLEST, "predicted about as fast as any, and faster for short recordings"
        return Plan(problem, chosen, reason, costs)
    if algorithm not in predicted:
        why = ALGORITHMS[algorithm].supports(problem)
        raise LayerError(f"algorithm {algorithm} cannot do this layer: {why}; use --algorithm auto")
    return Plan(problem, algorithm, "asked for", costs)
