"""Errors of kernels."""

from __future__ import annotations


class KernelError(RuntimeError):
    """A kernel cannot be found, started or used; the message says what to do."""


class KernelDied(KernelError):  # noqa: N818
    """The kernel's process has ended; `restart` starts a new one."""
