"""The contents API for notebooks of runs: read when the runner has written, saved by merging, never "changed on disk".

The manager's own methods are covered; for every other path they are called as they are."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async, run_sync

from cobra_jupyter.run.attach import AttachError
from cobra_jupyter.run.registry import Entry
from cobra_jupyter.server import links
from cobra_jupyter.server.errors import RequestError, refusal_of
from cobra_jupyter.server.kernels import SPEC, Kernels
from cobra_jupyter.server.offline_save import client_of, merged
from cobra_jupyter.server.ownership import RECORD, Owner, Ownership, living_around, living_in
from cobra_jupyter.server.paths import Paths
from cobra_jupyter.server.runner_calls import ask, in_thread

Json = dict[str, Any]
Still = Callable[[], AbstractAsyncContextManager[None]]
Met = Callable[[str], Awaitable[Any]]
LONG = 120.0  # seconds for a runner to merge and write a big notebook
SPEC_METADATA = {"name": SPEC, "display_name": "Cobra (run's kernel)", "language": "python"}
_log = logging.getLogger(__name__)


class RunContents:
    """Covers `get`, `save`, `rename` and `delete` of one contents manager."""

    def __init__(
        self, manager: Any, places: Paths, whose: Ownership, kernels: Kernels, still: Still, met: Met,
        loop: asyncio.AbstractEventLoop,
    ) -> None:  # fmt: skip
        """`still` keeps runs from being looked for, `met` has one noticed; `loop` is the server's, where its managers are at home."""
        self._manager, self._places, self._whose, self._kernels = manager, places, whose, kernels
        self._still, self._met, self._loop = still, met, loop
        self._originals: dict[str, Any] = {}
        self._saving: dict[Path, asyncio.Lock] = {}

    def install(self) -> None:
        """A manager of another kind, without files below the root, has no runs."""
        if not hasattr(self._manager, "root_dir"):
            return
        self._cover("get", self._get, self._notebook)
        self._cover(
            "save", self._save, lambda path: self._notebook(path) or path.rpartition("/")[2] in RECORD
        )
        self._cover("rename", self._rename, lambda old, *_: True)
        self._cover("delete", self._delete, lambda path: True)

    def uninstall(self) -> None:
        for name in self._originals:
            with contextlib.suppress(AttributeError):
                delattr(self._manager, name)
        self._originals.clear()

    def _cover(self, name: str, ours: Callable[..., Awaitable[Any]], concerns: Callable[..., bool]) -> None:
        """A manager that is not asynchronous calls its own methods without awaiting: there, ours are run to their end."""
        original = self._originals[name] = getattr(self._manager, name)
        if inspect.iscoroutinefunction(original):

            async def covered(*args: Any, **kwargs: Any) -> Any:
                work = ours if concerns(*_paths(name, args, kwargs)) else original
                return await work(*args, **kwargs)

            setattr(self._manager, name, covered)
            return
        blocking = run_sync(ours)

        def covered_sync(*args: Any, **kwargs: Any) -> Any:
            return (blocking if concerns(*_paths(name, args, kwargs)) else original)(*args, **kwargs)

        setattr(self._manager, name, covered_sync)

    async def _original(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return await ensure_async(self._originals[name](*args, **kwargs))

    def _notebook(self, path: str) -> bool:
        return path.endswith(".ipynb") and self._whose.maybe(self._os_path(path))

    def _os_path(self, path: str) -> Path:
        """Not checked to lie below the root: what is answered is the original's business."""
        return (self._places.root / path.strip("/")).resolve()

    async def _owner(self, path: str) -> Owner | None:
        return await in_thread(self._whose.of, self._os_path(path))

    # ---- get

    async def _get(
        self, path: str, content: bool = True, type: str | None = None, format: str | None = None,
        require_hash: bool = False,
    ) -> Json:  # fmt: skip
        owner = await self._owner(path) if type in (None, "notebook") else None
        if owner is not None and owner.entry is not None and content and not owner.silent:
            await self._flush(owner)
            await self._session(owner)
        model: Json = await self._original(
            "get", path, content=content, type=type, format=format, require_hash=require_hash
        )
        if owner is None:
            return model
        if require_hash or not content:
            # always the same: the runner writes under open tabs, and what they save is merged. Also unasked, as in the
            # answer to a rename: a tab that has no hash compares times, and asks whether to overwrite
            model["hash"], model["hash_algorithm"] = f"cobra-{owner.run}-{owner.agent}", "cobra"
        if owner.entry is not None and content and self._kernels.has(owner.run, owner.agent):
            model["content"]["metadata"]["kernelspec"] = dict(SPEC_METADATA)
        return model

    async def _flush(self, owner: Owner) -> None:
        assert owner.entry is not None
        with contextlib.suppress(AttachError):  # what is in the file is what there is
            await ask(owner.entry, "flush", LONG, agent=owner.agent)

    async def _session(self, owner: Owner) -> None:
        """The tab is to find the session when it asks, right after this."""
        assert owner.entry is not None
        try:
            status = await ask(owner.entry, "status", 10.0)
        except AttachError:
            return
        work = asyncio.run_coroutine_threadsafe(self._ensure(owner.entry, status), self._loop)
        if asyncio.get_running_loop() is self._loop:  # elsewhere, the loop is waiting for us
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(work)), 15.0)

    async def _ensure(self, entry: Entry, status: Json) -> None:
        await self._met(entry.id)  # else nobody would notice its end
        await self._kernels.ensure(entry, status)

    # ---- save

    async def _save(self, model: Json, path: str = "") -> Json:
        if path.rpartition("/")[2] in RECORD:
            await self._check_record(path)
            return dict(await self._original("save", model, path))
        owner = await self._owner(path)
        body = model.get("content")
        if owner is None or model.get("type") != "notebook" or not isinstance(body, dict):
            return dict(await self._original("save", model, path))
        if owner.entry is None:
            return await self._save_past(model, path, owner)
        notebook, client = {**body, "metadata": _without_ours(body.get("metadata"))}, client_of(body)
        try:
            await ask(owner.entry, "save", LONG, agent=owner.agent, notebook=notebook, client=client)
        except AttachError as error:
            if error.kind not in ("Gone", "Unknown"):
                raise refusal_of(error) from error
            return await self._save_past(model, path, owner)  # the run or this agent has ended by now
        saved: Json = await self._original("get", path, content=False)
        await self._checkpoint(path)
        if hasattr(self._manager, "emit"):
            self._manager.emit(data={"action": "save", "path": path})
        return saved

    async def _save_past(self, model: Json, path: str, owner: Owner) -> Json:
        """The runner is gone: the server merges, with the file as it stands."""
        file = self._os_path(path)
        async with self._saving.setdefault(file, asyncio.Lock()):
            try:
                notebook = await asyncio.to_thread(merged, file, model["content"])
            except ValueError as error:
                raise RequestError(409, f"{path}: the file cannot be merged with: {error}") from error
            return dict(await self._original("save", {**model, "content": notebook}, path))

    async def _checkpoint(self, path: str) -> None:
        """As the original does: one should always exist. A run is not held up for it."""
        with contextlib.suppress(Exception):
            if not await ensure_async(self._manager.checkpoints.list_checkpoints(path)):
                await ensure_async(self._manager.create_checkpoint(path))

    # ---- rename, delete

    async def _rename(self, old_path: str, new_path: str) -> None:
        old, new = self._os_path(old_path), self._os_path(new_path)
        owner = await self._owner(old_path) if self._notebook(old_path) else None
        if not self._notebook(old_path):
            await self._check_inside(old_path, "rename")
        if old.is_dir() and not (self._places.root / old_path.strip("/")).is_symlink():
            await self._rename_folder(old_path, new_path)
            return
        await self._original("rename", old_path, new_path)
        if owner is not None:
            await self._moved(owner, old, new, new_path)

    async def _rename_folder(self, old_path: str, new_path: str) -> None:
        old, new = self._os_path(old_path), self._os_path(new_path)
        living = await asyncio.to_thread(living_in, old)
        moved = await in_thread(self._whose.below, old)
        if living:
            async with self._still():  # who looks between rename and link would take the run for dead
                await self._original("rename", old_path, new_path)
                await asyncio.to_thread(links.leave, old, new, [entry.id for entry in living])
        else:
            await self._original("rename", old_path, new_path)
        inner = {path: path.relative_to(old) for path in moved}
        await asyncio.gather(*(  # each is told, whatever another one answers
            self._moved(owner, path, new / inner[path], f"{new_path.strip('/')}/{inner[path].as_posix()}")
            for path, owner in moved.items()
        ))  # fmt: skip

    async def _moved(self, owner: Owner, old: Path, new: Path, new_path: str) -> None:
        self._whose.moved(old, new, owner)
        if owner.entry is None:
            return
        try:
            await ask(owner.entry, "moved", 30.0, agent=owner.agent, path=str(new))
        except AttachError as error:
            if error.kind in ("Gone", "Unknown"):
                return  # nobody holds it any longer
            raise refusal_of(error) from error
        # between the two, the runner may have written where the notebook was
        if await asyncio.to_thread(old.resolve) != new:  # else a link was left there
            await asyncio.to_thread(old.unlink, True)
        await self._flush(owner)
        work = self._kernels.moved(owner.run, owner.agent, new_path.strip("/"))
        asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _delete(self, path: str) -> None:
        os_path = self._os_path(path)
        owner = await self._owner(path) if self._notebook(path) else None
        held = [owner.entry] if owner is not None and owner.entry is not None else []
        if not held and os_path.is_dir():
            held = await asyncio.to_thread(living_in, os_path)
        if held:
            raise _needed(path, held[0], "delete")
        if os_path.is_dir():
            await self._check_below(path, os_path)
        await self._check_inside(path, "delete")
        await self._original("delete", path)

    async def _check_inside(self, path: str, what: str) -> None:
        """Raises Refusal for what lies in the folder of a run that lives: its record, its code, its trials, what it
        writes. A link there is looked at as what it is and as what it leads to."""
        given = self._places.root / path.strip("/")
        for place in {given.parent.resolve() / given.name, self._os_path(path)}:
            if held := await asyncio.to_thread(living_around, place):
                raise _needed(path, held[0], what)

    async def _check_below(self, path: str, folder: Path) -> None:
        """Raises Refusal for a folder that the notebook of a run that lives was moved to."""
        for notebook, owner in (await in_thread(self._whose.below, folder)).items():
            if owner.entry is not None:
                raise RequestError(
                    409,
                    f"{path} holds {notebook.name} of a run that is going on ({owner.folder.name}): move it elsewhere "
                    "or stop the run first, then delete",
                )

    async def _check_record(self, path: str) -> None:
        """Raises Refusal for the record of a run that lives: its runner alone writes it."""
        place = self._os_path(path)
        held = await asyncio.to_thread(living_around, place)
        if held and place.parent == held[0].run.resolve():
            raise _needed(path, held[0], "save")


def _needed(path: str, entry: Entry, what: str) -> RequestError:
    return RequestError(
        409, f"{path} belongs to a run that is going on ({entry.run.name}): stop it first, then {what}"
    )


def _paths(name: str, args: tuple[Any, ...], kwargs: Json) -> tuple[str, ...]:
    """The path that a call is about; `save` has it second."""
    if name == "save":
        return (str(args[1] if len(args) > 1 else kwargs.get("path", "")),)
    key = "old_path" if name == "rename" else "path"
    return (str(args[0] if args else kwargs.get(key, "")),)


def _without_ours(metadata: Any) -> Json:
    """The kernelspec that `get` put over that of the file is not to be written."""
    found = dict(metadata) if isinstance(metadata, dict) else {}
    spec = found.get("kernelspec")
    if isinstance(spec, dict) and spec.get("name") == SPEC:
        del found["kernelspec"]
    return found
