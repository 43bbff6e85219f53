"""Keras's settings file, as Keras finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dwconv_cli.cli.keras_home import KerasDefault, default_data_format
from dwconv_cli.errors import InputError

# As Keras 3 writes it.
SETTINGS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_first",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "keras.json"


def test_without_a_file(home: Path) -> None:
    assert default_data_format() == KerasDefault("channels_last", None)


@pytest.mark.parametrize("value", ["channels_first", "channels_last"])
def test_with_a_file(home: Path, value: str) -> None:
    home.write_text(json.dumps(SETTINGS | {"image_data_format": value}))
    assert default_data_format() == KerasDefault(value, str(home))


@pytest.mark.parametrize("keras_home", [None, ""])
def test_in_the_users_home(tmp_path: Path, keras_home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_HOME") if keras_home is None else monkeypatch.setenv("KERAS_HOME", keras_home)
    (tmp_path / ".keras").mkdir()
    path = tmp_path / ".keras" / "keras.json"
    path.write_text(json.dumps(SETTINGS))
    assert default_data_format() == KerasDefault("channels_first", str(path))


@pytest.mark.parametrize(
    "settings", [{}, {"floatx": "float16"}, {"image_data_format": None}, [], "x", 3, None]
)
def test_files_that_do_not_set_it(home: Path, settings: Any) -> None:
    home.write_text(json.dumps(settings))
    assert default_data_format() == KerasDefault("channels_last", None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 60_000,
        b'{"image_data_format": "channels_first"}' + b" " * 70_000 + b"x",
    ],
    ids=["empty", "cut", "no text", "deep", "long"],
)
def test_files_that_are_no_json(home: Path, content: bytes) -> None:
    home.write_bytes(content)
    if content.endswith(b"x"):
        # What follows the first 64 KiB is not read.
        assert default_data_format().value == "channels_first"
        return
    with pytest.raises(
        InputError, match=r"keras.json: not valid JSON; mend it, or give data_format"
    ) as caught:
        default_data_format()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["Channels_First", "", 1, ["channels_first"], {"a": 1}, "x\n" * 100])
def test_other_values(home: Path, value: Any) -> None:
    home.write_text(json.dumps({"image_data_format": value}))
    with pytest.raises(InputError, match="expected channels_last or channels_first") as caught:
        default_data_format()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(home)) + 220


def test_a_folder_in_its_place(home: Path) -> None:
    home.mkdir()
    assert default_data_format() == KerasDefault("channels_last", None)
