"""Errors of a run that say what to do about them."""

from __future__ import annotations


class BadInput(ValueError):  # noqa: N818 - the word of the exit code
    """The run cannot begin or go on because of its input; the message names the file or option and the
    cure."""
