"""Errors that more than one part of the harness raises."""

from __future__ import annotations


class NotReady(ValueError):  # noqa: N818
    """An earlier step is missing; the message names it."""


class TooExpensive(ValueError):  # noqa: N818
    """The predicted cost exceeds the time or memory left; the message has figures and says what would fit."""
