"""A file that is being made: a hidden file beside its target, until one step gives it the target's name."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from functools import cache
from typing import Any

from dwconv_cli.interrupts import file_creation, unfinished_files
from dwconv_cli.storage.file_state import state

# Errors of link() and renameat2() where the file system or the kernel does not have them.
_UNSUPPORTED = (errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
# Linux's flag RENAME_NOREPLACE: fail if the new name exists.
_NO_REPLACE = 1


class ChangedError(Exception):
    """The file whose content was carried over has changed since."""


class Draft:
    """A new file in the folder of its target.

    All names are looked up in the open folder, so that the file stays in it if somebody renames the folder meanwhile.

    Parameters
    ----------
    target : str
        A path without symbolic links.
    replace : bool
        Whether an existing target may be replaced; the new file then has the target's mode from the start.
    keep : bool
        Whether the content of an existing target is carried over, so that it may not change before :meth:`publish`.

    Attributes
    ----------
    fd : int
        Open for reading and writing; -1 afterwards.

    Raises
    ------
    OSError
    """

    def __init__(self, target: str, replace: bool = False, keep: bool = False) -> None:
        folder, self._base = os.path.split(target)
        self._replace = replace
        self._name: str | None = None
        self.fd = self._old = -1
        self._folder, self._listed = _opened_folder(folder)
        try:
            if keep:
                # It stays open, so that no other file can get its inode.
                self._old = os.open(self._base, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
            self._before = None if self._old < 0 else state(os.fstat(self._old))
            self._create()
        except BaseException:
            self.discard()
            raise

    def publish(self) -> None:
        """Write the file to the disk and give it its target's name.

        Raises
        ------
        FileExistsError
            If somebody else's file has the name and may not be replaced.
        storage.draft.ChangedError
            If the file whose content was carried over has changed.
        OSError
        """
        assert self._name is not None
        if self._replace:
            # The target may have become private since the draft was made.
            self._copy_mode()
        os.fsync(self.fd)
        self._close()
        if self._before is not None:
            self._lock()
            if self._before != state(os.stat(self._base, dir_fd=self._folder)):
                raise ChangedError
        if self._replace:
            os.replace(self._name, self._base, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        else:
            self._rename_to_new(self._name)
        self._forget()
        if self._listed:
            os.fsync(self._folder)
        self._release()

    def discard(self) -> None:
        """Remove the file unless it is published."""
        with contextlib.suppress(OSError):
            self._close()
        if self._name is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
            self._forget()
        self._release()

    def _create(self) -> None:
        # The random part keeps concurrent runs apart; 200 bytes leave room for it in a name of 255.
        base = os.fsdecode(os.fsencode(self._base)[:200])
        mode = 0o600 if self._replace and self._mode() is not None else 0o666
        while self.fd < 0:
            self._name = f".{base}.{os.urandom(6).hex()}.tmp"
            with file_creation:
                # Entered before the file is created, since a signal may come at any time.
                unfinished_files.add((self._folder, self._name))
                try:
                    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                    self.fd = os.open(self._name, flags, mode, dir_fd=self._folder)
                except FileExistsError:
                    self._forget()
                except OSError:
                    self._forget()
                    raise
        if self._replace:
            self._copy_mode()

    def _mode(self) -> int | None:
        """The mode of the target, if it is there."""
        try:
            return stat.S_IMODE(os.stat(self._base, dir_fd=self._folder).st_mode)
        except FileNotFoundError:
            return None

    def _copy_mode(self) -> None:
        """Give the draft the mode of its target."""
        mode = self._mode()
        if mode is not None and mode != stat.S_IMODE(os.fstat(self.fd).st_mode):
            os.fchmod(self.fd, mode)

    def _rename_to_new(self, name: str) -> None:
        """Rename the temporary file in one step that fails if another file has the target's name."""
        folder = self._folder
        try:
            rename_no_replace(folder, name, self._base)
            return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        try:
            os.link(name, self._base, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        else:
            os.unlink(name, dir_fd=folder)
            return
        # Some memory cards have neither. There it takes two steps, and a lock keeps out other runs of dwconv.
        self._lock()
        try:
            os.stat(self._base, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(name, self._base, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _lock(self) -> None:
        """Keep other runs from publishing in this folder until it is closed, if the file system has locks."""
        with contextlib.suppress(OSError):
            fcntl.flock(self._folder, fcntl.LOCK_EX)

    def _forget(self) -> None:
        if self._name is not None:
            unfinished_files.discard((self._folder, self._name))
            self._name = None

    def _close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def _release(self) -> None:
        for fd in (self._old, self._folder):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._old = self._folder = -1


def _opened_folder(path: str) -> tuple[int, bool]:
    """Open a folder to write into. The second value is False if it may be written to but not listed."""
    flags = os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDONLY | flags), True
    except PermissionError:
        # Linux opens it with O_PATH all the same; such a descriptor cannot be synchronised with the disk.
        if not hasattr(os, "O_PATH"):
            raise
        return os.open(path, os.O_PATH | flags), False


@cache
def _renameat2() -> Any:
    """The C library's function, or None where it has none."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        function: Any = ctypes.CDLL(None, use_errno=True).renameat2
        function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
        return function
    return None


def rename_no_replace(folder: int, old: str, new: str) -> None:
    """Rename within an open folder, in one step that fails if the new name exists.

    Raises
    ------
    OSError
        One of `_UNSUPPORTED` where the system cannot do it.
    """
    function = _renameat2()
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import ctypes

    if function(folder, os.fsencode(old), folder, os.fsencode(new), _NO_REPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
