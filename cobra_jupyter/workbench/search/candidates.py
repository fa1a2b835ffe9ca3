"""Candidates: self-contained modules in versioned files. The harness parses them but never runs them."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cobra_jupyter.workbench import results, syntax
from cobra_jupyter.workbench.kind import as_record

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_BEFORE_FACTORS = (
    "Define `fit(train, ctx)` and `predict(model, rows, ctx)` at the top level of the cell, "
    "or `fit_predict(train, rows, ctx)` if the model is cheap."
)


class CandidateError(ValueError):
    """A candidate cell is invalid; the message says what to change."""


@dataclass(frozen=True)
class Candidate:
    """One version of a candidate. `factors` maps each factor to its levels; the first is the default."""

    name: str
    version: int
    path: str
    digest: str
    factors: dict[str, list[Any]]
    notes: dict[str, str]
    functions: tuple[str, ...]
    decode: dict[str, list[Any]]
    summary: str

    @property
    def key(self) -> str:
        return f"{self.name}_v{self.version}"

    def config(self, chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a full config: the defaults of all factors, overridden by `chosen`.

        Raises CandidateError for an unknown factor, and for a level of another type than the known ones."""
        self._known(chosen or {})
        for factor, level in (chosen or {}).items():
            types = {_type_of(known) for known in self.factors[factor]}
            if "none" not in types and _type_of(level) not in types:
                raise CandidateError(
                    f"{factor}={level!r}: no level of {self.key}; its levels are like "
                    f"{', '.join(map(repr, self.factors[factor]))}"
                )
        return {**{factor: levels[0] for factor, levels in self.factors.items()}, **dict(chosen or {})}

    def levels(self, request: Mapping[str, list[Any]] | list[str] | None) -> dict[str, list[Any]]:
        """Return the factors to test: all, some by name, or some with given levels."""
        if request is None:
            chosen = dict(self.factors)
        elif isinstance(request, Mapping):
            chosen = {factor: list(levels) for factor, levels in request.items()}
        else:
            chosen = {factor: self.factors.get(factor, []) for factor in request}
        self._known(chosen)
        return chosen

    def _known(self, factors: Iterable[str]) -> None:
        """Raises CandidateError if a factor is unknown."""
        if strange := [str(factor) for factor in factors if factor not in self.factors]:
            raise CandidateError(
                f"{', '.join(strange)}: not a factor of {self.key}; "
                f"its factors are {', '.join(self.factors) or 'none'}"
            )

    def record(self) -> results.SavedCandidate:
        return as_record(results.SavedCandidate, self)


def _type_of(level: Any) -> str:
    if isinstance(level, bool) or level is None:
        return "none" if level is None else "bool"
    return "number" if isinstance(level, int | float) else type(level).__name__


def parse(name: str, source: str) -> dict[str, Any]:
    """Parse a candidate's source. Raises CandidateError with the line."""
    if not _NAME.fullmatch(name):
        raise CandidateError(
            f"{name!r} is no name for a candidate: lower-case letters, digits and _, starting with a letter"
        )
    tree = syntax.parse(name, source, CandidateError)
    functions = tuple(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    if "fit_predict" not in functions and not {"fit", "predict"} <= set(functions):
        raise CandidateError(f"{name} defines {', '.join(functions) or 'no function'}. {_BEFORE_FACTORS}")
    factors = _literal(tree, name, "FACTORS")
    for factor, levels in factors.items():
        if not isinstance(levels, list) or not levels:
            raise CandidateError(
                f"{name}: FACTORS[{factor!r}] must be a list of levels, the first being the default"
            )
    decode = _literal(tree, name, "DECODE")
    if decode and "decode" not in functions:
        raise CandidateError(f"{name} has DECODE settings and no decode(raw, rows, params)")
    notes = {str(k): str(v) for k, v in _literal(tree, name, "NOTES").items()}
    summary = (ast.get_docstring(tree) or "").strip().split("\n")[0]
    return {"factors": factors, "notes": notes, "functions": functions, "decode": decode, "summary": summary}


def _literal(tree: ast.Module, name: str, variable: str) -> dict[str, Any]:
    """Return the value of a top-level `VARIABLE = {…}`, a literal; {} if absent."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == variable for t in node.targets
        ):
            try:
                value = ast.literal_eval(node.value)
                json.dumps(value, allow_nan=False)
            except (ValueError, TypeError) as error:
                raise CandidateError(
                    f"{name}: {variable} must be a literal of JSON values: {error}"
                ) from error
            if not isinstance(value, dict):
                raise CandidateError(f"{name}: {variable} must be a dictionary")
            return value
    return {}


class Candidates:
    """All versions of a run's candidates, in `code/<name>_vN.py`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions: dict[str, list[Candidate]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, source: str) -> tuple[Candidate, bool]:
        """Save a cell as the next version, if its text is new. Returns the version and whether it is new."""
        facts = parse(name, source)
        digest = hashlib.sha256(source.encode()).hexdigest()
        with self._lock:  # several agents may write at once
            versions = self._versions.setdefault(name, [])
            for known in versions:
                if known.digest == digest:
                    return known, False
            version = len(versions) + 1
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{name}_v{version}.py"
            path.write_text(source, encoding="utf-8")
            candidate = Candidate(name, version, str(path), digest, **facts)
            versions.append(candidate)
            return candidate, True

    def get(self, name: str) -> Candidate:
        """Return the newest version of `name`, or version N for `name_vN`. Raises CandidateError."""
        with self._lock:
            known = {name: versions[-1] for name, versions in self._versions.items() if versions}
            every = {each.key: each for versions in self._versions.values() for each in versions}
        if found := known.get(name) or every.get(name):
            return found
        there = ", ".join(each.key for each in known.values()) or "none yet: write a %%candidate cell"
        raise CandidateError(f"there is no candidate {name!r}; there are: {there}")

    def source(self, candidate: Candidate) -> str:
        return Path(candidate.path).read_text(encoding="utf-8")
