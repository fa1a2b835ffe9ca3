"""Keys of model providers: removed from the environment before anything starts, and passed on through a pipe.

Every process of the same user can read a process's initial environment in /proc, and so can code that an
agent wrote. Removing a variable does not change /proc; restarting the process without it does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

NAMES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
# settings of a provider that are no secrets: a record may contain their values, like "global"
SETTINGS = frozenset(
    {
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_LOCATION",
        "GOOGLE_GENAI_API_VERSION",
    }
)
PIPE = "COBRA_PIPE"  # the pipe's number; not a secret


def start_anew() -> None:
    """Restart this process with the keys in a pipe instead of the environment. Returns if there are no keys,
    or the system has no such pipes."""
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
    """Returns the keys by name and removes them from the pipe and the environment."""
    found = {name: value for name in NAMES if (value := os.environ.pop(name, ""))}
    if number := os.environ.pop(PIPE, ""):
        with os.fdopen(int(number)) as pipe:
            found |= json.loads(pipe.read())
    return found


def values(keys: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets, which must never be written anywhere."""
    return tuple(value for value in keys.values() if value)
