"""JupyterLab in other places: under JupyterHub's paths, with a password, behind a proxy, as Notebook 7, with
jupyter-collaboration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.fakes import live
from tests.fakes.relay import Relay
from tests.lab import actions
from tests.lab.browser import TOKEN, Live, Server, Tab, until

Servers = Callable[..., Server]
Runs = Callable[..., Live]
Tabs = Callable[..., Tab]
SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onopen = () => { socket.close(); done('open'); };
    socket.onerror = () => done('refused');
})"""


def live_notebook(page: Tab, going: Live) -> None:
    """Cells come into the tab, the person's go out, the kernel is the run's and the panel knows the run."""
    page.shows("x = 1")
    going.say(2, live.cell("print('it', 'streams')", "Streams"))
    page.shows("it streams")
    actions.computes(page, "print('still', x + 1)", "still 2")
    mine = actions.add(page, "mine = 5")
    page.page.keyboard.press("Control+s")
    until(lambda: "mine = 5" in [c["source"] for c in going.file()], "the file has the person's cell")
    assert actions.source(page, mine) == "mine = 5"
    actions.same(page, going)
    actions.quiet(page)


def panel(page: Tab) -> None:
    """The panel shows the run and steers it."""
    page.command("cobra:open-panel")
    panel = page.page.locator("#jp-cobra-panel")
    panel.wait_for()
    until(lambda: "running" in panel.inner_text().lower(), "the panel shows that the run is going")


def test_under_the_paths_of_jupyterhub(own_server: Servers, run: Runs, tab: Tabs) -> None:
    server = own_server(base="/user/jane/")
    going = run(server)
    page = tab(server, going.path)
    live_notebook(page, going)
    panel(page)
    assert server.get(f"cobra/runs/{going.entry.id}")["state"] == "running"


def test_with_a_password(own_server: Servers, run: Runs, tab: Tabs) -> None:
    from jupyter_server.auth import passwd

    server = own_server(f"--PasswordIdentityProvider.hashed_password={passwd('open sesame', 'sha1')}")
    going = run(server)
    page = tab(server)
    page.page.goto(server.url(f"lab/tree/{going.path}"))
    page.page.locator("#password_input").fill("open sesame")
    page.page.locator("#login_submit").click()
    page.ready()
    live_notebook(page, going)


@pytest.fixture
def proxy(own_server: Servers) -> Iterator[tuple[Server, Relay]]:
    """Another port in front of a server that trusts who comes through it, under another name."""
    server = own_server(
        "--ServerApp.allow_remote_access=True", "--ServerApp.trust_xheaders=True",
        "--ServerApp.local_hostnames=jupyter.example.org",
    )  # fmt: skip
    relay = Relay(server.port)
    yield server, relay
    relay.close()


def test_behind_a_proxy(proxy: tuple[Server, Relay], run: Runs, tab: Tabs) -> None:
    server, relay = proxy
    going = run(server)
    page = tab(server, going.path, port=relay.port)
    live_notebook(page, going)
    assert page.page.evaluate("location.port") == str(relay.port)


def test_notebook_7(own_server: Servers, run: Runs, tab: Tabs) -> None:
    server = own_server(app="notebook", expose="JupyterNotebookApp")
    going = run(server)
    page = tab(server)
    page.page.goto(f"{server.url('notebooks')}/{going.path}?token={TOKEN}")
    page.ready()
    live_notebook(page, going)
    panel(page)


def test_a_page_of_another_origin_gets_no_socket(
    server: Server, run: Runs, browser: Browser, tab: Tabs
) -> None:
    going = run(server)
    page = tab(server, going.path).page
    url = server.url(f"cobra/runs/{going.entry.id}/channel").replace("http", "ws", 1)
    assert page.evaluate(SOCKET, url) == "open"
    stranger = page.context.new_page()  # the same browser, with the same cookies
    stranger.route(
        "http://evil.example/**", lambda route: route.fulfill(body="<p>Hello", content_type="text/html")
    )
    stranger.goto("http://evil.example/")
    assert stranger.evaluate(SOCKET, url) == "refused"
    assert stranger.evaluate(SOCKET, f"{url}?token=wrong") == "refused"


def test_who_has_no_token_gets_nothing(server: Server, run: Runs, browser: Browser) -> None:
    going = run(server)
    id = going.entry.id
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.url("login"))
    ask = "([url, method]) => fetch(url, {method, redirect: 'manual', headers: {'X-XSRFToken': document.cookie.split('_xsrf=')[1] ?? ''}}).then(a => a.status)"
    for method, path in [
        ("GET", "runs"), ("POST", "runs"), ("GET", "brains"), ("GET", "competitions"), ("GET", f"runs/{id}"),
        ("POST", f"runs/{id}/pause"), ("POST", f"runs/{id}/stop"), ("POST", f"runs/{id}/message"),
        ("POST", f"runs/{id}/approve"), ("POST", f"runs/{id}/export"),
    ]:  # fmt: skip
        assert page.evaluate(ask, [server.url(f"cobra/{path}"), method]) in (401, 403), (method, path)
    url = server.url(f"cobra/runs/{id}/channel").replace("http", "ws", 1)
    assert page.evaluate(SOCKET, url) == "refused"
    assert going.call("status")["state"] == "running"
    context.close()


@pytest.fixture(scope="session")
def collaboration() -> dict[str, str]:
    """jupyter-collaboration in a folder of its own; what makes a server see it."""
    folder = Path(sys.prefix) / "collaboration"
    assert folder.is_dir(), f"no {folder}: `make test-lab` installs jupyter-collaboration there"
    return {
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(folder)]),
        "JUPYTER_PATH": str(folder / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(folder / "etc" / "jupyter"),
    }


def shared(page: Tab) -> bool:
    return bool(page.js("nb => nb.context.model.collaborative"))


def test_with_collaboration_cells_come_once_into_each_tab(
    own_server: Servers, run: Runs, tab: Tabs, collaboration: dict[str, str]
) -> None:
    server = own_server(variables=collaboration)
    going = run(server)
    page = tab(server, going.path)
    beside = tab(server, going.path)
    going.say(2, live.cell(actions.streaming(3), "Counting", pace=200))
    for one in (page, beside):
        one.shows("it is done")
        assert sum("line {i} of it" in cell["source"] for cell in one.cells()) == 1
        assert one.outputs().count("line 7 of it") == 1
    mine = actions.add(page, "mine = 5")
    until(lambda: actions.source(beside, mine) == "mine = 5", "the other tab has the person's cell")
    page.page.keyboard.press("Control+s")
    live_notebook(beside, going_on(going))
    actions.same(page, going)
    actions.same(beside, going)
    actions.quiet(page)
    assert not shared(page)
    assert not shared(beside)


def test_with_collaboration_other_notebooks_are_shared(
    own_server: Servers, tab: Tabs, collaboration: dict[str, str]
) -> None:
    server = own_server(variables=collaboration)
    server.post("api/contents/other.ipynb", notebook(), method="PUT")
    page = tab(server, "other.ipynb")
    beside = tab(server, "other.ipynb")
    assert shared(page)
    assert shared(beside)
    mine = actions.add(page, "mine = 5")
    until(lambda: actions.source(beside, mine) == "mine = 5", "the other tab has the cell")


def test_with_collaboration_a_run_that_was_renamed_opens_alone(
    own_server: Servers, run: Runs, tab: Tabs, collaboration: dict[str, str]
) -> None:
    server = own_server(variables=collaboration)
    going = run(server)
    new = going.path.replace("agent.ipynb", "better name.ipynb")
    server.post(f"api/contents/{going.path}", {"path": new}, method="PATCH")
    until(lambda: server.get(f"cobra/runs/{going.entry.id}")["agents"][0]["notebook"] == new, "the run knows")
    page = tab(server, new)
    live_notebook(page, going)
    assert not shared(page)


def going_on(going: Live) -> Live:
    """The same run, one turn later to who dictates."""
    say = going.say
    going.say = lambda number, text: say(number + 1, text)  # type: ignore[method-assign]
    return going


def notebook() -> dict[str, Any]:
    cell = {
        "cell_type": "code",
        "id": "first",
        "source": "",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": [cell], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    return {"type": "notebook", "format": "json", "content": content}
