"""One process at a time writes an output; a second one is told so, instead of spoiling what the first one does."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from degflow_aug.files.atomic_file import PARTIAL_SUFFIX

try:
    import fcntl
except ImportError:  # Windows: nobody is told there
    fcntl = None  # type: ignore[assignment]

TAKEN = {errno.EAGAIN, errno.EACCES}
WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What file systems say that have no locks: the work goes on without one."""


@contextmanager
def sole_writer(output: str | Path, lock: str | Path | None = None) -> Iterator[None]:
    """Be the only process inside such a block for ``output``; what killed ones left of that file is removed.

    The lock is the operating system's, on a file that is removed afterwards: it ends with the process, however that
    ends, and the loading processes that a killed one leaves for some seconds do not hold it.

    Args:
        output: file or folder that is written, for the message.
        lock: the file to lock; ``.NAME.lock`` beside ``output`` by default, whose folder is made.

    Raises:
        ValueError: another process is in such a block, or the file to lock is a link.
        OSError: nothing can be written there.
    """
    output = Path(output)
    path = Path(lock) if lock is not None else output.with_name(f".{output.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _lock(output, path)
    except OSError as error:
        error.filename = str(output)
        raise
    for stray in output.parent.glob(f".{escape(output.name)}.*{PARTIAL_SUFFIX}") if lock is None else ():
        stray.unlink(missing_ok=True)
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _lock(output: Path, path: Path) -> int | None:
    """The open and locked file, or None where there are no locks."""
    if fcntl is None:
        return None
    while True:
        descriptor = _open(path)
        try:
            # POSIX's lock and not flock's, which forked processes share.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 200).decode(errors="replace")
            os.close(descriptor)
            if error.errno in WITHOUT_LOCKS:
                return None
            if error.errno not in TAKEN:
                raise
            raise ValueError(
                f"{output}: expected no other process to write there, got {holder or 'one'} at work; wait for its "
                "end, or name another output"
            ) from None
        if _still_there(descriptor, path):
            break
        os.close(descriptor)
    # Who holds it is good to know, and no reason to fail on a full disk.
    with suppress(OSError):
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return descriptor


def _open(path: Path) -> int:
    """The file to lock, which is emptied later: never what a link of that name leads to."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError:
        if not path.is_symlink():
            raise
        raise ValueError(f"{path}: expected a file to lock, got a link; remove it") from None


def _still_there(descriptor: int, path: Path) -> bool:
    """Whether the file that was locked is the one of that name, and not one that its holder has removed since."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
