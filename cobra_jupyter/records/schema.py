"""The JSON Schemas, generated from the types: `python -m cobra_jupyter.records.schema` updates the files."""

from __future__ import annotations

import inspect
import json
import types
from pathlib import Path
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import cobra_jupyter
from cobra_jupyter.records import kinds
from cobra_jupyter.workbench import results, turns
from cobra_jupyter.workbench.kind import Kind, Limit
from cobra_jupyter.workbench.results import audit, choice, competition, effects, session, trials

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PACKAGE = Path(cobra_jupyter.__file__).parent
RESULTS_FILE = PACKAGE / "workbench" / "schemas" / "results.json"
RECORDS_FILE = PACKAGE / "records" / "schemas" / "records.json"
RESULTS = (competition, trials, effects, choice, audit, session)
RECORDED = (  # the kinds of results that the harness writes into the record
    results.CARD, results.PROTOCOL, results.METRIC, results.CANDIDATE, results.SHARED, results.TRIAL,
    results.FIT, results.DISCARD, results.PROBE, results.ABLATION, results.IDEA, results.BLEND,
    results.SELECTION, results.SUBMISSION, results.PLACEHOLDER, results.AUDIT, results.JOB, results.BRIEF,
)  # fmt: skip
KEYWORDS = {"above": "exclusiveMinimum", "longest": "maxLength", "one_of": "enum"}
NAMES: dict[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object"}
WIDTH = 110  # characters of a line
Schema = dict[str, Any]


def results_schema() -> Schema:
    """One definition per kind of result."""
    return {
        "$schema": DRAFT,
        "$id": "results.json",
        "title": "Results of the workbench",
        "description": "One definition per kind of result. A result is shown as "
        "application/vnd.cobra.<kind>+json, and those of kinds that are recorded stand in the ledger.",
        "$defs": {kind: of(data) for module in RESULTS for kind, data in types_of(module).items()},
    }


def records_schema() -> Schema:
    """A line of the record, and one definition per kind for its data."""
    own = {kind: of(data) for kind, data in (types_of(kinds) | types_of(turns)).items()}
    definitions = own | {kind: {"$ref": f"results.json#/$defs/{kind}"} for kind in RECORDED}
    sha256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    return {
        "$schema": DRAFT,
        "$id": "records.json",
        "title": "A line of ledger.jsonl",
        "description": "The line itself, and one definition per kind of record for its data. `hash` is "
        "SHA-256 over the previous hash and the line without its own.",
        "type": "object",
        "properties": {
            "seq": {"type": "integer", "minimum": 0},
            "time": {"type": "number", "minimum": 0},
            "kind": {"enum": list(definitions)},
            "data": {"type": "object"},
            "prev": sha256,
            "hash": sha256,
        },
        "required": ["seq", "time", "kind", "data", "prev", "hash"],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}},
                "then": {"properties": {"data": {"$ref": f"#/$defs/{kind}"}}},
            }
            for kind in definitions
        ],
        "$defs": definitions,
    }


def types_of(module: types.ModuleType) -> dict[str, Any]:
    """The type of each kind that a module defines, in its order."""
    hints = get_type_hints(module)
    return {
        str(kind): get_args(hints[name])[0] for name, kind in vars(module).items() if isinstance(kind, Kind)
    }


def of(annotation: Any) -> Schema:
    """The schema of an annotation's type."""
    if get_origin(annotation) is NotRequired:
        return of(get_args(annotation)[0])
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        return _noted(of(inner), notes)
    if is_typeddict(annotation):
        return _object(annotation)
    if annotation is Any:
        return {}
    if get_origin(annotation) in (Union, types.UnionType):
        return _union(list(get_args(annotation)))
    arguments = get_args(annotation)
    if get_origin(annotation) is list:
        return {"type": "array", "items": of(arguments[0])}
    if get_origin(annotation) is dict:
        values = of(arguments[1])
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    return {"type": NAMES[annotation]}


def _noted(schema: Schema, notes: list[Any]) -> Schema:
    """Add an annotation's notes to a schema: texts as descriptions, limits as keywords."""
    for note in notes:
        if isinstance(note, str):
            schema = {"description": note, **{k: v for k, v in schema.items() if k != "description"}}
        elif isinstance(note, Limit):
            given = {KEYWORDS.get(k, k): v for k, v in vars(note).items() if v not in (None, ())}
            schema = {**schema, **{k: list(v) if k == "enum" else v for k, v in given.items()}}
    return schema


def _object(annotation: Any) -> Schema:
    """A TypedDict: its keys and no others."""
    hints = get_type_hints(annotation, include_extras=True)
    missing = {name for name, hint in hints.items() if get_origin(hint) is NotRequired}
    required = [name for name in hints if name not in missing] if annotation.__total__ else []
    described = inspect.cleandoc(annotation.__doc__ or "").replace("\n", " ")
    return {
        "description": described,
        "type": "object",
        "properties": {name: of(hint) for name, hint in hints.items()},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _union(options: list[Any]) -> Schema:
    """A type or null, or one of several types."""
    kept = [of(each) for each in options if each is not type(None)]
    nullable = type(None) in options
    if nullable and len(kept) == 1 and "type" in kept[0]:
        schema = kept[0]
        values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return {**schema, "type": [schema["type"], "null"], **values}
    return {"anyOf": [*kept, *([{"type": "null"}] if nullable else [])]}


def text(value: Any, indent: str = "") -> str:
    """Readable JSON: values that fit are on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    deeper, (opening, closing) = f"{indent}  ", "{}" if isinstance(value, dict) else "[]"
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {text(each, deeper)}" for key, each in value.items()
        ]
    else:
        parts = [text(each, deeper) for each in value]
    inside = ",\n".join(f"{deeper}{part}" for part in parts)
    return f"{opening}\n{inside}\n{indent}{closing}"


def main() -> None:
    for path, schema in ((RESULTS_FILE, results_schema()), (RECORDS_FILE, records_schema())):
        path.write_text(f"{text(schema)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
