"""A tab of JupyterLab: what a person does and sees in it."""

from __future__ import annotations

import contextlib
from typing import Any

from playwright.sync_api import Dialog, Page
from playwright.sync_api import Error as PlaywrightError

from tests.lab.server import TOKEN, Server
from tests.lab.waiting import until
from tests.patience import PATIENCE

OURS = "/extensions/cobra-jupyter/"  # in the stack of an error of ours; JupyterLab has some of its own
AWAY = "Server Connection Error"  # JupyterLab shows this while a server is away, and takes it back
_DIALOGS = """
window.dialogsSeen = [];
new MutationObserver(changes => {
    for (const change of changes)
        for (const node of change.addedNodes)
            if (node.classList?.contains('jp-Dialog')) {
                const seen = { text: node.textContent };
                window.dialogsSeen.push(seen);
                setTimeout(() => seen.text = node.textContent || seen.text, 50);  // when its title is there
            }
}).observe(document, { childList: true, subtree: true });
"""
_CLEAR = """
() => {
    const { shell } = window.jupyterapp;
    for (const widget of [...shell.widgets('main')]) widget.dispose();
    shell.collapseRight();
}
"""


class Tab:
    """A tab of JupyterLab, mostly with a notebook open in it."""

    def __init__(self, page: Page, server: Server, port: int | None = None) -> None:
        self.page, self.server, self.port = page, server, port
        self.problems: list[str] = []
        self.workspace = ""
        page.set_default_timeout(1000 * PATIENCE)
        page.on("pageerror", self._failed)
        page.on("dialog", self._asked)
        page.add_init_script(_DIALOGS)

    def boot(self, workspace: str) -> Tab:
        """Load JupyterLab with nothing open but its launcher."""
        self.workspace = workspace
        place = self.server.url(f"lab/workspaces/{workspace}", self.port)
        self.page.goto(f"{place}?token={TOKEN}&reset")
        self.page.locator(".jp-LauncherCard").first.wait_for()
        return self

    def open(self, path: str, workspace: str | None = None) -> Tab:
        """Load JupyterLab with a notebook, in a workspace of its own if said so."""
        place = f"lab/workspaces/{workspace}" if workspace else "lab"
        self.page.goto(f"{self.server.url(place, self.port)}/tree/{path}?token={TOKEN}&reset")
        self.ready()
        return self

    def show(self, path: str) -> Tab:
        """Open a notebook in JupyterLab, which is loaded already."""
        self.command("docmanager:open", {"path": path})
        self.ready()
        return self

    def ready(self) -> None:
        """Wait until the notebook and its kernel are there."""
        self.page.locator(".jp-Notebook").first.wait_for()
        until(
            lambda: self.js(
                "nb => nb.context.isReady"
                " && nb.sessionContext.session?.kernel?.connectionStatus === 'connected'"
            ),
            "the notebook and its kernel",
        )

    def clear(self) -> None:
        """Close everything that is open, so that the page serves the next test as if it were new."""
        self.page.unroute_all()
        self.page.keyboard.press("Escape")  # a menu
        self.page.evaluate(_CLEAR)
        self.page.locator(".jp-LauncherCard").first.wait_for()
        assert self.dialog() is None, f"a dialog is open: {self.dialog()!r}"
        self.page.evaluate("() => { window.dialogsSeen = []; }")

    def js(self, function: str, *args: Any) -> Any:
        """Evaluate a function of the notebook's panel in the page."""
        return self.page.evaluate(
            f"""args => {{
                const app = window.jupyterapp;
                const panel = [...app.shell.widgets('main')].find("""
            f"""w => w.context && w.content && w.content.model?.cells);
                return panel ? ({function})(panel, ...args) : null;
            }}""",
            list(args),
        )

    def cells(self) -> list[dict[str, Any]]:
        """The model's cells: id, kind, source, outputs as text, metadata."""
        return (
            self.js(  # type: ignore[no-any-return]
                """nb => [...nb.content.model.cells].map(c => ({
                id: c.id, kind: c.type, source: c.sharedModel.getSource(),"""
                """ cobra: c.getMetadata('cobra') || {},
                count: c.executionCount ?? null, outputs: c.outputs ? JSON.stringify(c.outputs.toJSON()) : ''
            }))"""
            )
            or []
        )

    def cell_with(self, text: str) -> str:
        """The id of the first cell whose source holds a text."""
        found = next((str(cell["id"]) for cell in self.cells() if text in cell["source"]), None)
        assert found is not None, f"no cell has {text!r}: {self.sources()}"
        return found

    def sources(self) -> list[str]:
        return [cell["source"] for cell in self.cells()]

    def outputs(self) -> str:
        return "\n".join(cell["outputs"] for cell in self.cells())

    def shows(self, text: str) -> None:
        """Wait until a cell's source or output holds a text."""
        until(
            lambda: any(text in c["source"] or text in c["outputs"] for c in self.cells()),
            f"the tab shows {text!r}",
        )

    def path(self) -> str:
        """Where the notebook lies in the server's root."""
        return str(self.js("nb => nb.context.localPath"))

    def dirty(self) -> bool:
        return bool(self.js("nb => nb.context.model.dirty"))

    def command(self, name: str, args: dict[str, Any] | None = None) -> None:
        """Execute one of JupyterLab's commands, to its end."""
        self.page.evaluate(
            "([n, a]) => window.jupyterapp.commands.execute(n, a).then(() => null)", [name, args or {}]
        )

    def type_into(self, cell_id: str, text: str, delay: float = 10) -> None:
        """Click into a cell's editor and type at its end, key by key."""
        self.focus(cell_id)
        asked, before = len(self.dialogs()), self._source(cell_id)
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text, delay=delay)
        if (
            len(self.dialogs()) > asked
        ):  # JupyterLab's word of a server that is away took the rest of the keys
            self.focus(cell_id)
            self.page.keyboard.press("Control+a")
            self.page.keyboard.insert_text(before + text)

    def _source(self, cell_id: str) -> str:
        return next(str(cell["source"]) for cell in self.cells() if cell["id"] == cell_id)

    def _close_notice(self) -> None:
        """As a person does who reads that the server is away."""
        notice = self.page.locator(".jp-Dialog", has_text=AWAY)
        if notice.count():
            with contextlib.suppress(PlaywrightError):  # it may just go by itself
                notice.get_by_role("button", name="Close", exact=True).click(timeout=1_000)

    def focus(self, cell_id: str) -> None:
        focused = """(nb, id) => {
            nb.content.activeCellIndex = [...nb.content.model.cells].findIndex(c => c.id === id);
            nb.content.mode = 'edit';
            nb.content.activeCell?.editor?.focus();
            return nb.content.activeCell?.editor?.hasFocus() ?? false;
        }"""

        def takes() -> Any:
            self._close_notice()
            return self.js(focused, cell_id)

        until(takes, f"cell {cell_id} takes the cursor")

    def add_below(self, cell_id: str, text: str, delay: float = 10) -> str:
        """A new cell below another, with a text typed into it. → its id."""
        self.select(cell_id)
        self.command("notebook:insert-cell-below")
        made = str(self.js("nb => nb.content.activeCell.model.id"))
        self.type_into(made, text, delay)
        return made

    def select(self, cell_id: str) -> None:
        """Make a cell the active one, in command mode."""
        self.js(
            """(nb, id) => {
                nb.content.activeCellIndex = [...nb.content.model.cells].findIndex(c => c.id === id);
                nb.content.mode = 'command';
                nb.content.node.focus();
            }""",
            cell_id,
        )

    def dialogs(self) -> list[str]:
        """The texts of all dialogs that opened since the page was loaded."""
        return list(self.page.evaluate("window.dialogsSeen.map(seen => seen.text)"))

    def _failed(self, error: Any) -> None:
        if OURS in str(error.stack):
            self.problems.append(f"{error}\n{error.stack}")

    def _asked(self, dialog: Dialog) -> None:
        """The browser asks (leave this page?), which nothing here should make it do."""
        self.problems.append(f"{dialog.type}: {dialog.message}")
        dialog.accept()

    def dialog(self) -> str | None:
        """The text of an open dialog, if there is one."""
        found = self.page.locator(".jp-Dialog")
        return found.first.inner_text() if found.count() else None
