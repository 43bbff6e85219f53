"""Zip files of unknown origin, read with bounded memory.

Python's `zipfile` reads the directory at once, however long the file says it is, and expands whatever 4 KiB of
bzip2 or LZMA hold at once, which may be gigabytes. Here a directory has at most ``MAX_DIRECTORY`` bytes, an LZMA
dictionary ``MAX_DICTIONARY``, and a member is expanded in pieces of the size that is asked for. A member that claims
more bytes than its compression can make of what is stored is malformed.
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
# Every way in which zipfile and the decompressors say that a file is damaged.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, ValueError, NotImplementedError, RuntimeError, EOFError,
    OverflowError, struct.error,
)  # fmt: skip

# How often bytes can repeat what one stored byte says: as measured with zeros, and some room.
_EXPANSION = {
    zipfile.ZIP_STORED: 1,
    zipfile.ZIP_DEFLATED: 1_100,
    zipfile.ZIP_BZIP2: 2_000_000,
    zipfile.ZIP_LZMA: 16_000,
}
_STEP = 1 << 16
_ENTRY = b"PK\1\2"


class _Careful(io.FileIO):
    """A file that gives no more at once than a directory may have."""

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
    """A zip file that closes what it reads from, which the library's own does only if it opened that."""

    def __init__(self, file: _Careful) -> None:
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
        If it is none, or its directory is too large.
    OSError
    """
    file = _Careful(path, members)
    try:
        return _Archive(file)
    except BaseException:
        file.close()
        raise


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """Open a member for reading in order; whoever reads it to its end has its checksum tested.

    Raises
    ------
    zipfile.BadZipFile
        If it claims more bytes than it can have.
    NotImplementedError
        If it is compressed in a way that is not known.
    """
    most = _EXPANSION.get(info.compress_type)
    if most is not None and info.file_size > most * info.compress_size + _STEP * (most > 1):
        raise zipfile.BadZipFile(f"claims {info.file_size} bytes, but has {info.compress_size}")
    if info.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        return archive.open(info)
    return io.BufferedReader(_Expanded(archive, info), _STEP)


class _Expanded(io.RawIOBase):
    """A member under bzip2 or LZMA."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        stored: Any = copy.copy(info)
        stored.compress_type, stored.file_size, stored.CRC = zipfile.ZIP_STORED, info.compress_size, None
        self._stored = archive.open(stored)
        self._left, self._checksum, self._wanted = info.file_size, 0, info.CRC
        self._expander: Any = bz2.BZ2Decompressor()
        if info.compress_type == zipfile.ZIP_LZMA:
            self._expander = _lzma(self._stored)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        part = self._part(min(len(view), self._left))
        view[: len(part)] = part
        self._left -= len(part)
        self._checksum = zlib.crc32(part, self._checksum)
        if not self._left and self._checksum != self._wanted:
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
    # Two bytes of a version, then the length of the properties, which is five (APPNOTE 5.8.8).
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
