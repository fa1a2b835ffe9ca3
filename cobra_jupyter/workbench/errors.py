"""Errors that more than one part of the harness raises."""

from __future__ import annotations


class NotReady(ValueError):  # noqa: N818
    """A step was asked for before the step it needs; the message names it."""


class TooExpensive(ValueError):  # noqa: N818
    """The predicted cost exceeds what is left; the message gives the figures and what would fit."""
