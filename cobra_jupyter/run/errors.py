"""Errors of a run that say what to do about them."""

from __future__ import annotations


class BadInput(ValueError):  # noqa: N818 - the word of the exit code
    """The run cannot begin or go on for what it was given; the message names file or option and the cure."""
