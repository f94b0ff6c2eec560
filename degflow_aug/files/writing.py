"""Outputs that are written whole or not at all, by one process at a time."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

PARTIAL_SUFFIX = ".partial"
_LONGEST_NAME = 255
"""Bytes that file systems take."""
_LONGEST_HIDDEN = 100
"""Bytes of a hidden name without its ending; some file systems that encrypt names take no more than 143."""
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Write to a temporary name beside ``path``; it becomes ``path`` when the block ends well, and is removed else.

    The process id keeps two writers apart; a killed writer leaves a name that :func:`remove_partial` knows. An error
    of the system, such as a full disk, names ``path``.
    """
    path = Path(path)
    partial = path.with_name(f"{hidden_name(path.name)}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        if partial.is_symlink():
            # Put there by somebody else: what is written through it would land in another file.
            partial.unlink()
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno is not None and str(error.filename) in ("None", str(partial)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        # On a file system that takes no more changes, what went wrong before is what there is to tell.
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def fitting_name(stem: str, ending: str, longest: int = _LONGEST_NAME) -> str:
    """Join the name of a file; a stem that would leave no room for ``ending`` is cut, and told apart by a digest."""
    room = longest - len(os.fsencode(ending))
    encoded = os.fsencode(stem)
    if len(encoded) <= room:
        return f"{stem}{ending}"
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: room - len(digest) - 1].decode(errors='ignore')}~{digest}{ending}"


def fitting_path(path: Path) -> Path:
    """Return ``path``, its last name as :func:`fitting_name` has it."""
    return path.with_name(fitting_name(path.stem, path.suffix))


def hidden_name(name: str) -> str:
    """Return what the names of the temporary files and of the lock of ``name`` begin with; it leaves them room."""
    return fitting_name(f".{name}", "", _LONGEST_HIDDEN)


@contextmanager
def appended(path: Path) -> Iterator[BinaryIO]:
    """Open a file of lines to read and to add to, without a buffer; what stands there is not followed if it is a link.

    Raises:
        ValueError: a link.
        OSError: it cannot be written.
    """
    refuse_link(path)
    with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666), "ab+", buffering=0) as file:
        yield file


def refuse_link(path: Path) -> None:
    """Refuse a file of ours in whose place there is a link, which somebody else has put there, by a ValueError."""
    if path.is_symlink():
        raise ValueError(f"{path}: expected a file, got a link to {os.readlink(path)}; remove it")


def remove_partial(folder: str | Path) -> int:
    """Remove what killed writers left below ``folder``; returns how many files that were."""
    stray = list(Path(folder).rglob(f".*{PARTIAL_SUFFIX}")) if Path(folder).is_dir() else []
    for file in stray:
        file.unlink(missing_ok=True)
    return len(stray)


@contextmanager
def sole_writer(output: str | Path, lock: str | Path | None = None) -> Iterator[None]:
    """Be the only process inside such a block for ``output``; what killed ones left of that file is removed.

    The lock is the operating system's, on a file that is removed afterwards: it ends with the process, however that
    ends. filelock takes it away from forked processes, so that workers that outlive a killed one do not hold it. File
    systems without locks go without.

    Args:
        output: file or folder that is written, for the message.
        lock: the file to lock; ``.NAME.lock`` beside ``output`` by default, whose folder is made, and removed
            again where nothing has come into it.

    Raises:
        ValueError: another process is in such a block, or the file to lock is a link.
        OSError: nothing can be written there.
    """
    output = Path(output)
    path = Path(lock) if lock is not None else output.with_name(f"{hidden_name(output.name)}.lock")
    made = [folder for folder in path.parents if not folder.exists()]
    held = FileLock(path, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held.acquire()
    except Timeout:
        raise ValueError(
            f"{output}: expected no other process to write there, got one at work; wait for its end, or name another "
            "output"
        ) from None
    except OSError as error:
        if path.is_symlink():
            raise ValueError(f"{path}: expected a file to lock, got a link; remove it") from None
        if error.errno not in _WITHOUT_LOCKS:
            error.filename = str(output)
            raise
    for stray in output.parent.glob(f"{escape(hidden_name(output.name))}.*{PARTIAL_SUFFIX}") if lock is None else ():
        stray.unlink(missing_ok=True)
    try:
        yield
    finally:
        if held.is_locked:
            with suppress(OSError):
                path.unlink()
            held.release()
        with suppress(OSError):
            # What is not empty stays.
            for folder in made:
                folder.rmdir()


def reserve_room(path: Path, size: int) -> None:
    """Find room for a file of ``size`` bytes that a library makes without and maps, or say that there is none.

    Where memory files are full, the system ends the process at the first use of such a file.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(f"{path.parent}: expected room for {path.name}, got none; free some space") from None
    finally:
        os.close(file)
