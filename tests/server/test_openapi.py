"""The OpenAPI description has every route and verb and nothing else, and the answers match it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import cobra_jupyter.server
from cobra_jupyter.server.handlers import HANDLERS, CobraHandler, NotFoundHandler
from tests.fakes.runner import FakeRunner, write_run
from tests.server.conftest import RUN, Ask

API: dict[str, Any] = yaml.safe_load(
    (Path(cobra_jupyter.server.__file__).parent / "openapi.yaml").read_text()
)
VERBS = ("get", "post", "put", "patch", "delete", "head")


def _described() -> set[tuple[str, str]]:
    return {(path, verb) for path, item in API["paths"].items() for verb in item if verb in VERBS}


def _implemented() -> set[tuple[str, str]]:
    """The verbs that our handlers implement. Those of tornado, such as `head`, answer 405."""
    return {
        (pattern.replace("([0-9a-f]{12})", "{run}"), verb)
        for pattern, handler in HANDLERS
        if handler is not NotFoundHandler
        for verb in VERBS
        if any(verb in vars(kind) for kind in handler.__mro__ if kind.__module__.startswith("cobra_jupyter"))
    }


def test_every_route_and_verb_is_described_and_nothing_else() -> None:
    assert _described() == _implemented()


def test_every_verb_checks_authentication_and_authorization() -> None:
    for _, handler in HANDLERS:
        assert handler.auth_resource == "cobra"
        for kind in handler.__mro__:
            if issubclass(kind, CobraHandler):
                for verb in VERBS:
                    if verb in vars(kind):
                        assert vars(kind)[verb].__wrapped__.__wrapped__, f"{kind.__name__}.{verb}"


def _check(path: str, verb: str, code: int, answer: Any) -> None:
    responses = API["paths"][path][verb]["responses"]
    found = responses.get(str(code), responses["default"])
    if "$ref" in found:
        found = API["components"]["responses"][found["$ref"].rpartition("/")[2]]
    schema = {**found["content"]["application/json"]["schema"], "components": API["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)


PLAIN_ACTIONS = ("pause", "resume", "step", "interrupt", "hand-back", "take-over", "stop")
REQUESTS: list[tuple[str, str, Any]] = [
    ("/cobra/competitions", "get", None),
    ("/cobra/brains", "get", None),
    ("/cobra/runs", "get", None),
    ("/cobra/runs", "post", {"folder": "nowhere"}),
    ("/cobra/runs/{run}", "get", None),
    *((f"/cobra/runs/{{run}}/{name}", "post", {}) for name in PLAIN_ACTIONS),
    ("/cobra/runs/{run}/message", "post", {"text": "hi"}),
    ("/cobra/runs/{run}/approve", "post", {"yes": True}),
    ("/cobra/runs/{run}/export", "post", {"to": "py"}),
]


@pytest.mark.parametrize("run", ["live", "ended", "unknown"])
async def test_answers_are_as_described(run: str, ask: Ask, run_folder: Path) -> None:
    async def all_requests() -> None:
        for path, verb, body in REQUESTS:
            found = await ask(verb.upper(), path.strip("/").replace("{run}", RUN), body)
            assert found.code < 500, f"{verb} {path}: {found.message}"
            _check(path, verb, found.code, found.data)

    if run == "live":
        async with FakeRunner(run_folder):
            await all_requests()
    else:
        if run == "ended":
            write_run(run_folder, state="finished")
        await all_requests()


async def test_the_status_of_a_run_with_a_hanging_runner_is_as_described(ask: Ask, run_folder: Path) -> None:
    runner = FakeRunner(run_folder)
    runner.silent = asyncio.Event()
    async with runner:
        found = await ask("GET", f"cobra/runs/{RUN}")
        assert found.code == 200
        _check("/cobra/runs/{run}", "get", found.code, found.data)
