"""Serialise a notebook cell by cell, byte for byte as nbformat writes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_SPLIT_MIMES = ("application/javascript", "image/svg+xml")  # stored as lists of lines, like text/*


def cell_text(cell: dict[str, Any]) -> str:
    """A cell's JSON, indented for its place in the file."""
    return "  " + _dumps(_with_lines(cell)).replace("\n", "\n  ")


def notebook_parts(cells: Iterable[str], metadata: dict[str, Any]) -> list[str]:
    """The file's text, made from the cells' texts; in parts, because joining a long notebook is slow."""
    parts, between = ['{\n "cells": ['], "\n"
    for cell in cells:
        parts += [between, cell]
        between = ",\n"
    head = _dumps(metadata).replace("\n", "\n ")
    end = "]" if len(parts) == 1 else "\n ]"
    return [*parts, f'{end},\n "metadata": {head},\n "nbformat": 4,\n "nbformat_minor": 5\n}}\n']


def _with_lines(cell: dict[str, Any]) -> dict[str, Any]:
    """The cell as it is in a file: long texts are lists of lines, for line-based version control."""
    cell = {**cell, "source": cell["source"].splitlines(True)}
    if "outputs" in cell:
        cell["outputs"] = [_output_with_lines(output) for output in cell["outputs"]]
    if "attachments" in cell:
        cell["attachments"] = {
            name: _bundle_with_lines(bundle) for name, bundle in cell["attachments"].items()
        }
    return cell


def _output_with_lines(output: dict[str, Any]) -> dict[str, Any]:
    if output["output_type"] == "stream":
        return {**output, "text": output["text"].splitlines(True)}
    if "data" in output:
        return {**output, "data": _bundle_with_lines(output["data"])}
    return output


def _bundle_with_lines(bundle: dict[str, Any]) -> dict[str, Any]:
    return {
        mime: content.splitlines(True)
        if isinstance(content, str) and (mime.startswith("text/") or mime in _SPLIT_MIMES)
        else content
        for mime, content in bundle.items()
    }


def _dumps(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False, indent=1, sort_keys=True, separators=(",", ": "), allow_nan=False
    )
