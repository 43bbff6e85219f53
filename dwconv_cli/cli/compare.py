"""``dwconv compare``: say where two arrays differ, and by how much."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, TextIO

import click

from dwconv_cli.choices import FORMAT_NAMES, FormatName
from dwconv_cli.cli import answering, say
from dwconv_cli.cli.declaring import argument, flag, option, takes
from dwconv_cli.cli.options import check_stream_format, choice
from dwconv_cli.cli.sections import COMPARISON, INPUT, REPORTS, SectionCommand, exit_codes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CompareOptions:
    """What was typed."""

    arrays: tuple[str, ...] = argument("A B", "Addresses of two arrays; B is the reference")
    rtol: float = option(
        "--rtol R", "Allow |A - B| <= atol + R * |B|", 0.0, section=COMPARISON, type=float, otherwise="0"
    )
    atol: float = option(
        "--atol T", "Allow |A - B| <= T + rtol * |B|", 0.0, section=COMPARISON, type=float, otherwise="0"
    )
    ulp: int = option(
        "--ulp N",
        "Allow N steps from one floating-point number to the next, or N between integers",
        0,
        section=COMPARISON,
        type=int,
        otherwise="0",
    )
    equal_nan: bool | None = option(
        "--equal-nan/--no-equal-nan",
        "Whether NaN equals NaN at the same place",
        section=COMPARISON,
        otherwise="it does",
    )
    ignore_dtype: bool = flag(
        "--ignore-dtype", "Compare the numbers alone where the dtypes differ", section=COMPARISON
    )
    bits: bool = flag(
        "--bits", "Allow no difference of bits, not even that of -0.0 and 0.0", section=COMPARISON
    )
    attributes: bool = flag("--attributes", "Compare the attributes of HDF5 datasets too", section=COMPARISON)
    input_format: FormatName | None = option(
        "--input-format",
        "Format of the file whose suffix does not tell it, or of both",
        section=INPUT,
        type=choice(FORMAT_NAMES),
        otherwise="by their suffixes",
    )
    allow_external: bool = flag("--allow-external", "Read HDF5 data that lies in other files", section=INPUT)
    as_json: bool = flag("--json", "One JSON object instead of text", section=REPORTS)
    quiet: bool = flag("-q --quiet", "Print nothing; the exit code tells", section=REPORTS)


@click.command(
    "compare", cls=SectionCommand, epilog=exit_codes("The arrays differ by more than the tolerances.")
)
@takes(CompareOptions)
def command(options: CompareOptions) -> int:
    """Say where array A differs from the reference B, and by how much.

    Bits come first: "identical, bit for bit". Else the largest absolute, relative (to B) and ULP difference, each
    with its place and both numbers. A pair is within if --rtol with --atol allow it, or if --ulp does. The exit code
    is 0 within the tolerances, and 1 where numbers, shapes, dtypes or the asked-for attributes differ.

    -0.0 equals 0.0, and differs in its bits. NaN equals NaN. An infinity equals itself alone. Arrays of different
    dtypes are not equal, unless with --ignore-dtype.

    \b
    dwconv compare out.npy golden.npy
    dwconv compare out.h5::/imu/acc golden.h5::/imu/acc --rtol 1e-6 \\
        --atol 1e-9 --attributes
    dwconv apply rec.npy -k taps.npy -o - | dwconv compare - golden.npy --ulp 4
    """
    if len(options.arrays) != 2:
        raise click.UsageError(f"compare takes two arrays, A and B; {len(options.arrays)} typed")
    if options.as_json and options.quiet:
        raise click.UsageError("--json and -q exclude each other")
    for name in ("rtol", "atol", "ulp"):
        if not getattr(options, name) >= 0:
            raise click.BadParameter(
                f"{getattr(options, name)} is no number from 0 on", param_hint=f"--{name}"
            )
    if options.arrays == ("-", "-"):
        raise click.UsageError("standard input can be read once; '-' stands in several places")
    check_stream_format(options.arrays, options.input_format)
    from dwconv_cli.description import compare

    comparison = compare(
        *options.arrays,
        rtol=options.rtol,
        atol=options.atol,
        ulp=options.ulp,
        equal_nan=options.equal_nan is not False,
        ignore_dtype=options.ignore_dtype,
        bits=options.bits,
        attributes=options.attributes,
        input_format=options.input_format,
        allow_external=options.allow_external,
    )
    with answering():
        if options.as_json:
            sys.stdout.write(json.dumps(comparison.to_json(), allow_nan=False) + "\n")
        elif not options.quiet:
            _show(comparison, sys.stdout)
    if not options.quiet and not options.as_json:
        for note in comparison.notes:
            say(note, "note")
    return 0 if comparison.within else 1


def _show(comparison: Any, stream: TextIO) -> None:
    from dwconv_cli.cli.render import table, title

    title(comparison.headline, stream)
    table(comparison.rows(), stream)
