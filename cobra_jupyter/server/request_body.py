"""Reads the body of a request field by field. Refuses unknown fields by name."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from cobra_jupyter.server.errors import RequestError

MAX_TEXT = 4_096  # characters of a text field by default


class Body:
    """Each field is read once; `finish` refuses the fields that are left. All methods raise RequestError."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = dict(fields)

    @classmethod
    def read(cls, body: bytes) -> Body:
        try:
            found = json.loads(body) if body.strip() else {}
        except (ValueError, RecursionError) as error:
            raise RequestError(400, f"the body is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise RequestError(400, "the body must be a JSON object")
        return cls(found)

    def text(self, name: str, longest: int = MAX_TEXT, optional: bool = False) -> str:
        found = self._fields.pop(name, None)
        if found is None and optional:
            return ""
        if not isinstance(found, str) or (not found.strip() and not optional):
            raise RequestError(400, f'"{name}" must be a text that is not empty')
        if len(found) > longest:
            raise RequestError(
                413, f'"{name}" has {len(found):,} characters; at most {longest:,} are accepted'
            )
        if "\0" in found:
            raise RequestError(400, f'"{name}" contains a character with the code 0')
        return found

    def one_of(self, name: str, choices: Sequence[str], default: str) -> str:
        found = self._fields.pop(name, None)
        if found is None:
            return default
        if found not in choices:
            raise RequestError(400, f'"{name}" must be one of {", ".join(choices)}')
        return str(found)

    def boolean(self, name: str) -> bool:
        found = self._fields.pop(name, None)
        if not isinstance(found, bool):
            raise RequestError(400, f'"{name}" must be true or false')
        return found

    def number(self, name: str) -> float | None:
        """A number above 0."""
        found = self._fields.pop(name, None)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < math.inf:
            raise RequestError(400, f'"{name}" must be a number above 0')
        return float(found)

    def integer(self, name: str, below: int) -> int | None:
        found = self._fields.pop(name, None)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < below:
            raise RequestError(400, f'"{name}" must be a whole number from 0 to {below - 1}')
        return found

    def finish(self) -> None:
        left = [name for name, value in self._fields.items() if value is not None]
        if left:
            raise RequestError(400, f"there is no field {left[0][:80]!r} here")
