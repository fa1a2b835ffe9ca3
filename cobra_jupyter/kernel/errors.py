"""What can go wrong with a kernel."""

from __future__ import annotations


class KernelError(RuntimeError):
    """A kernel cannot be found, started or used; the message says what to do."""


class KernelDied(KernelError):  # noqa: N818 - the word used everywhere else
    """The kernel's process is gone; `restart` gives a new one."""
