"""The error of a competition folder that cannot be used."""

from __future__ import annotations


class CompetitionError(ValueError):
    """A folder or setting cannot be used. The message names the file or option and says what to do."""
