"""Keys of model providers: taken out of the environment before anything starts, and handed on through a pipe.

A process's first environment can be read in /proc by every process of the same user, so by code that an agent
wrote. Removing a variable does not change it there; starting anew without it does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

NAMES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
# of a provider too, but everyday words that a record must be free to hold ("global")
SETTINGS = frozenset({
    "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_GENAI_API_VERSION",
})  # fmt: skip
PIPE = "COBRA_PIPE"  # the pipe's number; not a secret


def start_anew() -> None:
    """Replace this process by itself, with keys in a pipe instead of its environment. Returns where there is none
    to hide, or no such pipe can be made."""
    found = {name: os.environ[name] for name in NAMES if os.environ.get(name)}
    if not found or not hasattr(os, "set_inheritable"):
        return
    reader, writer = os.pipe()
    os.write(writer, json.dumps(found).encode())
    os.close(writer)
    os.set_inheritable(reader, True)
    clean = {name: value for name, value in os.environ.items() if name not in NAMES}
    words = [sys.executable, "-m", "cobra_jupyter.cli", *sys.argv[1:]]
    os.execve(sys.executable, words, {**clean, PIPE: str(reader)})


def take() -> dict[str, str]:
    """The keys by name, from the pipe or the environment; afterwards they are in neither."""
    found = {name: value for name in NAMES if (value := os.environ.pop(name, ""))}
    if number := os.environ.pop(PIPE, ""):
        with os.fdopen(int(number)) as pipe:
            found |= json.loads(pipe.read())
    return found


def values(keys: Mapping[str, str]) -> tuple[str, ...]:
    """What must never be written anywhere."""
    return tuple(value for value in keys.values() if value)
