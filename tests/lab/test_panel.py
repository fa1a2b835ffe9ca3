"""A new user starts a run in the launcher and steers it with the panel alone, which also shows the errors."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from cobra_jupyter.cli import demo
from tests.fakes import live
from tests.lab.live_run import Live
from tests.lab.server import Server
from tests.lab.tab import Tab
from tests.lab.waiting import until
from tests.lab.warm import Pages

Runs = Callable[..., Live]
Open = Callable[..., Tab]
DEMO = "demo/demo-diabetes/prepared/public"


@pytest.fixture(autouse=True)
def fresh_page(pages: Pages) -> None:
    """The panel remembers which run a person chose: no test may find the choice of another."""
    pages.close_idle()


@pytest.fixture
def launcher(server: Server, tab: Open) -> Tab:
    """A tab with nothing but the launcher in it."""
    if not (server.root / "demo").exists():
        demo.write(server.root / "demo")
    return tab()


def panel(page: Page) -> Locator:
    return page.locator("#jp-cobra-panel")


def form(page: Page) -> Locator:
    page.locator(".jp-LauncherCard", has_text="New Cobra Run").click()
    return page.locator("#jp-cobra-new-run")


def says(page: Page, state: str) -> None:
    expect(panel(page).get_by_role("status").first).to_contain_text(state)


def press(page: Page, label: str) -> None:
    panel(page).get_by_role("button", name=label, exact=True).click()


def _layout_is_saved(server: Server, workspace: str, path: str) -> bool:
    """Whether the saved layout of a workspace has a notebook in its middle and the panel at its right."""
    layout = server.get(f"lab/api/workspaces/{workspace}")["data"].get("layout-restorer:data", {})
    right = layout.get("right", {})
    shown = right.get("visible") and right.get("current") == "jp-cobra-panel"
    return bool(shown) and path in json.dumps(layout.get("main", {}))


def test_a_newcomer_starts_pauses_edits_hands_back_and_stops(server: Server, launcher: Tab) -> None:
    page, asked = launcher.page, form(launcher.page)
    asked.get_by_role("button", name="demo-diabetes", exact=True).click()
    asked.get_by_role("button", name="10m", exact=True).click()  # it must not end by itself
    asked.get_by_role("button", name="Start", exact=True).click()
    page.locator(".jp-Notebook").wait_for()
    launcher.ready()
    says(page, "Running")
    launcher.shows("cobra.open")
    press(page, "Pause")
    says(page, "Paused")
    press(page, "Take over")
    says(page, "Yours")
    launcher.add_below(launcher.cells()[-1]["id"], "print('by', 'hand')")
    page.keyboard.press("Shift+Enter")
    launcher.shows("by hand")
    press(page, "Hand back")
    says(page, "Running")
    launcher.shows("Handed back")
    expect(panel(page).locator(".jp-cobra-log")).to_contain_text("what a person did")
    press(page, "Stop")
    page.locator(".jp-Dialog").get_by_role("button", name="Stop").click()
    says(page, "Stopped")
    until(lambda: not launcher.dirty(), "there is nothing to save")
    folder = Path(launcher.path()).parent
    runs = {run["run"]: run["state"] for run in server.get("cobra/runs")["runs"]}
    assert runs[str(folder)] == "stopped"
    assert (server.root / folder / "report.html").exists()


def test_the_panel_and_its_run_are_there_again_after_a_reload(
    server: Server, going: Live, own_run: Runs, tab: Open
) -> None:
    first, second = going, own_run()
    page = tab(first.path)
    page.command("cobra:open-panel")
    says(page.page, "Running")
    workspace = page.workspace
    until(lambda: _layout_is_saved(server, workspace, first.path), "the layout is saved")
    page.page.goto(server.url(f"lab/workspaces/{workspace}", page.port))
    page.ready()
    says(page.page, "Running")
    chosen = panel(page.page).locator("header select")
    expect(chosen.locator("option:checked")).to_contain_text(first.name)
    expect(chosen).to_contain_text(second.name)


@pytest.mark.parametrize(
    ("folder", "brain", "word"),
    [
        ("no/such/folder", "playbook", "no/such/folder"),
        ("../..", "playbook", "root"),
        (".", "playbook", "start JupyterLab in a folder above it"),
        ("empty", "playbook", "sample_submission"),
        (DEMO, "gemini", "GEMINI_API_KEY"),
    ],
)
def test_a_run_that_cannot_be_is_refused_in_the_form_and_nothing_typed_is_lost(
    server: Server, launcher: Tab, folder: str, brain: str, word: str
) -> None:
    (server.root / "empty").mkdir(exist_ok=True)
    asked = form(launcher.page)
    asked.locator("#jp-cobra-folder").fill(folder)
    asked.get_by_label("Brain").select_option(brain)
    asked.get_by_role("button", name="Start", exact=True).click()
    expect(asked.get_by_role("alert")).to_contain_text(word)
    assert asked.locator("#jp-cobra-folder").input_value() == folder


def test_a_message_reaches_the_agent_and_stands_in_the_log(going: Live, page: Tab) -> None:
    page.command("cobra:open-panel")
    box = panel(page.page).locator("textarea")
    box.fill("Mind the outliers.")
    box.press("Enter")
    log = panel(page.page).locator(".jp-cobra-log")
    expect(log).to_contain_text("Mind the outliers.")
    expect(log).to_contain_text("by dictated")
    expect(box).to_have_value("")
    going.say(2, live.cell("pass"))
    assert "Mind the outliers." in going.seen(3)


def test_a_cell_waits_in_the_panel_and_a_declined_one_does_not_run(own_run: Runs, tab: Open) -> None:
    going = own_run("--approval", "costly")
    page = tab(going.path)
    page.command("cobra:open-panel")
    going.say(2, live.cell("print('it', 'ran')  # cobra.scale()"))
    asked = panel(page.page).locator(".jp-cobra-approval")
    expect(asked).to_contain_text("cobra.scale")
    says(page.page, "Waits for you")
    asked.get_by_role("textbox").fill("too early")
    asked.get_by_role("button", name="Decline").click()
    assert "too early" in going.seen(3)
    going.say(3, live.cell("print('now', 'it')  # cobra.scale()"))
    asked.get_by_role("button", name="Approve").click()
    page.shows("now it")
    assert "it ran" not in page.outputs()


def test_a_runner_that_died_is_said_and_its_run_goes_on_from_the_panel(own_run: Runs, tab: Open) -> None:
    going = own_run()
    page = tab(going.path)
    page.command("cobra:open-panel")
    says(page.page, "Running")
    os.killpg(going.entry.pid, signal.SIGKILL)
    says(page.page, "Gone")
    expect(panel(page.page).get_by_role("button", name="Resume")).to_be_visible()
    page.type_into(page.cells()[0]["id"], "\nstill mine")
    page.command("docmanager:save")
    until(lambda: "still mine" in (going.out / "agent.ipynb").read_text(), "it is saved")
    assert page.dialog() is None


def test_the_status_bar_shows_the_run(going: Live, page: Tab) -> None:
    expect(page.page.locator("#jp-main-statusbar")).to_contain_text("Running")
