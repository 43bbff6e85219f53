"""A file that is being made: unseen beside its target until one step gives it the target's name."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable
from functools import cache
from typing import Any

from dwconv_cli.interrupts import critical_section, unfinished_files
from dwconv_cli.storage.file_state import state

# What link() and renameat2() say where the file system, or the kernel, does not have them.
_UNKNOWN = (errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
# Linux's flag for: fail if the new name exists.
_NO_REPLACE = 1


class ChangedError(Exception):
    """The file whose content was carried over is another one now."""


class Draft:
    """A new file in the folder of its target.

    Everything is done relative to the open folder, so that the file stays with it if somebody renames it meanwhile.

    Parameters
    ----------
    target : str
        Without symbolic links.
    replace : bool
        Whether an existing target may be replaced; the new file has its mode from the start.
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
        self.fd = self._kept = -1
        self._folder, self._listed = _opened_folder(folder)
        try:
            if keep:
                # It stays open, so that no other file can get its inode.
                self._kept = os.open(self._base, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
            self._before = None if self._kept < 0 else state(os.fstat(self._kept))
            self._create()
        except BaseException:
            self.discard()
            raise

    @critical_section
    def publish(self) -> None:
        """Write the file to the disk and give it its target's name.

        Raises
        ------
        FileExistsError
            If somebody else's file has the name and may not be replaced.
        formats.draft.ChangedError
            If the file whose content was carried over has changed.
        OSError
        """
        assert self._name is not None
        if self._replace:
            # The target may have been made private since.
            self._take_mode()
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

    @critical_section
    def _create(self) -> None:
        # The random part keeps concurrent runs apart; 200 bytes leave room for it in a name of 255.
        kept = os.fsdecode(os.fsencode(self._base)[:200])
        mode = 0o600 if self._replace and self._mode() is not None else 0o666
        while self.fd < 0:
            self._name = f".{kept}.{os.urandom(6).hex()}.tmp"
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
            self._take_mode()

    def _mode(self) -> int | None:
        """The mode of the target, if it is there."""
        try:
            return stat.S_IMODE(os.stat(self._base, dir_fd=self._folder).st_mode)
        except FileNotFoundError:
            return None

    def _take_mode(self) -> None:
        mode = self._mode()
        if mode is not None and mode != stat.S_IMODE(os.fstat(self.fd).st_mode):
            os.fchmod(self.fd, mode)

    def _rename_to_new(self, name: str) -> None:
        """Rename the temporary file to a name that is free, and never have anything else appear under it."""
        folder = self._folder
        try:
            rename_no_replace(folder, name, self._base)
            return
        except OSError as error:
            if error.errno not in _UNKNOWN:
                raise
        try:
            os.link(name, self._base, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in _UNKNOWN:
                raise
        else:
            os.unlink(name, dir_fd=folder)
            return
        # Neither is there, as on some memory cards. Runs of ours keep out of each other's way by the lock.
        self._lock()
        try:
            os.stat(self._base, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(name, self._base, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _lock(self) -> None:
        """Keep other runs from publishing in this folder until it is closed; not all file systems can do it."""
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
        for fd in (self._kept, self._folder):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._kept = self._folder = -1


def _opened_folder(path: str) -> tuple[int, bool]:
    """A folder to work in, and whether it may be read: one may write into a folder that one may not list."""
    flags = os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDONLY | flags), True
    except PermissionError:
        # Linux opens it all the same, but not for what would write it to the disk.
        if not hasattr(os, "O_PATH"):
            raise
        return os.open(path, os.O_PATH | flags), False


@cache
def _renameat2() -> Callable[..., int] | None:
    """The C library's function, where it has it."""
    try:
        import ctypes

        function: Any = ctypes.CDLL(None, use_errno=True).renameat2
    except (ImportError, OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    found: Callable[..., int] = function
    return found


def rename_no_replace(folder: int, old: str, new: str) -> None:
    """Rename within an open folder, in one step that fails if the new name exists.

    Raises
    ------
    OSError
        One of `_UNKNOWN` where it cannot be done.
    """
    function = _renameat2()
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import ctypes

    if function(folder, os.fsencode(old), folder, os.fsencode(new), _NO_REPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
