"""The cells of a reply in the live notebook, which grow while it streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from cobra_jupyter.agent.reply import Parsed
from cobra_jupyter.notebook.document import Document
from cobra_jupyter.notebook.merge import touched


class Page:
    """The two cells of a reply: inserted when needed, updated while it grows or starts again."""

    def __init__(self, document: Document, metadata: Mapping[str, Any]) -> None:
        self.parsed = Parsed("", None, False)
        self._markdown = _Growing(document, metadata, "markdown")
        self._code = _Growing(document, metadata, "code")

    @property
    def markdown(self) -> str | None:
        return self._markdown.cell

    @property
    def code(self) -> str | None:
        return self._code.cell

    def show(self, parsed: Parsed) -> None:
        self.parsed = parsed
        self._markdown.show(parsed.markdown or None, None)
        self._code.show(parsed.code, self.markdown)

    def clear(self) -> None:
        self.show(Parsed("", None, False))


class _Growing:
    """One growing cell. A cell that a person edits becomes the person's: all of the code then goes into a new
    cell, of a Markdown text only the rest. A cell that a person deleted stays deleted."""

    def __init__(
        self, document: Document, metadata: Mapping[str, Any], kind: Literal["markdown", "code"]
    ) -> None:
        self.cell: str | None = None
        self._document, self._metadata, self._kind = document, metadata, kind
        self._whole = ""  # the whole text as last shown
        self._shown = ""  # the part in this cell
        self._before = 0  # characters in earlier cells that a person edited

    def show(self, text: str | None, after: str | None) -> None:
        if text is None:
            self._remove()
            return
        if not text.startswith(self._whole):  # the reply started again
            self._before = 0
        self._whole = text
        text = text[self._before :]
        if self.cell is None:
            self._insert(text, after)
        elif self.cell in self._document and text != self._shown:
            self._go_on(text)

    def _go_on(self, text: str) -> None:
        assert self.cell
        if touched(self._document, self.cell):
            if self._kind == "markdown" and text.startswith(self._shown):
                self._before, text = self._before + len(self._shown), text[len(self._shown) :]
            self._insert(text, self.cell)
            return
        if text.startswith(self._shown):
            self._document.source(self.cell, text[len(self._shown) :], append=True)
        else:
            self._document.source(self.cell, text)
        self._shown = text

    def _insert(self, text: str, after: str | None) -> None:
        if not text and self._kind == "markdown":
            return
        after = after if after in self._document else None
        self.cell = self._document.insert(self._kind, text, after=after, metadata=self._metadata).cell_id
        self._shown = text

    def _remove(self) -> None:
        if self.cell in self._document and not touched(self._document, str(self.cell)):
            self._document.delete(str(self.cell))
        self.cell, self._whole, self._shown, self._before = None, "", "", 0
