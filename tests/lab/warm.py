"""What a worker's tests share: servers, loaded pages and a run. Whatever a test has broken is replaced."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ViewportSize
from playwright.sync_api import Error as PlaywrightError

from cobra_jupyter.run.attach import AttachError
from tests.fakes import live
from tests.fakes.relay import Relay
from tests.lab.live_run import Live
from tests.lab.server import Server
from tests.lab.tab import Tab

VIEW: ViewportSize = {"width": 1400, "height": 900}
WIDTH = 400  # characters of a line in the report of a failure
BUDGET = "3000"  # seconds of a run's life


@dataclass
class Pages:
    """Tabs with JupyterLab loaded and nothing open. Each browser has one HTTP cache; `one` is the default."""

    chromium: Browser
    _contexts: dict[str, BrowserContext] = field(default_factory=dict)
    _idle: dict[tuple[str, str], list[Tab]] = field(default_factory=dict)
    _used: list[tuple[tuple[str, str], Tab]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def blank(self, server: Server, port: int | None = None, browser: str = "one") -> Tab:
        """A tab where nothing is loaded; closed after the test."""
        tab = Tab(self._context(browser).new_page(), server, port)
        self._used.append((("", ""), tab))
        return tab

    def take(self, server: Server, port: int | None = None, browser: str = "one") -> Tab:
        """A tab that shows the launcher."""
        key = (browser, server.url("", port))
        idle = self._idle.setdefault(key, [])
        tab = idle.pop() if idle else self._boot(server, port, browser)
        self._used.append((key, tab))
        return tab

    def close_idle(self) -> None:
        """The next test boots a page of its own."""
        for tab in itertools.chain.from_iterable(self._idle.values()):
            with contextlib.suppress(PlaywrightError):
                tab.page.close()
        self._idle.clear()

    def put_back(self, failed: bool) -> list[str]:
        """After a test. → what went wrong in its tabs"""
        problems = [problem for _, tab in self._used for problem in tab.problems]
        for key, tab in self._used:
            if not failed and not problems and key[0] and _cleared(tab):
                self._idle.setdefault(key, []).append(tab)
            else:
                with contextlib.suppress(PlaywrightError):
                    tab.page.close()
        self._used = []
        return problems

    def _boot(self, server: Server, port: int | None, browser: str) -> Tab:
        page = self._context(browser).new_page()
        return Tab(page, server, port).boot(f"test-{browser}-{next(self._numbers)}")

    def _context(self, browser: str) -> BrowserContext:
        context = self._contexts.get(browser)
        if context is None:
            context = self._contexts[browser] = self.chromium.new_context(viewport=VIEW)
            context.on("close", lambda _: self._forget(browser))
        return context

    def _forget(self, browser: str) -> None:
        self._contexts.pop(browser, None)
        for key in [key for key in self._idle if key[0] == browser]:
            del self._idle[key]


def _cleared(tab: Tab) -> bool:
    if tab.page.is_closed():
        return False
    try:
        tab.clear()
    except (PlaywrightError, AssertionError):
        return False
    return True


@dataclass
class Warm:
    """The servers and runs of a worker. All servers show the root of the first, and so its runs."""

    folder: Path
    competition: Path
    starter: live.Starter
    _servers: dict[str, Server] = field(default_factory=dict)
    _relay: Relay | None = None
    _run: Live | None = None
    _runs: list[Live] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def server(self) -> Server:
        return self.variant("first")

    @property
    def relay(self) -> Relay:
        """What the connections of the tabs go through: a network that can be cut."""
        if self._relay is None:
            self._relay = Relay(self.server.port)
        return self._relay

    def variant(self, name: str, *options: str, **settings: object) -> Server:
        """A server that is set up otherwise; started once, for all tests that name it."""
        server = self._servers.get(name)
        if server is None:
            app = str(settings.get("app", "lab"))
            expose = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}[app]
            words = (f"--{expose}.expose_app_in_browser=True", *options)
            beside = None if name == "first" else self.server
            server = Server(self.folder / name, words, beside=beside, **settings)  # type: ignore[arg-type]
            self._servers[name] = server
        if server.process is None or server.process.poll() is not None:
            server.start()
        return server

    def own_run(self, *options: str, folder: str = "runs") -> Live:
        """A run of the test's own, in a folder of the server's root."""
        name = f"run-{next(self._numbers)}"
        run = Live(self.server, name, self.competition, starter=self.starter, folder=folder)
        self._runs.append(run)
        return run.start(*options)

    def run(self) -> Live:
        """The run that tests share, as of a run whose agent's first turn is over."""
        if self._run is not None:
            try:
                self._run.reset()
            except (AssertionError, AttachError, OSError):
                self._run = None
        if self._run is None:
            self._run = self.own_run("--budget", BUDGET)
        return self._run

    def after_test(self, failed: bool) -> None:
        """End the runs that no other test will have."""
        if failed:
            self._run = None
        for run in self._runs:
            if run is not self._run:
                run.discard()
        self._runs = [self._run] if self._run else []

    def logs(self) -> Iterator[tuple[str, str]]:
        """The ends of what servers and runs wrote: for the report of a failure."""
        for name, server in self._servers.items():
            yield f"server {name}", _tail(server.folder / "server.log")
        for run in self._runs:
            yield f"run {run.name}", _tail(run.replies / "log")
            yield f"record of run {run.name}", _tail(run.out / "ledger.jsonl", 15)

    def close(self) -> None:
        self._run = None
        self.after_test(failed=False)
        if self._relay is not None:
            self._relay.close()
        for server in self._servers.values():
            server.stop()
        self.starter.close()


def _tail(path: Path, lines: int = 25) -> str:
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(line[:WIDTH] for line in text.splitlines()[-lines:])
    return "(nothing)"
