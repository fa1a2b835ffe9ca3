"""What records and results do against the schemas that other programs rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from cobra_jupyter.records import schema

SCHEMAS = [
    json.loads(path.read_text(encoding="utf-8")) for path in (schema.RESULTS_FILE, schema.RECORDS_FILE)
]
REGISTRY: Registry[Any] = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in SCHEMAS])


def errors(name: str, kind: str | None, value: Any) -> list[str]:
    """What a value does against a schema, or against one definition in it."""
    where = {"$ref": f"{name}#/$defs/{kind}" if kind else name}
    found = Draft202012Validator(where, registry=REGISTRY).iter_errors(value)
    return [f"{kind} {error.json_path}: {error.message[:300]}" for error in found]


def errors_of_ledger(path: Path) -> list[str]:
    """What the lines of a record do against their schema."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [
        f"line {line['seq']}, {line['kind']}: {e}"
        for line in lines
        for e in errors("records.json", None, line)
    ]
