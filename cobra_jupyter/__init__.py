"""Cobra: an autonomous machine-learning engineer that lives in Jupyter."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def load_ipython_extension(shell: Any) -> None:
    """Give the notebook `cobra` and its cell magics; called by `%load_ext cobra_jupyter`."""
    from cobra_jupyter.workbench.magics import load

    load(shell)
