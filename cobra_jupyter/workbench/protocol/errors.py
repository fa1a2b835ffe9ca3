"""The error of a protocol that cannot be made."""

from __future__ import annotations


class ProtocolError(ValueError):
    """The data does not allow the requested protocol. The message says why and what to request instead."""
