"""Real JupyterLab in real Chromium. A worker has one server and one browser; each test a run and tabs of its own."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import make_competition
from tests.lab.browser import Live, Server, Tab

NUMBERS = itertools.count()  # runs on one server have folders of their own
CURE = "no Chromium: `make test-lab` sets one up, or name yours in CHROMIUM"


def chromium() -> str | None:
    """The browser: what CHROMIUM names, the system's, or (None) Playwright's own."""
    named = os.environ.get("CHROMIUM")
    return named or next(
        (path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=options)
        except Exception as error:
            raise RuntimeError(f"{CURE} ({error})") from error
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_competition(tmp_path_factory.mktemp("competition"), "regression", rows=120, test_rows=30)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("lab"), ("--LabApp.expose_app_in_browser=True",))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """A server that the test leaves as it is."""
    return shared_server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers for tests that end them or set them up otherwise."""
    made: list[Server] = []

    def make(
        *options: str, base: str = "/", app: str = "lab", expose: str = "LabApp", variables: dict[str, str] | None = None
    ) -> Server:  # fmt: skip
        folder = tmp_path / f"server{len(made)}"
        server = Server(
            folder, (f"--{expose}.expose_app_in_browser=True", *options), base, app, variables or {}
        )
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def run(request: pytest.FixtureRequest, competition: Path) -> Iterator[Callable[..., Live]]:
    """Starts runs: `run(server)`."""
    made: list[Live] = []

    def start(server: Server, *options: str) -> Live:
        name = f"{request.node.originalname[5:40]}-{next(NUMBERS)}"
        live = Live(server, name, competition)
        made.append(live)
        return live.start(*options)

    yield start
    for live in made:
        live.stop()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each in a browser of its own unless `beside` another: `tab(server, path)`."""
    contexts = []
    tabs: list[Tab] = []

    def make(
        server: Server, path: str | None = None, beside: Tab | None = None, port: int | None = None,
        workspace: str | None = None,
    ) -> Tab:  # fmt: skip
        if beside is None:
            context = browser.new_context(viewport={"width": 1400, "height": 900})
            contexts.append(context)
        else:
            context = beside.page.context
        made = Tab(context.new_page(), server, port)
        tabs.append(made)
        return made.open(path, workspace) if path else made

    yield make
    for context in contexts:
        context.close()
    assert not [problem for made in tabs for problem in made.problems]
