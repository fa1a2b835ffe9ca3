"""The outputs of one cell, kept as JupyterLab's output area keeps them, within a limit of size."""

from __future__ import annotations

import json
import re
from typing import Any

_CONTROL = re.compile(r"([\n\b\r])")
_ERROR_ROOM = 64 * 1024  # characters an error may always take: it is what one reads first
_BINARY_FACTOR = 8  # images and the like may take this many times the limit for text


class Stream:
    """One stream output; carriage returns and backspaces act on its last line, across chunks.

    As in JupyterLab: `\\r` moves to the start of the line, `\\b` deletes one character back, text overwrites
    from there on, `\\n` goes to the end of the line first.
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
    """Outputs in order. `fit` says what of an output may be stored; `put` stores it."""

    def __init__(self, limit: int, displays: int = 0) -> None:
        self.limit = limit  # characters of text
        self._displays = displays  # beyond these, for displays: a long log must not hide the table at its end
        self.clear()

    def clear(self) -> None:
        """Back to no outputs."""
        self.omitted = 0  # characters that were not stored
        self.omitted_shown = 0  # as the note in the cell says
        self.clear_next = False
        self.displays: dict[str, list[int]] = {}  # display id → positions
        self._items: list[Stream | dict[str, Any]] = []
        self._text = 0
        self._binary = 0
        self._streaming = False  # the last item takes more of the same stream

    def __len__(self) -> int:
        return len(self._items)

    def fit(self, output: dict[str, Any], replaces: str | None = None) -> tuple[dict[str, Any] | None, int]:
        """What of a clean output there is room for (None: nothing), and how many characters are left out.

        `replaces`: a display id whose present content will go.
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
        """Append one clean output; text of the stream that came last is merged into it."""
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
        """Give every output with this display id new content."""
        for position in self.displays.get(display_id, ()):
            item = self._items[position]
            if isinstance(item, dict):
                self._account(item, -1)
                item = {**item, "data": data, "metadata": metadata}
                self._items[position] = item
                self._account(item, 1)

    def end_stream(self) -> None:
        """Let the next stream output be one of its own."""
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
    kept = {**output, "text": text[:room]} if room else None
    return kept, len(text) - room


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
    kept = {**output, "evalue": evalue, "traceback": lines[::-1]}
    return kept, size - sizes_of(kept)[0]


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
    kept = {**output, "data": data, "metadata": {}}
    left = sizes_of(kept)
    return (kept if data else None), text + binary - sum(left)


def rest_of(output: dict[str, Any], kept: dict[str, Any] | None) -> str:
    """The text of a clean output that was not stored, given what of it was."""
    if output["output_type"] == "stream":
        return str(output["text"][len(kept["text"]) if kept else 0 :])
    if output["output_type"] == "error":
        return "\n".join([*output["traceback"], ""])  # whole: it is read from its end
    stored = kept["data"] if kept else {}
    left = {mime: content for mime, content in output["data"].items() if stored.get(mime) != content}
    return "\n".join([*(_told(mime, content) for mime, content in left.items()), ""])


def _told(mime: str, content: Any) -> str:
    """Content as a text file holds it."""
    if _is_binary(mime):
        return f"[{mime}: {_length(content):,} characters, not kept]"
    return content if isinstance(content, str) else json.dumps(content)


def _is_binary(mime: str) -> bool:
    return not (mime.startswith("text/") or mime.endswith(("json", "+xml", "javascript")))


def _length(content: Any) -> int:
    return len(content) if isinstance(content, str) else len(json.dumps(content))
