"""`%load_ext cobra_jupyter`: the name `cobra` and the cell magics %%candidate, %%shared, %%metric
and %%protocol.

Below its definition such a cell may go on with calls of `cobra`, which run once it is saved:

    %%candidate ridge
    def fit(train, ctx): ...
    def predict(model, rows, ctx): ...

    t = cobra.trial("ridge")
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from cobra_jupyter.workbench.client import Cobra, CobraError

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def load(shell: Any) -> None:
    """Add `cobra` and the magics to a shell. Loading twice changes nothing."""
    if isinstance(shell.user_ns.get("cobra"), Cobra):
        return
    socket = getattr(shell, "cobra_socket", "")  # set in a shell that shares its process
    cobra = Cobra(socket=socket, cell=lambda: shell.execution_count)
    shell.push({"cobra": cobra})
    cells = {
        "candidate": cobra.candidate,
        "shared": cobra.shared,
        "metric": cobra.metric,
        "protocol": cobra.folds,
    }
    for name, call in cells.items():
        shell.register_magic_function(_magic(shell, name, call), "cell", name)


def _magic(shell: Any, name: str, call: Callable[[str, str], Any]) -> Callable[[str, str], None]:
    def magic(line: str, cell: str) -> None:
        words = line.split()
        if len(words) != 1:
            raise CobraError(f"write %%{name} NAME in the cell's first line")
        definition, calls = split(cell)
        call(words[0], definition)
        _run(shell, calls)

    magic.__doc__ = call.__doc__
    return magic


def split(cell: str) -> tuple[str, list[ast.stmt]]:
    """The definition in a cell, and the statements from the first one that uses `cobra` on. A cell that is no
    plain Python is all definition: the harness says what is wrong with it."""
    try:
        body = ast.parse(cell).body
    except (SyntaxError, ValueError):
        return cell, []
    for place, statement in enumerate(body):
        if _uses_cobra(statement):
            lines = cell.splitlines(keepends=True)[: statement.lineno - 1]
            return "".join(lines).rstrip() + "\n", body[place:]
    return cell, []


def _uses_cobra(statement: ast.stmt) -> bool:
    return not isinstance(statement, _DEFINITIONS) and any(
        isinstance(node, ast.Name) and node.id == "cobra" for node in ast.walk(statement)
    )


def _run(shell: Any, statements: list[ast.stmt]) -> None:
    """Run statements in the shell, and show the value of the last one as a cell does."""
    last = statements[-1] if statements and isinstance(statements[-1], ast.Expr) else None
    before = statements[:-1] if last is not None else statements
    exec(compile(ast.Module(before, []), "<cell>", "exec"), shell.user_ns)  # the person's or agent's own cell
    if last is not None:
        shell.displayhook(eval(compile(ast.Expression(last.value), "<cell>", "eval"), shell.user_ns))
