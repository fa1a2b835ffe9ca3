"""Real JupyterLab in real Chromium. A worker's tests share servers, pages and a run (tests/lab/warm.py)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.conftest import make_competition
from tests.fakes import live
from tests.fakes.relay import Relay
from tests.lab.live_run import Live
from tests.lab.server import Server
from tests.lab.tab import Tab
from tests.lab.warm import Pages, Warm
from tests.patience import PATIENCE

CURE = "no Chromium: `make test-lab` sets one up, or name yours in CHROMIUM"
FAILED = pytest.StashKey[bool]()
WARM = pytest.StashKey[Warm]()


def chromium() -> str | None:
    """The browser: what CHROMIUM names, the system's, or (None) Playwright's own."""
    named = os.environ.get("CHROMIUM")
    return named or next(
        (path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Let fixtures know that a test failed, and show what servers and runs wrote."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        if WARM in item.session.stash:
            report.sections.extend(item.session.stash[WARM].logs())
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=options)
        except Exception as error:
            raise RuntimeError(f"{CURE} ({error})") from error
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pages(browser: Browser) -> Pages:
    return Pages(browser)


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    competition = make_competition(
        tmp_path_factory.mktemp("competition"), "regression", rows=120, test_rows=30
    )
    warm = Warm(tmp_path_factory.mktemp("lab"), competition, live.Starter())
    request.session.stash[WARM] = warm
    yield warm
    warm.close()


@pytest.fixture
def warm(request: pytest.FixtureRequest, shared: Warm) -> Iterator[Warm]:
    """What the worker's tests share; whatever a failed test had of it is not used again."""
    yield shared
    shared.after_test(request.node.stash.get(FAILED, False))


@pytest.fixture
def server(warm: Warm) -> Server:
    """The server as everybody has it."""
    return warm.server


@pytest.fixture
def line(warm: Warm) -> Iterator[Relay]:
    """What the connections of the tabs go through."""
    yield warm.relay
    warm.relay.mend()


@pytest.fixture
def going(warm: Warm) -> Live:
    """A run whose agent's first turn is over."""
    return warm.run()


@pytest.fixture
def own_run(warm: Warm) -> Callable[..., Live]:
    """Starts separate runs, for tests about the run's process: `own_run("--approval", "costly")`."""
    return warm.own_run


@pytest.fixture
def tab(request: pytest.FixtureRequest, warm: Warm, pages: Pages) -> Iterator[Callable[..., Tab]]:
    """Opens notebooks, each in its own tab: `tab(going.path)`. `blank` loads nothing; `port=None` goes to the
    server itself; `browser` names a browser other than the shared one."""

    def make(
        path: str | None = None, server: Server | None = None, browser: str = "one", blank: bool = False
    ) -> Tab:
        port = warm.relay.port if server is None else None
        found = (pages.blank if blank else pages.take)(server or warm.server, port, browser)
        return found.show(path) if path else found

    yield make
    assert not pages.put_back(request.node.stash.get(FAILED, False))


@pytest.fixture
def page(going: Live, tab: Callable[..., Tab]) -> Tab:
    """A tab that shows the notebook of the run."""
    return tab(going.path)
