"""The harness in this process: its service answers in threads, over the same sockets and with the same
records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cobra_jupyter.kernel.harness import HarnessLink
from cobra_jupyter.workbench.harness.serve import Service
from tests.inprocess.pool import InProcessPool


class InProcessHarness(HarnessLink):
    """`kill` is its sudden end."""

    def __init__(
        self, python: str, pack: Path, log: Path, facts: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        super().__init__(facts)
        self._service: Service | None = None

    def kill(self) -> None:
        self._kill()

    def _launch(self, facts: Mapping[str, Any]) -> None:
        self._service = Service(facts, InProcessPool)
        self._service.open()

    def _runs(self) -> bool:
        return self._service is not None

    def _end(self, patience: float) -> None:
        if self._service is not None:
            self._service.wait(patience)
            self._kill()

    def _kill(self) -> None:
        if self._service is not None:
            self._service.close()
            self._service = None
