"""REST, as docs/live.md and openapi.yaml have it."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from cobra_jupyter.agent import budget
from cobra_jupyter.brains import kinds
from cobra_jupyter.records import states
from cobra_jupyter.run import control, folders, registry
from cobra_jupyter.server import brains, competitions, export, stored_runs
from cobra_jupyter.server.channel import RESOURCE, ChannelHandler
from cobra_jupyter.server.errors import RequestError
from cobra_jupyter.server.paths import Paths
from cobra_jupyter.server.request_body import Body

Json = dict[str, Any]
LONGEST = 1 << 20  # bytes of a request
STOPPING = 30.0  # seconds: a runner answers these when they are done


class CobraHandler(ExtensionHandlerMixin, APIHandler):
    auth_resource = RESOURCE

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if len(self.request.body) > LONGEST:
            raise RequestError(
                413, f"a request of {len(self.request.body):,} bytes; at most {LONGEST:,} are taken"
            )

    @property
    def cobra(self) -> Any:
        return self.settings["cobra"]

    def body(self) -> Body:
        """What was sent, a JSON object or nothing. Raises Refusal."""
        return Body.read(self.request.body)

    def answer(self, found: Json, status: int = 200) -> None:
        self.set_status(status)
        self.finish(json.dumps(found))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None))[1]
        message = getattr(error, "message", None) or getattr(error, "log_message", None)
        reason = HTTPStatus(status_code).phrase
        if message is None and status_code >= 500:
            message = "this is a defect of ours; the server's log says where"
        self.finish(json.dumps({"message": message or reason, "reason": reason}))


class CompetitionsHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer({"competitions": await asyncio.to_thread(competitions.find, self.cobra.places)})


class BrainsHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer(await asyncio.to_thread(brains.describe))


class RunsHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer({"runs": await self.cobra.catalogue.all()})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body()
        competition = await asyncio.to_thread(self.cobra.places.competition, body.text("folder"))
        self.cobra.places.check_apart(competition)
        options = [
            "--brain", body.one_of("brain", kinds.names(in_lab=True), kinds.AUTO), "--budget", _budget(body) or "10m",
            "--approval", body.one_of("approval", states.APPROVALS, "none"),
        ]  # fmt: skip
        if (most := body.number("max_cost")) is not None:
            options += ["--max-cost", f"{most:g}"]
        if (seed := body.whole("seed", 2**31)) is not None:
            options += ["--seed", str(seed)]
        body.finish()
        folder = self.cobra.starting.new_folder(self.cobra.places.new_runs, competition)
        await self.cobra.starting.run(competition, folder, options)
        self.answer(await self.cobra.status_at(folder), 201)


class RunHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def get(self, run: str) -> None:
        self.answer(await self.cobra.catalogue.status(run))


class ActionHandler(CobraHandler):
    """What a runner does without being told more."""

    action = ""

    @web.authenticated
    @authorized
    async def post(self, run: str) -> None:
        self.body().finish()
        await self.act(run)

    async def act(self, run: str, **args: Any) -> None:
        """Ask the runner, answer with the status."""
        await self.cobra.catalogue.check_alive(run)
        status = await self.cobra.living.call(run, self.action, STOPPING, **args)
        self.answer(self.cobra.places.status(status, await self.cobra.catalogue.folder(run), run))


def _action(name: str) -> type[ActionHandler]:
    return type(f"{name.title().replace('_', '')}Handler", (ActionHandler,), {"action": name})


class ResumeHandler(ActionHandler):
    """Of a run that is paused, or of one whose runner is gone."""

    action = "resume"

    @web.authenticated
    @authorized
    async def post(self, run: str) -> None:
        body = self.body()
        given, more = _budget(body), _budget(body, "more")
        body.finish()
        if given and more:
            raise RequestError(
                400, '"budget" is the whole of it, "more" comes on top of what was used: give one'
            )
        if await self.cobra.living.entry(run) is None:
            await self._again(run, given, more)
        elif given or more:
            raise RequestError(409, "the run lives: its budget can be changed only when it is over")
        else:
            await self.act(run)

    async def _again(self, run: str, given: str | None, more: str | None) -> None:
        folder = await self.cobra.catalogue.folder(run)
        if more:
            given = await asyncio.to_thread(_whole, folder, more)
        await asyncio.to_thread(_check_resumable, folder, given, self.cobra.places)
        await asyncio.to_thread(registry.settle, folder, run)
        await self.cobra.starting.resume(folder, ["--budget", given] if given else [])
        self.answer(await self.cobra.status_at(folder))


class MessageHandler(ActionHandler):
    action = "message"

    @web.authenticated
    @authorized
    async def post(self, run: str) -> None:
        body = self.body()
        text = body.text("text", control.LONGEST)
        body.finish()
        await self.act(run, text=text)


class ApproveHandler(ActionHandler):
    action = "approve"

    @web.authenticated
    @authorized
    async def post(self, run: str) -> None:
        body = self.body()
        yes, why = body.yes("yes"), body.text("why", control.LONGEST, optional=True)
        cell = body.text("cell", 100, optional=True)
        body.finish()
        await self.act(run, yes=yes, **({"why": why} if why else {}), **({"cell": cell} if cell else {}))


class ExportHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def post(self, run: str) -> None:
        body = self.body()
        to = body.one_of("to", export.FORMATS, "html")
        body.finish()
        written = await export.export(await self.cobra.notebook_of(run), to)
        self.answer({"path": self.cobra.places.shown(written)})


def _budget(body: Body, name: str = "budget") -> str | None:
    """A duration, as `cobra run` takes it. Raises Refusal."""
    given = body.text(name, 100, optional=True)
    if given:
        try:
            budget.parse(given)
        except budget.BudgetError as error:
            raise RequestError(400, str(error).replace("--budget", name, 1)) from error
    return given


def _whole(folder: Path, more: str) -> str:
    """The budget of a run that is to go on for `more` from here. Its record is asked: run.json says how old it was as its
    state last changed."""
    recorded = stored_runs.read(folder)
    return f"{recorded.standing.age(recorded.at) + budget.parse(more):.0f}s"


def _check_resumable(folder: Path, given: str | None, places: Paths) -> None:
    """Its competition too: a record can name any folder."""
    try:
        options = folders.options_of(folders.load(str(folder)), budget.parse(given) if given else None)
    except (folders.RunError, budget.BudgetError) as error:
        raise RequestError(409, str(error)) from error
    places.competition(str(options.folder))


class NoHandler(CobraHandler):
    """What is not described is not there; said in JSON, and only to those who may ask."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        raise RequestError(404, f"there is nothing at {self.request.path}")

    @web.authenticated
    @authorized
    async def post(self) -> None:
        raise RequestError(404, f"there is nothing at {self.request.path}")


_RUN = r"/cobra/runs/([0-9a-f]{12})"
ACTIONS = ("pause", "step", "interrupt", "stop", "take_over", "hand_back")
HANDLERS: list[tuple[str, type]] = [
    (r"/cobra/competitions", CompetitionsHandler),
    (r"/cobra/brains", BrainsHandler),
    (r"/cobra/runs", RunsHandler),
    (_RUN, RunHandler),
    *((f"{_RUN}/{name.replace('_', '-')}", _action(name)) for name in ACTIONS),
    (f"{_RUN}/resume", ResumeHandler),
    (f"{_RUN}/message", MessageHandler),
    (f"{_RUN}/approve", ApproveHandler),
    (f"{_RUN}/export", ExportHandler),
    (f"{_RUN}/channel", ChannelHandler),
    (r"/cobra(?:/.*)?", NoHandler),
]
