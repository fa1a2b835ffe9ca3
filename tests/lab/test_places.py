"""JupyterLab in other setups: under JupyterHub's paths, with an operator's and a person's settings, behind a
proxy with a password, as Notebook 7, with jupyter-collaboration. A worker starts each server once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import passwd
from playwright.sync_api import Browser, Request

from tests.fakes import live
from tests.fakes.relay import Relay
from tests.lab import actions
from tests.lab.agreement import agree, lines
from tests.lab.live_run import Live
from tests.lab.server import TOKEN, Server
from tests.lab.tab import Tab
from tests.lab.waiting import until
from tests.lab.warm import Warm

Tabs = Callable[..., Tab]
STREAM = "for i in range(60):\n    print('line', i, flush=True)\n    time.sleep(0.02)"
SETTINGS: dict[str, dict[str, Any]] = {
    "notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "full"},
    "docmanager-extension/plugin.jupyterlab-settings": {"autosaveInterval": 1},
}
SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onopen = () => { socket.close(); done('open'); };
    socket.onerror = () => done('refused');
})"""


def live_notebook(page: Tab, going: Live, turn: int = 2) -> None:
    """Cells come into the tab, the person's go out and the kernel is the run's."""
    page.shows("x = 1")
    going.say(turn, live.cell("print('it', 'streams')", "Streams"))
    page.shows("it streams")
    actions.computes(page, "print('still', x + 1)", "still 2")
    mine = actions.add_cell(page, "mine = 5")
    page.page.keyboard.press("Control+s")
    until(lambda: "mine = 5" in [c["source"] for c in going.file()], "the file has the person's cell")
    assert actions.source_of(page, mine) == "mine = 5"
    actions.tab_and_file_agree(page, going)
    actions.no_dialog(page)


def panel(page: Tab) -> None:
    """The panel shows the run and steers it."""
    page.command("cobra:open-panel")
    panel = page.page.locator("#jp-cobra-panel")
    panel.wait_for()
    until(lambda: "running" in panel.inner_text().lower(), "the panel shows that the run is going")


@pytest.fixture
def hub(warm: Warm) -> Server:
    """A server under JupyterHub's paths. Its operator culls idle kernels; its user's settings window
    notebooks and save them every second."""
    home = warm.folder / "hub" / "home"
    for plugin, setting in SETTINGS.items():
        place = home / "settings/@jupyterlab" / plugin
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(setting))
    return warm.variant(
        "hub",
        "--MappingKernelManager.cull_idle_timeout=2",
        "--MappingKernelManager.cull_interval=1",
        "--MappingKernelManager.cull_connected=True",
        base="/user/jane/",
    )


def test_under_the_paths_of_jupyterhub(hub: Server, going: Live, tab: Tabs) -> None:
    page = tab(going.path, hub)
    live_notebook(page, going)
    panel(page)
    assert hub.get(f"cobra/runs/{going.entry.id}")["state"] == "running"


@pytest.mark.full
def test_a_server_that_culls_leaves_the_runs_kernel(hub: Server, going: Live, tab: Tabs) -> None:
    page = tab(going.path, hub)

    def last_active() -> str:
        found = {one["id"]: one["last_activity"] for one in hub.get("api/kernels")}
        return str(found[actions.kernel_of(page)])

    actions.computes(page, "print('begin', x)", "begin 1")
    until(
        lambda: page.js("nb => nb.sessionContext.kernelDisplayStatus") == "idle", "the run's kernel is idle"
    )
    before = last_active()
    for _ in range(2):  # younger than the run's: when it is culled, the run's would have been
        other = hub.post("api/kernels", {"name": "python3"})["id"]
        until(
            lambda other=other: other not in [one["id"] for one in hub.get("api/kernels")],
            "an idle kernel of others is culled",
        )
    assert last_active() == before, "the run's kernel was as idle"
    actions.computes(page, "print('still', x + 1)", "still 2")


@pytest.mark.full
def test_autosave_every_second_while_agent_and_person_write(hub: Server, going: Live, tab: Tabs) -> None:
    page = tab(going.path, hub)
    going.say(2, live.cell(going.held(STREAM), "Streaming"))
    page.shows("line 0")
    saved: list[str] = []
    page.page.on("request", lambda request: saved.append(request.url) if saves(request) else None)
    page.focus(page.cell_with("x = 1"))
    page.page.keyboard.press("Control+End")
    typed = ["\n# mine"]
    page.page.keyboard.type(typed[0])

    def types_on() -> bool:
        typed.append(f" {len(typed)}")
        page.page.keyboard.type(typed[-1])
        return len(saved) > 1

    until(types_on, "it has saved itself twice while the person types")
    going.let_go()
    page.shows("line 59")
    cells = agree(going, page)
    assert lines(cells) == [f"line {i}" for i in range(60)]
    assert any("".join(typed) in cell["source"] for cell in cells)


def saves(request: Request) -> bool:
    return request.method == "PUT" and "/api/contents/" in request.url


def test_marks_are_there_after_scrolling_through_a_long_notebook(hub: Server, going: Live, tab: Tabs) -> None:
    page = tab(going.path, hub)
    mine = page.add_below(page.cell_with("x = 1"), "mine = 1")
    until(lambda: not page.dirty(), "it is clean")
    cells = [
        {
            "edit": "insert",
            "after": mine,
            "cell": {
                "cell_type": "markdown",
                "id": f"long{i}",
                "metadata": {},
                "source": f"# Part {i}\n\nwords",
            },
        }
        for i in range(120)
    ]
    assert going.call("edit", agent="lead", client="somebody", edits=cells)["refused"] == []
    going.say(2, live.cell("y = 2", "At the end"))
    page.shows("At the end")
    last = next(c["id"] for c in page.cells() if "At the end" in c["source"])
    assert (
        actions.mark_of(page, last) == "not there" or actions.mark_of(page, mine) == "not there"
    )  # windowed
    for cell, who in (
        (last, "agent"),
        (mine, "person"),
        ("long60", "person"),
        (last, "agent"),
        (page.cell_with("x = 1"), "agent"),
    ):
        page.js(
            "(nb, id) => nb.content.scrollToItem([...nb.content.model.cells].findIndex(c => c.id === id))",
            cell,
        )
        actions.is_marked(page, cell, who)


@pytest.fixture
def proxy(warm: Warm) -> Iterator[tuple[Server, Relay]]:
    """A proxy port, under another host name, in front of a server with a password that trusts the proxy."""
    server = warm.variant(
        "proxied",
        "--ServerApp.allow_remote_access=True",
        "--ServerApp.trust_xheaders=True",
        "--ServerApp.local_hostnames=jupyter.example.org",
        f"--PasswordIdentityProvider.hashed_password={passwd('open sesame', 'sha1')}",
    )
    relay = Relay(server.port)
    yield server, relay
    relay.close()


def test_behind_a_proxy_with_a_password(proxy: tuple[Server, Relay], going: Live, tab: Tabs) -> None:
    server, relay = proxy
    page = tab(server=server, blank=True)
    page.page.goto(server.url(f"lab/tree/{going.path}", relay.port))
    page.page.locator("#password_input").fill("open sesame")
    page.page.locator("#login_submit").click()
    page.ready()
    live_notebook(page, going)
    assert page.page.evaluate("location.port") == str(relay.port)


@pytest.mark.full
def test_notebook_7(warm: Warm, going: Live, tab: Tabs) -> None:
    server = warm.variant("notebook", app="notebook")
    page = tab(server=server, blank=True)
    page.page.goto(f"{server.url('notebooks')}/{going.path}?token={TOKEN}")
    page.ready()
    live_notebook(page, going)
    panel(page)


def test_a_page_of_another_origin_gets_no_socket(going: Live, page: Tab) -> None:
    url = page.server.url(f"cobra/runs/{going.entry.id}/channel", page.port).replace("http", "ws", 1)
    assert page.page.evaluate(SOCKET, url) == "open"
    stranger = page.page.context.new_page()  # the same browser, with the same cookies
    stranger.route(
        "http://evil.example/**", lambda route: route.fulfill(body="<p>Hello", content_type="text/html")
    )
    stranger.goto("http://evil.example/")
    assert stranger.evaluate(SOCKET, url) == "refused"
    assert stranger.evaluate(SOCKET, f"{url}?token=wrong") == "refused"
    stranger.close()


def test_who_has_no_token_gets_nothing(server: Server, going: Live, browser: Browser) -> None:
    id = going.entry.id
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.url("login"))
    ask = (
        "([url, method]) => fetch(url, {method, redirect: 'manual', headers: {"
        "'X-XSRFToken': document.cookie.split('_xsrf=')[1] ?? ''}}).then(a => a.status)"
    )
    for method, path in [
        ("GET", "runs"),
        ("POST", "runs"),
        ("GET", "brains"),
        ("GET", "competitions"),
        ("GET", f"runs/{id}"),
        ("POST", f"runs/{id}/pause"),
        ("POST", f"runs/{id}/stop"),
        ("POST", f"runs/{id}/message"),
        ("POST", f"runs/{id}/approve"),
        ("POST", f"runs/{id}/export"),
    ]:
        assert page.evaluate(ask, [server.url(f"cobra/{path}"), method]) in (401, 403), (method, path)
    url = server.url(f"cobra/runs/{id}/channel").replace("http", "ws", 1)
    assert page.evaluate(SOCKET, url) == "refused"
    assert going.call("status")["state"] == "running"
    context.close()


@pytest.fixture
def collaborating(warm: Warm) -> Server:
    """A server with jupyter-collaboration, which lies in a folder of its own."""
    folder = Path(sys.prefix) / "collaboration"
    assert folder.is_dir(), f"no {folder}: `make test-lab` installs jupyter-collaboration there"
    return warm.variant(
        "collaboration",
        variables={
            "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(folder)]),
            "JUPYTER_PATH": str(folder / "share" / "jupyter"),
            "JUPYTER_CONFIG_PATH": str(folder / "etc" / "jupyter"),
        },
    )


def shared(page: Tab) -> bool:
    return bool(page.js("nb => nb.context.model.collaborative"))


def test_with_collaboration_cells_come_once_into_each_tab(
    collaborating: Server, going: Live, tab: Tabs
) -> None:
    page = tab(going.path, collaborating)
    beside = tab(going.path, collaborating, browser="other")
    going.say(2, live.cell(going.printing(20), "Counting", pace=400))
    for one in (page, beside):
        one.shows("it is done")
        assert sum("line {i} of it" in cell["source"] for cell in one.cells()) == 1
        assert one.outputs().count("line 7 of it") == 1
    mine = actions.add_cell(page, "mine = 5")
    until(lambda: actions.source_of(beside, mine) == "mine = 5", "the other tab has the person's cell")
    page.page.keyboard.press("Control+s")
    live_notebook(beside, going, 3)
    actions.tab_and_file_agree(page, going)
    actions.tab_and_file_agree(beside, going)
    actions.no_dialog(page)
    assert not shared(page)
    assert not shared(beside)


@pytest.mark.full
def test_with_collaboration_other_notebooks_are_shared(collaborating: Server, tab: Tabs) -> None:
    collaborating.post("api/contents/other.ipynb", notebook(), method="PUT")
    page = tab("other.ipynb", collaborating)
    beside = tab("other.ipynb", collaborating, browser="other")
    assert shared(page)
    assert shared(beside)
    mine = actions.add_cell(page, "mine = 5")
    until(lambda: actions.source_of(beside, mine) == "mine = 5", "the other tab has the cell")


@pytest.mark.full
def test_with_collaboration_a_run_that_was_renamed_opens_alone(
    collaborating: Server, own_run: Callable[..., Live], tab: Tabs
) -> None:
    """In a page that is loaded after it, and in one that was open and had not listed the runs meanwhile."""
    going, server = own_run(), collaborating
    early = tab(server=server, blank=True)
    early.page.route("**/cobra/runs*", lambda route: route.abort())
    early.boot("early")
    new = going.path.replace("agent.ipynb", "better name.ipynb")
    server.post(f"api/contents/{going.path}", {"path": new}, method="PATCH")
    until(lambda: server.get(f"cobra/runs/{going.entry.id}")["agents"][0]["notebook"] == new, "the run knows")
    page = tab(server=server, blank=True).open(new)  # pages learn at load which notebooks runs have
    live_notebook(page, going)
    assert not shared(page)
    early.page.unroute_all()
    early.command("docmanager:open", {"path": new})
    until(lambda: shared(early) is False and early.cells(), "it is opened again, alone")
    early.ready()
    live_notebook(early, going, 3)


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
