"""Stores DataFrames on disk so that workers can map them in well under a millisecond, without a copy.

Pickle protocol 5 keeps the numeric blocks out of band. They are mapped copy-on-write, so a worker may change
its frame in place without touching the file. Only the harness writes these files and only workers read
them."""

from __future__ import annotations

import mmap
import os
import pickle
import struct
from pathlib import Path
from typing import Any

_MAGIC = b"COBRAFR1"
_ALIGN = 64


def _padding(offset: int) -> int:
    return -offset % _ALIGN


def write_frame(value: Any, path: Path) -> None:
    """Writes a DataFrame (or any picklable value) to `path`, atomically."""
    buffers: list[memoryview] = []

    def is_in_band(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < 4096:
            return True
        buffers.append(raw)
        return False

    head = pickle.dumps(value, protocol=5, buffer_callback=is_in_band)
    sizes = [len(head), *(buffer.nbytes for buffer in buffers)]
    table = _MAGIC + struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(table)
        for chunk in (memoryview(head), *buffers):
            file.write(b"\0" * _padding(file.tell()))
            file.write(chunk)
    part.replace(path)


def read_frame(path: Path) -> Any:
    """Maps a file written by `write_frame`. Changes to the value stay in this process."""
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    if bytes(view[:8]) != _MAGIC:
        raise ValueError(f"{path} is not a frame file")
    (count,) = struct.unpack_from("<I", view, 8)
    sizes = struct.unpack_from(f"<{count}Q", view, 12)
    offset, parts = 12 + 8 * count, []
    for size in sizes:
        offset += _padding(offset)
        parts.append(view[offset : offset + size])
        offset += size
    return pickle.loads(parts[0], buffers=parts[1:])
