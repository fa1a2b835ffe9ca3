"""The syntax of a definition that an agent wrote, which may come in any of the workbench's threads."""

from __future__ import annotations

import ast
import threading

# CPython 3.11 keeps one depth counter for all parsers of a process: where the collection of garbage lets another thread
# in, the first fails with SystemError.
_one = threading.Lock()


def parse(name: str, source: str, error: type[Exception]) -> ast.Module:
    """Raises `error`, which names the line."""
    try:
        with _one:
            return ast.parse(source)
    except SyntaxError as failed:
        where = f" in line {failed.lineno}" if failed.lineno else ""
        raise error(f"{name}: syntax error{where}: {failed.msg}") from failed
    except (ValueError, RecursionError, MemoryError) as failed:  # NUL bytes before 3.11.4; nested too deep
        raise error(f"{name}: cannot be read as Python: {str(failed) or 'it is nested too deep'}") from failed
