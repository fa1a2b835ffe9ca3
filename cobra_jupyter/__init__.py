"""Cobra: an autonomous machine-learning engineer that lives in Jupyter."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def load_ipython_extension(shell: Any) -> None:
    """Give the notebook `cobra` and its cell magics; called by `%load_ext cobra_jupyter`."""
    from cobra_jupyter.workbench.magics import load

    load(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from cobra_jupyter.server.app import CobraApp

    return [{"module": "cobra_jupyter.server.app", "app": CobraApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "cobra-jupyter"}]
