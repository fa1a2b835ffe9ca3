"""Threads that stand for processes: what they print is told apart, and they can be interrupted."""

from __future__ import annotations

import contextlib
import ctypes
import io
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

Write = Callable[[str, str], None]  # stream's name, text
_here = threading.local()
_lock = threading.Lock()
_users = 0
_real: tuple[Any, Any] = (None, None)


class _Stream(io.TextIOBase):
    """Stands in for `sys.stdout` or `sys.stderr`: hands what a thread prints to whoever listens to that
    thread."""

    def __init__(self, name: str, real: Any) -> None:
        self._name, self._real = name, real

    def write(self, text: str) -> int:
        told: Write | None = getattr(_here, "write", None)
        if told is None:
            return int(self._real.write(text))
        told(self._name, text)
        return len(text)

    def flush(self) -> None:
        if getattr(_here, "write", None) is None:
            self._real.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._real.fileno())


@contextlib.contextmanager
def streams() -> Iterator[None]:
    """Within, threads can be listened to. May be nested, and left in any order."""
    global _users, _real
    with _lock:
        _users += 1
        if _users == 1:
            _real = (sys.stdout, sys.stderr)
            sys.stdout, sys.stderr = (_Stream("stdout", sys.stdout), _Stream("stderr", sys.stderr))
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                sys.stdout, sys.stderr = _real


@contextlib.contextmanager
def listening(write: Write) -> Iterator[None]:
    """Within, what this thread prints goes to `write`."""
    before: Write | None = getattr(_here, "write", None)
    _here.write = write
    try:
        yield
    finally:
        _here.write = before


def raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise an exception in a thread, as soon as it runs Python code again."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))
