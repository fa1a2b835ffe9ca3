"""A full disk as an error of its own: a person can make room, and the run goes on."""

from __future__ import annotations

import contextlib
import errno
import uuid
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EROFS, errno.EDQUOT})
PROBE_BYTES = 256 * 1024


class DiskFull(OSError):  # noqa: N818
    """The run's folder cannot be written. Earlier files are intact; make room and resume the run."""


def check(folder: Path) -> None:
    """Write and remove a small file. Raises DiskFull if there is no room or no permission to write."""
    folder = next(each for each in (folder, *folder.parents) if each.is_dir())
    probe = folder / f".room-{uuid.uuid4().hex[:8]}"
    try:
        probe.write_bytes(b"\0" * PROBE_BYTES)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise no_room(folder, error) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def no_room(folder: Path, error: OSError) -> DiskFull:
    """Return the error to raise for a write that failed with one of `NO_ROOM`."""
    return DiskFull(error.errno, f"{folder} cannot be written: {error.strerror}")
