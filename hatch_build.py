"""Puts the built front end where JupyterLab looks for it; a wheel without one (no Node) is valid, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = Path("cobra_jupyter") / "labextension"
PLACE = "share/jupyter/labextensions/cobra-jupyter"


class LabExtension(BuildHookInterface):  # type: ignore[type-arg]
    """Runs after the hook that builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version == "editable":  # a link does there (make lab): what pip installs it also removes
            return
        if self.target_name == "wheel" and (root / BUILT / "package.json").exists():
            build_data["shared_data"][str(root / BUILT)] = PLACE
            build_data["shared_data"][str(root / "labextension" / "install.json")] = f"{PLACE}/install.json"
