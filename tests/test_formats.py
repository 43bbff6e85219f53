"""What every file format promises, whatever it is called."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from dwconv_cli.choices import FORMATS
from dwconv_cli.errors import InputError, OutputError
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, format_of, open_output, open_reader
from dwconv_cli.storage.protocols import NewArray
from dwconv_cli.storage.resolution import completed
from dwconv_cli.storage.selections import everything

# What numbers are read as, where a format does not keep their dtype.
DTYPES_READ = {"csv": "f8"}
# Numbers that every format holds, integers of 16 bits among them.
X = np.arange(-32, 28, dtype="f4") / 32
ATTRIBUTES = {"sample_format": "PCM_16"}


def file_of(folder: Path, format: str) -> Address:
    """The address of a file whose suffix does not tell its format."""
    return Address(str(folder / "x"), None, format)


@pytest.mark.parametrize("format", FORMATS)
def test_an_array_comes_back_as_it_was_written(tmp_path: Path, format: str) -> None:
    file = file_of(tmp_path, format)
    root = format_of(file).ROOT
    name = None if root is None else f"{root}a"
    output = open_output(file)
    writer = output.writer(NewArray(name or "", X.shape, X.dtype, ATTRIBUTES, sampling_rate=50.0))
    writer.write(everything(X.shape), X)
    writer.commit()
    assert list(tmp_path.glob("[!.]*")) == []
    output.commit()
    assert array_names(file) == ([] if name is None else [name])
    address = completed(file)
    assert address == Address(file.path, name, format)
    with contextlib.closing(open_reader(address)) as reader:
        assert (reader.shape, reader.dtype) == (X.shape, DTYPES_READ.get(format, X.dtype))
        found = np.empty_like(X)
        reader.read(everything(X.shape), found)
        reader.finish()
    assert np.array_equal(found, X)


@pytest.mark.parametrize("format", FORMATS)
def test_an_output_that_is_given_up_leaves_nothing(tmp_path: Path, format: str) -> None:
    open_output(file_of(tmp_path, format)).abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_errors_name_the_file(tmp_path: Path, format: str) -> None:
    file = file_of(tmp_path, format)
    with pytest.raises(InputError, match=f"{file.path}.*no such file"):
        open_reader(completed(file))
    Path(file.path).touch()
    with pytest.raises(OutputError, match=f"{file.path}.*exists already"):
        open_output(file)


@pytest.mark.parametrize("format", FORMATS)
def test_suffixes_tell_the_format(format: str) -> None:
    assert {Address(f"a{suffix.upper()}").format for suffix in FORMATS[format]} == {format}
