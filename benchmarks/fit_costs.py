"""Fit the costs of the algorithms' work to measurements, and write the table in ``dwconv_cli/algorithms/costs.py``.

    python benchmarks/grid.py --json grid.json
    python benchmarks/fit_costs.py grid.json [--write]

Every prediction is a sum of constants times counts. Least squares of the relative errors give the constants, none of
them negative; they are rounded to two digits, for a difference that does not outlive rounding is none.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from grid import summary
from scipy.optimize import nnls

from dwconv_cli.algorithms import ALGORITHMS, Problem, costs
from dwconv_cli.algorithms._block_size import NARROW, Size, block_size, cost
from dwconv_cli.algorithms._products import Products, choose
from dwconv_cli.algorithms._products import cost as products_cost
from dwconv_cli.plan import plan_conv

FILE = Path(costs.__file__)
NAMES = costs.Costs._fields
# Of weighting, so that a few outliers do not decide.
ROUNDS = 5
# Taps from which on a transform is worth predicting.
FEWEST = {"float32": NARROW, "float64": 100}


def predicted(problem: Problem, name: str, row: dict[str, Any]) -> float:
    """What the table in force says of one contender."""
    if name in row["shapes"]:
        return products_cost(problem, Products.of(problem, *row["shapes"][name]))
    if name in row["sizes"]:
        return cost(problem, Size(*row["sizes"][name]))
    return float(ALGORITHMS[name].cost(problem))


def counts(dtype: str, problem: Problem, name: str, row: dict[str, Any]) -> list[float]:
    """How often each constant is paid for one output: predictions are linear in the constants."""
    kept = costs.COSTS[dtype]
    found = []
    try:
        for constant in NAMES:
            costs.COSTS[dtype] = costs.Costs(**{other: float(other == constant) for other in NAMES})
            found.append(predicted(problem, name, row))
    finally:
        costs.COSTS[dtype] = kept
    return found


def fit(dtype: str, rows: list[dict[str, Any]]) -> costs.Costs:
    """The constants of one dtype."""
    equations, weights = [], []
    for row in rows:
        problem = Problem(**row["problem"])
        if problem.dtype != dtype:
            continue
        best = min(row["measured"].values())
        for name, nanoseconds in row["measured"].items():
            # With fewer taps float32 is computed in float64, and neither is fast.
            if not name.startswith("overlap-save") or problem.kernel_size >= FEWEST[dtype]:
                equations.append(np.divide(counts(dtype, problem, name, row), nanoseconds))
                # What is far from the best need not be known well.
                weights.append((best / nanoseconds) ** 2)
    matrix, importance = np.array(equations), np.array(weights)
    doubt = np.ones(len(matrix))
    for _ in range(ROUNDS):
        weight = np.sqrt(importance / doubt)
        found, _ = nnls(matrix * weight[:, None], weight)
        doubt = np.maximum(np.abs(matrix @ found - 1), 0.05)
    return costs.Costs(*(float(f"{value:.2g}") for value in found))


def regret(row: dict[str, Any]) -> float:
    """Time of the algorithm that the table in force chooses over that of the best one measured."""
    problem = Problem(**row["problem"])
    chosen = plan_conv(problem).algorithm
    if chosen != "direct":
        own = choose(problem) if chosen == "toeplitz" else block_size(problem)
        measured = {name: Products.of(problem, *shape) for name, shape in row["shapes"].items()}
        measured |= {name: Size(*size) for name, size in row["sizes"].items()}
        chosen = next((name for name, shape in measured.items() if shape == own), chosen)
    return float(row["measured"][chosen] / min(row["measured"].values()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("grid", type=Path)
    parser.add_argument("--write", action="store_true", help="write the table into costs.py")
    options = parser.parse_args()
    rows = json.loads(options.grid.read_text())
    print("with the table as it is:", summary(rows, regret))
    fitted = {dtype: fit(dtype, rows) for dtype in costs.COSTS}
    text = []
    for dtype, table in fitted.items():
        values = ", ".join(f"{name}={value!r}" for name, value in table._asdict().items())
        print(dtype, values)
        text.append(f'    "{dtype}": Costs(\n        {values}\n    ),\n')
    costs.COSTS.update(fitted)
    for cached in (choose, block_size, plan_conv):
        cached.cache_clear()
    print("with this one:", summary(rows, regret))
    if options.write:
        table = "COSTS = {\n" + "".join(text) + "}\n"
        FILE.write_text(re.sub(r"COSTS = \{\n.*?\n\}\n", lambda _: table, FILE.read_text(), flags=re.S))


if __name__ == "__main__":
    main()
