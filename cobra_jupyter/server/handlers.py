"""REST handlers, described in docs/live.md and openapi.yaml."""

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
MAX_BODY = 1 << 20  # bytes
ACTION_TIMEOUT = 30.0  # seconds; a runner answers only when the action is done


class CobraHandler(ExtensionHandlerMixin, APIHandler):
    auth_resource = RESOURCE

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if len(self.request.body) > MAX_BODY:
            raise RequestError(
                413, f"the request has {len(self.request.body):,} bytes; at most {MAX_BODY:,} are accepted"
            )

    @property
    def extension(self) -> Any:
        return self.settings["cobra"]

    def body(self) -> Body:
        """Returns the request's body, a JSON object or nothing. Raises RequestError."""
        return Body.read(self.request.body)

    def answer(self, found: Json, status: int = 200) -> None:
        self.set_status(status)
        self.finish(json.dumps(found))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None))[1]
        message = getattr(error, "message", None) or getattr(error, "log_message", None)
        reason = HTTPStatus(status_code).phrase
        if message is None and status_code >= 500:
            message = "this is a defect in Cobra; the server's log has the details"
        self.finish(json.dumps({"message": message or reason, "reason": reason}))


class CompetitionsHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer({"competitions": await asyncio.to_thread(competitions.find, self.extension.paths)})


class BrainsHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer(await asyncio.to_thread(brains.describe))


class RunsHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer({"runs": await self.extension.catalogue.all()})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body()
        competition = await asyncio.to_thread(self.extension.paths.competition, body.text("folder"))
        self.extension.paths.check_apart(competition)
        options = ["--brain", body.one_of("brain", kinds.names(in_lab=True), kinds.AUTO)]
        options += ["--budget", _budget(body) or "10m"]
        options += ["--approval", body.one_of("approval", states.APPROVALS, "none")]
        if (max_cost := body.number("max_cost")) is not None:
            options += ["--max-cost", f"{max_cost:g}"]
        if (seed := body.integer("seed", 2**31)) is not None:
            options += ["--seed", str(seed)]
        body.finish()
        folder = self.extension.launcher.new_folder(self.extension.paths.new_runs, competition)
        await self.extension.launcher.run(competition, folder, options)
        self.answer(await self.extension.status_at(folder), 201)


class RunHandler(CobraHandler):
    @web.authenticated
    @authorized
    async def get(self, run: str) -> None:
        self.answer(await self.extension.catalogue.status(run))


class ActionHandler(CobraHandler):
    """An action of the runner that needs no arguments."""

    action = ""

    @web.authenticated
    @authorized
    async def post(self, run: str) -> None:
        self.body().finish()
        await self.act(run)

    async def act(self, run: str, **args: Any) -> None:
        """Calls the runner and answers with the status."""
        await self.extension.catalogue.check_live(run)
        status = await self.extension.live_runs.call(run, self.action, ACTION_TIMEOUT, **args)
        self.answer(self.extension.paths.status(status, await self.extension.catalogue.folder(run), run))


def _action(name: str) -> type[ActionHandler]:
    return type(f"{name.title().replace('_', '')}Handler", (ActionHandler,), {"action": name})


class ResumeHandler(ActionHandler):
    """Continues a paused run, or starts a new runner if the run has none."""

    action = "resume"

    @web.authenticated
    @authorized
    async def post(self, run: str) -> None:
        body = self.body()
        total, more = _budget(body), _budget(body, "more")
        body.finish()
        if total and more:
            raise RequestError(
                400, '"budget" is the total, "more" is added to the time already used: give one of them'
            )
        if await self.extension.live_runs.entry(run) is None:
            await self._restart(run, total, more)
        elif total or more:
            raise RequestError(
                409, "the run is still running: its budget can be changed only after it has ended"
            )
        else:
            await self.act(run)

    async def _restart(self, run: str, total: str | None, more: str | None) -> None:
        folder = await self.extension.catalogue.folder(run)
        if more:
            total = await asyncio.to_thread(_extended_budget, folder, more)
        await asyncio.to_thread(_check_resumable, folder, total, self.extension.paths)
        await asyncio.to_thread(registry.settle, folder, run)
        await self.extension.launcher.resume(folder, ["--budget", total] if total else [])
        self.answer(await self.extension.status_at(folder))


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
        yes, why = body.boolean("yes"), body.text("why", control.LONGEST, optional=True)
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
        written = await export.export(await self.extension.notebook_of(run), to)
        self.answer({"path": self.extension.paths.shown(written)})


def _budget(body: Body, name: str = "budget") -> str | None:
    """Reads a duration in the notation of `cobra run`. Raises RequestError."""
    duration = body.text(name, 100, optional=True)
    if duration:
        try:
            budget.parse(duration)
        except budget.BudgetError as error:
            raise RequestError(400, str(error).replace("--budget", name, 1)) from error
    return duration


def _extended_budget(folder: Path, more: str) -> str:
    """Returns the total budget of a run that continues for `more`.

    Uses the record: run.json holds only the age at the last change of state."""
    recorded = stored_runs.read(folder)
    return f"{recorded.status.age(recorded.at) + budget.parse(more):.0f}s"


def _check_resumable(folder: Path, total: str | None, paths: Paths) -> None:
    """Checks the competition's folder too, because a record can name any folder."""
    try:
        options = folders.options_of(folders.load(str(folder)), budget.parse(total) if total else None)
    except (folders.RunError, budget.BudgetError) as error:
        raise RequestError(409, str(error)) from error
    paths.competition(str(options.folder))


class NotFoundHandler(CobraHandler):
    """Answers 404 in JSON for all other paths, after the check of the token."""

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
    (r"/cobra(?:/.*)?", NotFoundHandler),
]
