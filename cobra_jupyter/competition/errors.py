"""What cannot be used of a competition."""

from __future__ import annotations


class CompetitionError(ValueError):
    """A folder or a setting that cannot be used; the message names the file or option and the cure."""
