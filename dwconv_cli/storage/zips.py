"""Zip files of unknown origin, read with bounded memory.

Python's `zipfile` reads the directory of a file at once, however long the file says it is. Under bzip2 and LZMA it
expands 4 KiB at once, which may become gigabytes. Here a directory may have ``MAX_DIRECTORY`` bytes and an LZMA
dictionary ``MAX_DICTIONARY``, and a member is expanded in pieces of the size that the caller asks for. A member that
claims more bytes than its compression could make of the stored ones is refused.
"""

from __future__ import annotations

import bz2
import copy
import io
import lzma
import struct
import zipfile
import zlib
from typing import Any

MAX_DIRECTORY = 16 << 20
MAX_DICTIONARY = 64 << 20
# All exceptions by which zipfile and the decompressors say that a file is damaged.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, ValueError, NotImplementedError, RuntimeError, EOFError,
    OverflowError, struct.error,
)  # fmt: skip

# The most bytes that one stored byte can become: as measured with zeros, and some more.
_EXPANSION = {
    zipfile.ZIP_STORED: 1,
    zipfile.ZIP_DEFLATED: 1_100,
    zipfile.ZIP_BZIP2: 2_000_000,
    zipfile.ZIP_LZMA: 16_000,
}
_STEP = 1 << 16
_ENTRY = b"PK\1\2"


class _BoundedFile(io.FileIO):
    """A file that refuses to read more at once than a directory may have."""

    def __init__(self, path: str, members: int) -> None:
        super().__init__(path)
        self._members = members

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"a directory of {size} bytes, more than {MAX_DIRECTORY}")
        data = super().read(size) or b""
        if len(data) > _STEP and data.count(_ENTRY) > self._members:
            raise zipfile.BadZipFile(f"has more than {self._members} members")
        return data


class _Archive(zipfile.ZipFile):
    """A zip file that closes the file it reads from; the library's own class closes only what it opened itself."""

    def __init__(self, file: _BoundedFile) -> None:
        self._file = file
        super().__init__(file)

    def close(self) -> None:
        super().close()
        self._file.close()


def open_archive(path: str, members: int) -> zipfile.ZipFile:
    """Open a zip file of at most so many members.

    Raises
    ------
    zipfile.BadZipFile
        If it is no zip file, or its directory is too large.
    OSError
    """
    file = _BoundedFile(path, members)
    try:
        return _Archive(file)
    except BaseException:
        file.close()
        raise


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """Open a member for reading in order; its checksum is tested when it was read to its end.

    Raises
    ------
    zipfile.BadZipFile
        If it claims more bytes than it can have.
    NotImplementedError
        If its compression is unknown.
    """
    most = _EXPANSION.get(info.compress_type)
    if most is not None and info.file_size > most * info.compress_size + _STEP * (most > 1):
        raise zipfile.BadZipFile(f"claims {info.file_size} bytes, but has {info.compress_size}")
    if info.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        return archive.open(info)
    return io.BufferedReader(_ExpandingReader(archive, info), _STEP)


class _ExpandingReader(io.RawIOBase):
    """A member under bzip2 or LZMA."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        stored: Any = copy.copy(info)
        stored.compress_type, stored.file_size, stored.CRC = zipfile.ZIP_STORED, info.compress_size, None
        self._stored = archive.open(stored)
        self._remaining, self._checksum, self._expected = info.file_size, 0, info.CRC
        self._expander: Any = bz2.BZ2Decompressor()
        if info.compress_type == zipfile.ZIP_LZMA:
            self._expander = _lzma(self._stored)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        part = self._part(min(len(view), self._remaining))
        view[: len(part)] = part
        self._remaining -= len(part)
        self._checksum = zlib.crc32(part, self._checksum)
        if not self._remaining and self._checksum != self._expected:
            raise zipfile.BadZipFile("bad checksum")
        return len(part)

    def _part(self, size: int) -> bytes:
        part = b""
        while size and not part:
            if self._expander.eof:
                raise EOFError("ends early")
            stored = self._stored.read(_STEP) if self._expander.needs_input else b""
            if self._expander.needs_input and not stored:
                raise EOFError("cut short")
            part = self._expander.decompress(stored, size)
        return part

    def close(self) -> None:
        self._stored.close()
        super().close()


def _lzma(stored: Any) -> lzma.LZMADecompressor:
    # Two bytes of a version, two with the length of the properties, then five bytes of properties (APPNOTE 5.8.8).
    head = stored.read(9)
    if len(head) < 9 or head[2:4] != b"\5\0":
        raise lzma.LZMAError("its LZMA properties are damaged")
    digit, dictionary = struct.unpack("<BI", head[4:])
    if dictionary > MAX_DICTIONARY:
        raise lzma.LZMAError(f"needs a dictionary of {dictionary} bytes, more than {MAX_DICTIONARY}")
    rest, lc = divmod(digit, 9)
    pb, lp = divmod(rest, 5)
    options = {"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), "lc": lc, "lp": lp, "pb": pb}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[options])
