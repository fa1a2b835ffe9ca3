"""Turn whatever a kernel sends into valid nbformat 4.5: no output may make the file unreadable."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_JSON_MIME = re.compile(r"^application/(.*\+)?json$")
_CELL_ID = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_MAX_DEPTH = 64
_MAX_INT_BITS = 4096  # beyond about 4,300 digits Python refuses to write an int in decimal


def text_of(value: Any) -> str:
    """Return a str that UTF-8 can hold: joins lists of lines, decodes bytes, uses the repr of the rest."""
    if isinstance(value, str):
        if value.isascii():
            return str(value)
        return value.encode("utf-8", "replace").decode("utf-8")  # lone surrogates become "?"
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return text_of("".join(value))
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(json_of(value), ensure_ascii=False)
    return text_of(_repr(value))


def json_of(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """Strict JSON: NaN and infinities become null, bytes base64, unknown objects their repr."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _MAX_INT_BITS else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode("ascii")
    if depth <= 0:
        return "…"
    if isinstance(value, Mapping):
        return {text_of(key): json_of(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_of(item, depth - 1) for item in value]
    if hasattr(value, "tolist"):  # numpy
        return json_of(value.tolist(), depth - 1)
    return text_of(_repr(value))


def output_of(raw: Any) -> dict[str, Any]:
    """Return one valid output (stream, display_data, execute_result, error) or one of the events
    `update_display_data` and `clear_output`. The document needs `transient.display_id`, so it stays."""
    if not isinstance(raw, Mapping):
        return {"output_type": "display_data", "data": {"text/plain": text_of(raw)}, "metadata": {}}
    kind = raw.get("output_type")
    if kind == "stream":
        return {
            "output_type": "stream",
            "name": text_of(raw.get("name")) or "stdout",
            "text": text_of(raw.get("text")),
        }
    if kind == "error":
        return _error(raw)
    if kind == "clear_output":
        return {"output_type": "clear_output", "wait": bool(raw.get("wait"))}
    if kind in ("display_data", "execute_result", "update_display_data"):
        return _display(str(kind), raw)
    return {"output_type": "display_data", "data": {"text/plain": text_of(dict(raw))}, "metadata": {}}


def cell_metadata(raw: Any) -> dict[str, Any]:
    """Return cell metadata; keys that nbformat constrains are corrected or dropped."""
    metadata: dict[str, Any] = json_of(raw) if isinstance(raw, Mapping) else {}
    metadata.pop("trusted", None)  # nbformat defines it as transient
    _drop_invalid(metadata, "tags", lambda v: isinstance(v, list))
    if "tags" in metadata:
        texts = [tag for tag in metadata["tags"] if isinstance(tag, str)]
        metadata["tags"] = list(dict.fromkeys(tag for tag in texts if tag and not re.search(r"[,\n]", tag)))
    _drop_invalid(metadata, "name", lambda v: isinstance(v, str) and bool(v) and "\n" not in v)
    _drop_invalid(metadata, "format", lambda v: isinstance(v, str))
    _drop_invalid(metadata, "jupyter", lambda v: isinstance(v, dict))
    _drop_invalid(metadata, "collapsed", lambda v: isinstance(v, bool))
    _drop_invalid(metadata, "scrolled", lambda v: isinstance(v, bool) or v == "auto")
    _drop_invalid(
        metadata, "execution", lambda v: isinstance(v, dict) and all(isinstance(x, str) for x in v.values())
    )
    return metadata


def notebook_metadata(raw: Any) -> dict[str, Any]:
    """Return notebook metadata; keys that nbformat constrains are corrected or dropped."""
    metadata: dict[str, Any] = json_of(raw) if isinstance(raw, Mapping) else {}
    for transient in ("orig_nbformat", "orig_nbformat_minor", "signature"):
        metadata.pop(transient, None)
    _drop_invalid(metadata, "kernelspec", lambda v: _has_texts(v, ("name", "display_name")))
    _drop_invalid(metadata, "language_info", _is_language_info)
    _drop_invalid(metadata, "title", lambda v: isinstance(v, str))
    _drop_invalid(metadata, "authors", lambda v: isinstance(v, list))
    _drop_invalid(metadata, "cobra", lambda v: isinstance(v, dict))
    return metadata


def cobra_metadata(thing: Any) -> Mapping[str, Any]:
    """`metadata.cobra` of a cell or notebook; empty if it is missing or not a mapping."""
    metadata = thing.get("metadata") if isinstance(thing, Mapping) else None
    found = metadata.get("cobra") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def attachments_of(raw: Any) -> dict[str, Any]:
    """A cell's attachments: file name → mime bundle."""
    if not isinstance(raw, Mapping):
        return {}
    return {text_of(name): _bundle(bundle) for name, bundle in raw.items() if isinstance(bundle, Mapping)}


def count_of(value: Any) -> int | None:
    """A prompt number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def is_cell_id(value: object) -> bool:
    """Whether nbformat 4.5 accepts this as a cell id."""
    return isinstance(value, str) and bool(_CELL_ID.fullmatch(value))


def is_json_mime(mime: str) -> bool:
    """Whether data of this mime type may be any JSON value, not only text."""
    return bool(_JSON_MIME.match(mime))


def _error(raw: Mapping[str, Any]) -> dict[str, Any]:
    lines = raw.get("traceback")
    if not isinstance(lines, list | tuple):
        lines = [] if lines is None else [lines]
    return {
        "output_type": "error",
        "ename": text_of(raw.get("ename")),
        "evalue": text_of(raw.get("evalue")),
        "traceback": [text_of(line) for line in lines],
    }


def _display(kind: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    metadata = raw.get("metadata")
    output: dict[str, Any] = {
        "output_type": kind,
        "data": _bundle(raw.get("data")),
        "metadata": json_of(metadata) if isinstance(metadata, Mapping) else {},
    }
    if kind == "execute_result":
        output["execution_count"] = count_of(raw.get("execution_count"))
    transient = raw.get("transient")
    if isinstance(transient, Mapping) and transient.get("display_id") is not None:
        output["transient"] = {"display_id": text_of(transient["display_id"])}
    return output


def _bundle(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        return {} if raw is None else {"text/plain": text_of(raw)}
    return {text_of(mime): _content(text_of(mime), content) for mime, content in raw.items()}


def _content(mime: str, content: Any) -> Any:
    if is_json_mime(mime):
        return json_of(content)
    if (
        isinstance(content, bytes | bytearray | memoryview)
        and not mime.startswith("text/")
        and "+xml" not in mime
    ):
        return base64.b64encode(bytes(content)).decode("ascii")
    return text_of(content)


def _drop_invalid(metadata: dict[str, Any], key: str, valid: Any) -> None:
    if key in metadata and not valid(metadata[key]):
        del metadata[key]


def _has_texts(value: Any, keys: Iterable[str]) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in keys)


def _is_language_info(value: Any) -> bool:
    if not _has_texts(value, ("name",)) or not isinstance(value.get("codemirror_mode", ""), str | dict):
        return False
    return all(
        isinstance(value.get(key, ""), str) for key in ("file_extension", "mimetype", "pygments_lexer")
    )


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # an object's own repr may fail
        return f"<{type(value).__name__}>"
