"""`%load_ext cobra_jupyter`: the name `cobra` and the cell magics %%candidate, %%shared, %%metric
and %%protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cobra_jupyter.workbench.client import Cobra, CobraError


def load(shell: Any) -> None:
    """Add `cobra` and the magics to a shell. Loading twice changes nothing."""
    if isinstance(shell.user_ns.get("cobra"), Cobra):
        return
    cobra = Cobra(socket=getattr(shell, "cobra_socket", ""))  # set in a shell that shares its process
    shell.push({"cobra": cobra})
    cells = {
        "candidate": cobra.candidate,
        "shared": cobra.shared,
        "metric": cobra.metric,
        "protocol": cobra.folds,
    }
    for name, call in cells.items():
        shell.register_magic_function(_magic(name, call), "cell", name)


def _magic(name: str, call: Callable[[str, str], Any]) -> Callable[[str, str], None]:
    def magic(line: str, cell: str) -> None:
        words = line.split()
        if len(words) != 1:
            raise CobraError(f"write %%{name} NAME in the cell's first line")
        call(words[0], cell)

    magic.__doc__ = call.__doc__
    return magic
