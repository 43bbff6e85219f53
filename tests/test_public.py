"""What the package promises to those who import it: names, signatures, documentation, and lightness."""

from __future__ import annotations

import builtins
import copy
import importlib
import inspect
import pickle
import pkgutil
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from helpers_cli import run_python

import dwconv_cli
from dwconv_cli import choices, errors
from dwconv_cli.errors import exit_code

PUBLIC = [
    "Comparison",
    "Difference",
    "DwconvError",
    "InputError",
    "LayerError",
    "LayerSpec",
    "LoadedWeights",
    "MissingExtraError",
    "OutOfMemoryError",
    "OutputError",
    "Plan",
    "Recipe",
    "Report",
    "Settings",
    "ShapeError",
    "StreamingConv",
    "UnsafeFileError",
    "Weights",
    "__version__",
    "apply_file",
    "apply_many",
    "compare",
    "depthwise_conv1d",
    "describe",
    "load_weights",
    "make_weights",
    "plan_conv",
    "save_weights",
]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(dwconv_cli.__path__, "dwconv_cli.")
    if not module.name.endswith("__main__")
)
HEAVY = {"numpy", "scipy", "h5py", "rich", "hdf5plugin", "matplotlib", "dask", "distributed", "threadpoolctl"}


def test_the_list() -> None:
    assert dwconv_cli.__all__ == PUBLIC
    assert dir(dwconv_cli) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there(name: str) -> None:
    value = getattr(dwconv_cli, name)
    if name != "__version__":
        assert value.__name__ == name
        assert value.__module__.startswith("dwconv_cli.")


def test_no_module_stands_in_the_way_of_a_name() -> None:
    """A module that bears a public name would take its place in the package as soon as anything imports it."""
    assert not {f"dwconv_cli.{name}" for name in PUBLIC} & set(MODULES)


def test_star_import() -> None:
    space: dict[str, Any] = {}
    exec("from dwconv_cli import *", space)
    assert set(PUBLIC) <= set(space)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        _ = dwconv_cli.no_such
    assert not hasattr(dwconv_cli, "__wrapped__")


def test_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+([a-z]+\d*)?", dwconv_cli.__version__)


def test_typed() -> None:
    assert (Path(dwconv_cli.__file__).parent / "py.typed").is_file()


def test_signature_of_depthwise_conv1d() -> None:
    """Names and meanings of ``keras.ops.depthwise_conv``, so that one can stand in for the other."""
    parameters = inspect.signature(dwconv_cli.depthwise_conv1d).parameters
    assert {name: p.default for name, p in parameters.items() if p.default is not p.empty} == {
        "bias": None,
        "strides": 1,
        "padding": "valid",
        "data_format": "channels_last",
        "dilation_rate": 1,
        "activation": None,
        "dtype": None,
        "algorithm": "auto",
        "threads": None,
        "out": None,
    }
    assert list(parameters)[:3] == ["inputs", "kernel", "bias"]
    assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters.values())[3:])


@pytest.mark.parametrize(
    "function, literals",
    [
        (
            "depthwise_conv1d",
            {"padding": "Padding", "data_format": "DataFormat", "algorithm": "AlgorithmName"},
        ),
        ("LayerSpec", {"padding": "Padding", "data_format": "DataFormat"}),
        ("StreamingConv", {"algorithm": "AlgorithmName"}),
        ("plan_conv", {"algorithm": "AlgorithmName"}),
        ("load_weights", {"layout": "KernelLayout"}),
        ("save_weights", {"layout": "KernelLayout"}),
        ("Settings", {"algorithm": "AlgorithmName", "nan": "NanMode"}),
        ("describe", {"default_format": "DataFormat", "kernel_layout": "KernelLayout"}),
    ],
)
def test_choices_are_literal_types(function: str, literals: dict[str, str]) -> None:
    parameters = inspect.signature(getattr(dwconv_cli, function)).parameters
    assert {name: parameters[name].annotation for name in literals} == literals
    for name, literal in literals.items():
        assert parameters[name].default in get_args(getattr(choices, literal))


def test_the_type_of_formats_names_all() -> None:
    assert get_args(choices.FormatName) == choices.FORMAT_NAMES


class TestErrors:
    TREE = {
        "DwconvError": ((Exception,), 70),
        "LayerError": ((ValueError,), 2),
        "ShapeError": ((ValueError,), 2),
        "InputError": ((OSError,), 3),
        "UnsafeFileError": ((errors.InputError, OSError), 3),
        "OutputError": ((OSError,), 4),
        "MissingExtraError": ((ImportError,), 3),
        "OutOfMemoryError": ((MemoryError,), 5),
    }

    def test_all_are_public_and_drawn(self) -> None:
        names = {name for name, value in vars(errors).items() if isinstance(value, type) and "Error" in name}
        assert names == set(self.TREE)
        assert names <= set(PUBLIC)
        assert all(name in str(errors.__doc__) for name in names)

    @pytest.mark.parametrize("name", TREE)
    def test_each(self, name: str) -> None:
        kind = getattr(errors, name)
        parents, code = self.TREE[name]
        assert issubclass(kind, (errors.DwconvError, *parents))
        assert all(issubclass(kind, parent) for parent in parents)
        error = kind("rec.npy: what was found; what to do")
        assert str(error) == "rec.npy: what was found; what to do"
        assert exit_code(error) == code
        assert code in errors.EXIT_CODES
        # They travel between processes.
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (kind, str(error))

    @pytest.mark.parametrize(
        "error, code",
        [
            (MemoryError(), 5),
            (KeyboardInterrupt(), 130),
            (BrokenPipeError(), 141),
            (KeyError(), 70),
            (OSError(), 70),
        ],
    )
    def test_others(self, error: BaseException, code: int) -> None:
        assert exit_code(error) == code
        assert code in errors.EXIT_CODES


def test_layers_weights_plans_and_recipes_travel() -> None:
    layer = dwconv_cli.LayerSpec(kernel_size=3, activation="relu(max_value=6)")
    weights = dwconv_cli.Weights(np.ones((3, 2, 1)), np.arange(2.0))
    recipe = dwconv_cli.Recipe(given=(layer, weights), options={"padding": "same"})
    plan = dwconv_cli.plan_conv(dwconv_cli.convolution.algorithms.Problem(3, 2))
    for make in (lambda o: pickle.loads(pickle.dumps(o)), copy.deepcopy):
        assert make(layer) == layer
        assert hash(make(layer)) == hash(layer)
        assert np.array_equal(make(weights).kernel, weights.kernel)
        assert make(recipe).given[0] == layer
        assert make(plan) == plan


class TestLightness:
    @pytest.mark.parametrize(
        "code, absent",
        [
            # Importing the package does no work, and neither do its errors, fixed choices and integers.
            (
                "import dwconv_cli as d; d.LayerError; import dwconv_cli.choices, dwconv_cli.layer.geometry",
                HEAVY | {"click"},
            ),
            # A convolution needs no files.
            (
                "import dwconv_cli as d; d.depthwise_conv1d([1., 2., 3.], [1., 1.])",
                {"h5py", "rich", "click", "dask", "matplotlib"},
            ),
        ],
        ids=["import", "convolution"],
    )
    def test_what_is_not_imported(self, code: str, absent: set[str]) -> None:
        ran = run_python(f"{code}\nimport sys\nprint(*sys.modules)").done()
        assert not {name.partition(".")[0] for name in ran.out.decode().split()} & absent

    @pytest.mark.parametrize(
        "arguments",
        [
            "--help",
            "--version",
            "-h",
            "apply --help",
            "init-weights --help",
            "inspect --help",
            "compare --help",
            "no-such",
            "",
        ],
    )
    def test_help_is_quick(self, arguments: str) -> None:
        program = "import atexit, runpy, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        ran = run_python(program + "runpy.run_module('dwconv_cli', run_name='__main__')", *arguments.split())
        assert ran.code == (2 if arguments in ("no-such", "") else 0)
        imported = {name.partition(".")[0] for name in ran.err.splitlines()[-1].split()}
        assert "click" in imported
        assert not imported & HEAVY

    MISTAKES = (
        "apply",
        "apply rec.npy",
        "apply rec.npy --bogus",
        "apply rec.npy -k k.npy",
        "apply rec.npy -k k.npy -o out.npy --padding nope",
        "apply rec.npy -k k.npy -o out.npy --output-dir folder",
        "apply rec.npy -k k.npy -o out.npy --jobs 0",
        "apply rec.npy -k k.npy -o out.npy --slice x",
        "init-weights",
        "init-weights -o k.npz --kernel-size 3",
        "inspect",
        "inspect rec.npy --padding same",
        "compare a.npy",
        "compare a.npy b.npy --rtol -1",
        "compare - -",
    )

    def test_mistakes_are_told_without_numpy(self) -> None:
        """All in one process, since starting one takes the most time."""
        program = (
            "import sys\nfrom dwconv_cli.cli import main\nfor line in sys.argv[1:]:\n"
            "    try: main(line.split())\n    except SystemExit as left: assert left.code == 2, line\nprint(*sys.modules)"
        )
        ran = run_python(program, *self.MISTAKES)
        assert ran.code == 0, ran.err
        assert len(ran.err.splitlines()) == len(self.MISTAKES)
        assert not {name.partition(".")[0] for name in ran.out.decode().split()} & HEAVY

    @pytest.mark.parametrize("typed, offered", [("dwconv ap", "apply"), ("dwconv apply --pad", "--padding")])
    def test_completion_is_quick(self, typed: str, offered: str) -> None:
        program = "import atexit, runpy, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        env = {
            "_DWCONV_COMPLETE": "bash_complete",
            "COMP_WORDS": typed,
            "COMP_CWORD": "1" if "-" not in typed else "2",
        }
        ran = run_python(program + "runpy.run_module('dwconv_cli', run_name='__main__')", env=env)
        assert ran.out.decode().split() == [f"plain,{offered}"]
        assert not {name.partition(".")[0] for name in ran.err.split()} & HEAVY

    def test_a_job_on_npy_files_loads_no_hdf5(self, place: Path) -> None:
        program = (
            "import sys\nfrom dwconv_cli.cli import main\ntry: main(sys.argv[1:])\n"
            "except SystemExit as left: assert left.code == 0\nprint(*sys.modules)"
        )
        ran = run_python(program, *["apply", "x.npy", "-k", "k.npy", "-q", "-o", "out.npy"])
        assert ran.code == 0, ran.err
        imported = {name.partition(".")[0] for name in ran.out.decode().split()}
        assert not imported & {"h5py", "scipy", "rich", "matplotlib", "soundfile"}


def sections(text: str | None) -> dict[str, str]:
    """The sections of a numpydoc docstring."""
    lines = inspect.cleandoc(text or "").splitlines()
    heads = [i for i in range(len(lines) - 1) if lines[i + 1] and set(lines[i + 1]) == {"-"}]
    ends = [*heads, len(lines)][1:]
    return {lines[i]: "\n".join(lines[i + 2 : end]) for i, end in zip(heads, ends, strict=True)}


def listed(section: str) -> list[str]:
    """Names described in a section of parameters."""
    heads = [line for line in section.splitlines() if line and not line[0].isspace()]
    return [name.strip().lstrip("*") for head in heads for name in head.partition(" : ")[0].split(",")]


def names_of(function: Any) -> list[str]:
    skipped = ("self", "cls")
    return [name for name in inspect.signature(function).parameters if name not in skipped]


def and_methods(name: str, value: Any) -> list[tuple[str, Any]]:
    """A function or class, and a class's public methods."""
    members = vars(value).items() if isinstance(value, type) else ()
    return [(name, value)] + [
        (f"{name}.{key}", getattr(value, key))
        for key, member in members
        if not key.startswith("_") and callable(getattr(member, "__func__", member))
    ]


PUBLIC_OBJECTS = [
    (name, getattr(dwconv_cli, name))
    for name in PUBLIC
    if name != "__version__" and not name.endswith("Error")
]
PUBLIC_CALLABLES = [pair for entry in PUBLIC_OBJECTS for pair in and_methods(*entry)]


class TestDocumentation:
    @pytest.mark.parametrize("name, value", PUBLIC_OBJECTS, ids=[name for name, _ in PUBLIC_OBJECTS])
    def test_every_parameter_of_the_surface_is_described(self, name: str, value: Any) -> None:
        headings = sections(value.__doc__)
        described = listed(headings.get("Parameters", ""))
        groups = tuple(head for head in described if head.startswith("_"))  # *_initializer and the like
        missing = [key for key in names_of(value) if key not in described and not key.endswith(groups)]
        assert not missing
        if inspect.isfunction(value) and value.__annotations__["return"] not in ("None", None):
            assert headings.keys() & {"Returns", "Yields"}

    @pytest.mark.parametrize("name, value", PUBLIC_CALLABLES, ids=[name for name, _ in PUBLIC_CALLABLES])
    def test_a_summary_stands_first(self, name: str, value: Any) -> None:
        summary = inspect.cleandoc(value.__doc__ or "").partition("\n\n")[0]
        assert summary.rstrip().endswith((".", ":")), summary

    @pytest.mark.parametrize("module", MODULES)
    def test_nothing_is_described_that_is_not_there(self, module: str) -> None:
        """In the whole package: sections of parameters name parameters, raised errors are errors."""
        for key, member in vars(importlib.import_module(module)).items():
            if key.startswith("_") or getattr(member, "__module__", None) != module or not callable(member):
                continue
            for name, value in and_methods(key, member):
                headings = sections(value.__doc__)
                described = {
                    head for head in listed(headings.get("Parameters", "")) if not head.startswith("_")
                }
                assert not described or described <= set(names_of(value)), f"{module}.{name}"
                for head in listed(headings.get("Raises", "")):
                    known = hasattr(errors, head) or hasattr(builtins, head) or "." in head
                    assert known, f"{module}.{name}: {head}"
