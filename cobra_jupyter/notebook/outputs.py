"""The outputs of one cell, stored as JupyterLab's output area does, within a size limit."""

from __future__ import annotations

import json
import re
from typing import Any

_CONTROL = re.compile(r"([\n\b\r])")
_ERROR_ROOM = 64 * 1024  # characters that an error may always use: people read it first
_BINARY_FACTOR = 8  # images and other binary data may use this multiple of the text limit


class Stream:
    """One stream output. Carriage returns and backspaces act on its last line, across chunks.

    As in JupyterLab: `\\r` moves to the start of the line, `\\b` deletes the character before, text then
    overwrites from that position, and `\\n` first goes to the end of the line.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0  # characters
        self._lines: list[str] = []
        self._last = ""
        self._cursor = 0

    def write(self, text: str) -> None:
        before = len(self._last)
        if self._cursor == before and "\r" not in text and "\b" not in text:
            self._append(text)
        else:
            for part in _CONTROL.split(text):
                self._act(part)

    @property
    def text(self) -> str:
        if len(self._lines) > 1:
            self._lines = ["".join(self._lines)]
        return "".join(self._lines) + self._last

    def _append(self, text: str) -> None:
        head, newline, tail = text.rpartition("\n")
        if newline:
            self._lines.append(self._last + head + newline)
            self._last = tail
        else:
            self._last += text
        self._cursor = len(self._last)
        self.size += len(text)

    def _act(self, part: str) -> None:
        line, cursor = self._last, self._cursor
        if part == "\n":
            self._lines.append(line + "\n")
            self._last, self._cursor = "", 0
            self.size += 1
            return
        if part == "\r":
            self._cursor = 0
            return
        if part == "\b":
            if cursor:
                self._last, self._cursor = line[: cursor - 1] + line[cursor + 1 :], cursor - 1
        else:
            self._last, self._cursor = line[:cursor] + part + line[cursor + len(part) :], cursor + len(part)
        self.size += len(self._last) - len(line)


class OutputArea:
    """Outputs in order. `fit` cuts an output to the room left; `put` stores it."""

    def __init__(self, limit: int, displays: int = 0) -> None:
        self.limit = limit  # characters of text
        self._displays = (
            displays  # extra characters for displays: a long log must not hide the table at its end
        )
        self.clear()

    def clear(self) -> None:
        """Remove all outputs."""
        self.omitted = 0  # characters that were not stored
        self.omitted_shown = 0  # the number in the cell's note
        self.clear_next = False
        self.displays: dict[str, list[int]] = {}  # display id → positions
        self._items: list[Stream | dict[str, Any]] = []
        self._text = 0
        self._binary = 0
        self._streaming = False  # the next text of the same stream joins the last item

    def __len__(self) -> int:
        return len(self._items)

    def fit(self, output: dict[str, Any], replaces: str | None = None) -> tuple[dict[str, Any] | None, int]:
        """Return the part of a clean output that fits (None: nothing) and the number of characters left out.

        `replaces`: a display id whose current content will be replaced.
        """
        text, binary = (0, 0) if self.clear_next else (self._text, self._binary)
        if replaces is not None:
            for position in self.displays.get(replaces, ()):
                old = sizes_of(self._items[position])
                text, binary = text - old[0], binary - old[1]
        cut, room = bool(self.omitted) and not self.clear_next, max(0, self.limit - text)
        if output["output_type"] == "stream":
            return _fit_stream(output, 0 if cut else room)
        if output["output_type"] == "error":
            return _fit_error(output, max(0 if cut else room, _ERROR_ROOM))
        more = self._displays if cut else 0
        return _fit_display(
            output, max(0, self.limit + more - text), max(0, _BINARY_FACTOR * self.limit - binary)
        )

    def put(self, output: dict[str, Any]) -> None:
        """Append one clean output; text of the stream that wrote last is joined to it."""
        if output["output_type"] == "stream":
            self._put_stream(output["name"], output["text"])
            return
        transient = output.get("transient")
        stored = {key: value for key, value in output.items() if key != "transient"}
        if transient:
            self.displays.setdefault(transient["display_id"], []).append(len(self._items))
        self._items.append(stored)
        self._streaming = False
        self._account(stored, 1)

    def replace(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Replace the content of every output with this display id."""
        for position in self.displays.get(display_id, ()):
            item = self._items[position]
            if isinstance(item, dict):
                self._account(item, -1)
                item = {**item, "data": data, "metadata": metadata}
                self._items[position] = item
                self._account(item, 1)

    def end_stream(self) -> None:
        """Start a new output with the next stream text."""
        self._streaming = False

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {"output_type": "stream", "name": item.name, "text": item.text}
            if isinstance(item, Stream)
            else item
            for item in self._items
        ]

    def _put_stream(self, name: str, text: str) -> None:
        last = self._items[-1] if self._items else None
        if not (self._streaming and isinstance(last, Stream) and last.name == name):
            last = Stream(name)
            self._items.append(last)
            self._streaming = True
        before = last.size
        last.write(text)
        self._text += last.size - before

    def _account(self, item: dict[str, Any], sign: int) -> None:
        text, binary = sizes_of(item)
        self._text += sign * text
        self._binary += sign * binary


def sizes_of(item: Stream | dict[str, Any]) -> tuple[int, int]:
    """Characters of text and of encoded binary data in one output."""
    if isinstance(item, Stream):
        return item.size, 0
    if item["output_type"] == "error":
        return sum(map(len, item["traceback"])) + len(item["evalue"]), 0
    if item["output_type"] == "stream":
        return len(item["text"]), 0
    text = binary = 0
    for mime, content in item["data"].items():
        if _is_binary(mime):
            binary += len(content)
        else:
            text += _length(content)
    return text + (_length(item["metadata"]) if item["metadata"] else 0), binary


def _fit_stream(output: dict[str, Any], room: int) -> tuple[dict[str, Any] | None, int]:
    text = output["text"]
    if len(text) <= room:
        return output, 0
    stored = {**output, "text": text[:room]} if room else None
    return stored, len(text) - room


def _fit_error(output: dict[str, Any], room: int) -> tuple[dict[str, Any], int]:
    size = sizes_of(output)[0]
    if size <= room:
        return output, 0
    evalue = output["evalue"][: room // 4]
    left = room - len(evalue)
    lines: list[str] = []
    for line in reversed(output["traceback"]):  # the end of a traceback says what happened
        if left <= 0:
            break
        lines.append(line[-left:])
        left -= len(lines[-1])
    stored = {**output, "evalue": evalue, "traceback": lines[::-1]}
    return stored, size - sizes_of(stored)[0]


def _fit_display(output: dict[str, Any], room: int, binary_room: int) -> tuple[dict[str, Any] | None, int]:
    text, binary = sizes_of(output)
    if text <= room and binary <= binary_room:
        return output, 0
    data: dict[str, Any] = {}
    for mime in sorted(output["data"], key=lambda name: name != "text/plain"):  # plain text first
        content = output["data"][mime]
        if _is_binary(mime):
            if len(content) <= binary_room:
                data[mime], binary_room = content, binary_room - len(content)
        elif _length(content) <= room:
            data[mime], room = content, room - _length(content)
        elif mime == "text/plain" and room:
            data[mime], room = content[:room], 0
    stored = {**output, "data": data, "metadata": {}}
    return (stored if data else None), text + binary - sum(sizes_of(stored))


def rest_of(output: dict[str, Any], stored: dict[str, Any] | None) -> str:
    """The text of a clean output that was not stored; `stored` is the part that was."""
    if output["output_type"] == "stream":
        return str(output["text"][len(stored["text"]) if stored else 0 :])
    if output["output_type"] == "error":
        return "\n".join([*output["traceback"], ""])  # the whole traceback: its end matters most
    data = stored["data"] if stored else {}
    left = {mime: content for mime, content in output["data"].items() if data.get(mime) != content}
    return "\n".join([*(_as_text(mime, content) for mime, content in left.items()), ""])


def _as_text(mime: str, content: Any) -> str:
    """Content as a text file shows it."""
    if _is_binary(mime):
        return f"[{mime}: {_length(content):,} characters, not stored]"
    return content if isinstance(content, str) else json.dumps(content)


def _is_binary(mime: str) -> bool:
    return not (mime.startswith("text/") or mime.endswith(("json", "+xml", "javascript")))


def _length(content: Any) -> int:
    return len(content) if isinstance(content, str) else len(json.dumps(content))
