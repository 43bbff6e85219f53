"""The tests of the compiled sums under the sanitizers, or under valgrind.

    python tests/sanitized.py [--valgrind] [--problems 2000]

A copy of the package gets an extension built with AddressSanitizer and UndefinedBehaviorSanitizer, which end the process
at the first read or write outside a buffer. GCC and the packages of the tests are needed, and for the second valgrind.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ("-ffp-contract=off", "-fPIC", "-shared", "-g", "-Wno-psabi")
SANITIZERS = (
    "-O1",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
)


def library(name: str) -> str:
    """Where GCC keeps a library."""
    answer = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("--problems", default="2000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for name in ("dwconv_cli", "tests", "pyproject.toml"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, Path(place, name))
        source = Path(place, "dwconv_cli", "convolution", "compiled", "_direct.c")
        flags = (*FLAGS, "-O2") if options.valgrind else (*FLAGS, *SANITIZERS)
        include = f"-I{sysconfig.get_paths()['include']}"
        subprocess.run(
            ["gcc", *flags, include, str(source), "-o", str(source.with_suffix(".abi3.so"))], check=True
        )
        environment = {**os.environ, "DWCONV_PROBLEMS": options.problems, "PYTHONPATH": place}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "tests/test_compiled.py"]
        if options.valgrind:
            # Python's own allocator would hide from valgrind where a buffer ends. Only what has our functions in its stack
            # counts, since the C library's comparisons read beyond the ends of strings.
            environment["PYTHONMALLOC"] = "malloc"
            command[:0] = ["valgrind", "-q", "--undef-value-errors=no", f"--log-file={place}/valgrind.log"]
        else:
            # Python leaks on purpose at its end.
            environment["ASAN_OPTIONS"] = "detect_leaks=0"
            environment["LD_PRELOAD"] = " ".join(map(library, ("libasan.so", "libubsan.so")))
        # Processes that the tests start load the sanitizers too, but valgrind stays with the first.
        code = subprocess.run(command, env=environment, cwd=place, check=False).returncode
        if not options.valgrind:
            return code
        log = Path(place, "valgrind.log").read_text().splitlines()
        ours = [line for line in log if "_direct." in line]
        print("\n".join(ours) or "nothing in the compiled sums")
        return code or bool(ours)


if __name__ == "__main__":
    sys.exit(main())
