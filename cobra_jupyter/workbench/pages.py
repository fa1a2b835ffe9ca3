from __future__ import annotations
from collections.abc import Mapping
from typing import Any
import json
from html import escape


def html(kind: str, data: Mapping[str, Any]) -> str:
    return f"<pre>{escape(text(kind, data))}</pre>"


def text(kind: str, data: Mapping[str, Any]) -> str:
    return f"{kind}: " + json.dumps({k: v for k, v in data.items() if k not in ("code", "fits")}, default=str)[:1500]
