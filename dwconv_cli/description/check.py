"""What a layer makes of data of some shape, from shapes and dtypes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dwconv_cli.choices import AUTO, AlgorithmName
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.jobs.plan import plan_job
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.weights.recipe import Recipe


def check(
    recipe: Recipe,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    where: str,
    *,
    algorithm: AlgorithmName = AUTO,
    fs: float | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The shape check: what the layer of `recipe` makes of data of `shape`, which messages call `where`.

    Returns
    -------
    dict
        ``output``, ``layer``, ``layer_source``, ``weights``, ``padding``, ``effective_kernel_size``, ``algorithm`` and
        ``delay`` and ``notes`` as in a report; ``receptive_field`` in steps.
    """
    settings = Settings(algorithm=algorithm, dry_run=True)
    try:
        plan = plan_job(
            recipe,
            shape,
            dtype,
            settings,
            attributes=attributes,
            draw=False,
            fs=fs,
        )
    except (LayerError, ShapeError) as error:
        raise type(error)(f"{where}: {error}") from error
    report, size = plan.report(None, None), plan.layer.effective_kernel_size
    return {
        "output": report.output,
        "layer": report.layer,
        "layer_source": report.layer_source,
        "weights": report.weights,
        "padding": report.padding,
        "effective_kernel_size": size,
        "receptive_field": size,
        "delay": report.delay,
        "algorithm": report.algorithm,
        "notes": report.notes,
    }
