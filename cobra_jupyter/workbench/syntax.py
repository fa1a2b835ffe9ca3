"""Parses definitions that agents wrote, from any of the workbench's threads."""

from __future__ import annotations

import ast
import contextlib
import threading
from typing import Any

# CPython 3.11 has one depth counter for all parsers of a process: if garbage collection lets another thread
# parse, the first one fails with SystemError.
_parser = threading.Lock()


def parse(name: str, source: str, error: type[Exception]) -> ast.Module:
    """Parse `source`. Raises `error` with the name and the line."""
    try:
        with _parser:
            return ast.parse(source)
    except SyntaxError as failed:
        where = f" in line {failed.lineno}" if failed.lineno else ""
        raise error(f"{name}: syntax error{where}: {failed.msg}") from failed
    except (ValueError, RecursionError, MemoryError) as failed:  # NUL bytes before 3.11.4; nested too deep
        raise error(f"{name}: cannot be read as Python: {str(failed) or 'it is nested too deep'}") from failed


def constants(tree: ast.Module) -> dict[str, Any]:
    """The values of top-level `NAME = literal`."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            with contextlib.suppress(ValueError):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found
