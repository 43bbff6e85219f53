"""Which picture belongs to which input."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dwconv_cli.errors import LayerError, OutputError
from dwconv_cli.jobs.templates import filled_path, has_fields
from dwconv_cli.storage.address import Address, real_path
from dwconv_cli.storage.sink import check_absent


def picture_paths(template: str, sources: Sequence[Address]) -> list[str]:
    """The path of the picture of each input.

    Parameters
    ----------
    template : str
        A path; for several inputs a template, as for outputs.
    sources : sequence of Address

    Raises
    ------
    LayerError
        If two inputs would get the same picture.

    Examples
    --------
    >>> picture_paths("{stem}.png", [Address("monday.npy"), Address("tuesday.npy")])
    ['monday.png', 'tuesday.png']
    """
    if len(sources) > 1 and not has_fields(template):
        dataset = "_{dataset}" if any(source.name for source in sources) else ""
        raise LayerError(
            f"--plot {template}: {len(sources)} inputs cannot share one picture; use a template such as "
            f"'{{stem}}{dataset}.png'"
        )
    owners: dict[str, Address] = {}
    paths = [filled_path(template, source) if has_fields(template) else template for source in sources]
    for path, source in zip(paths, sources, strict=True):
        other = owners.setdefault(real_path(path), source)
        if other is not source:
            raise LayerError(
                f"--plot {template}: {other} and {source} would both be drawn in {path}; "
                "use a template with more fields, such as '{stem}_{dataset}.png'"
            )
    return paths


def check_picture(template: str, source: Address, overwrite: bool) -> None:
    """Refuse, before the work, a picture that exists and may not be replaced, or that has no directory.

    Raises
    ------
    OutputError
    """
    (path,) = picture_paths(template, [source])
    check_absent(path, overwrite)
    if not has_fields(template) and not os.path.isdir(os.path.dirname(path) or "."):
        raise OutputError(f"{path}: its directory does not exist; create it first")
