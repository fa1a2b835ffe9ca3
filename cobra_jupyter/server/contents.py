"""Adapts the contents API to notebooks of runs: flushes before reading, merges on saving, never "changed on
disk".

Wraps the methods of the contents manager; for all other paths it calls the originals."""

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
from cobra_jupyter.server.errors import RequestError, request_error
from cobra_jupyter.server.kernels import SPEC, Kernels
from cobra_jupyter.server.offline_save import client_of, merged
from cobra_jupyter.server.ownership import RECORD, Owner, Ownership, live_runs_below, live_runs_containing
from cobra_jupyter.server.paths import Paths
from cobra_jupyter.server.runner_calls import ask, in_thread

Json = dict[str, Any]
PauseLooking = Callable[[], AbstractAsyncContextManager[None]]
Notice = Callable[[str], Awaitable[Any]]
WRITE_TIMEOUT = 120.0  # seconds for a runner to merge and write a big notebook
SPEC_METADATA = {"name": SPEC, "display_name": "Cobra (run's kernel)", "language": "python"}
_log = logging.getLogger(__name__)


class RunContents:
    """Wraps `get`, `save`, `rename` and `delete` of a contents manager."""

    def __init__(
        self,
        manager: Any,
        paths: Paths,
        *,
        ownership: Ownership,
        kernels: Kernels,
        pause_looking: PauseLooking,
        notice: Notice,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`pause_looking` pauses the search for live runs, `notice` makes it see a run."""
        self._manager, self._paths, self._ownership, self._kernels = manager, paths, ownership, kernels
        self._pause_looking, self._notice, self._loop = pause_looking, notice, loop
        self._originals: dict[str, Any] = {}
        self._saving: dict[Path, asyncio.Lock] = {}

    def install(self) -> None:
        """Wraps the methods, unless the manager keeps its files elsewhere and so has no runs."""
        if not hasattr(self._manager, "root_dir"):
            return
        self._wrap("get", self._get, self._notebook)
        self._wrap("save", self._save, lambda path: self._notebook(path) or path.rpartition("/")[2] in RECORD)
        self._wrap("rename", self._rename, lambda old, *_: True)
        self._wrap("delete", self._delete, lambda path: True)

    def uninstall(self) -> None:
        for name in self._originals:
            with contextlib.suppress(AttributeError):
                delattr(self._manager, name)
        self._originals.clear()

    def _wrap(self, name: str, ours: Callable[..., Awaitable[Any]], concerns: Callable[..., bool]) -> None:
        """A synchronous manager does not await its own methods, so there `ours` runs to completion."""
        original = self._originals[name] = getattr(self._manager, name)
        if inspect.iscoroutinefunction(original):

            async def wrapped(*args: Any, **kwargs: Any) -> Any:
                work = ours if concerns(*_call_paths(name, args, kwargs)) else original
                return await work(*args, **kwargs)

            setattr(self._manager, name, wrapped)
            return
        blocking = run_sync(ours)

        def wrapped_sync(*args: Any, **kwargs: Any) -> Any:
            return (blocking if concerns(*_call_paths(name, args, kwargs)) else original)(*args, **kwargs)

        setattr(self._manager, name, wrapped_sync)

    async def _original(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return await ensure_async(self._originals[name](*args, **kwargs))

    def _notebook(self, path: str) -> bool:
        return path.endswith(".ipynb") and self._ownership.may_own(self._os_path(path))

    def _os_path(self, path: str) -> Path:
        """Does not check that the path is below the root; the original method does."""
        return (self._paths.root / path.strip("/")).resolve()

    async def _owner(self, path: str) -> Owner | None:
        return await in_thread(self._ownership.owner_of, self._os_path(path))

    # ---- get

    async def _get(
        self,
        path: str,
        content: bool = True,
        type: str | None = None,
        format: str | None = None,
        require_hash: bool = False,
    ) -> Json:
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
            # Always the same hash: the runner writes while tabs are open, and their saves are merged. Also
            # without
            # `require_hash`, as after a rename: a tab without a hash compares times and asks whether to
            # overwrite.
            model["hash"], model["hash_algorithm"] = f"cobra-{owner.run}-{owner.agent}", "cobra"
        if owner.entry is not None and content and self._kernels.has(owner.run, owner.agent):
            model["content"]["metadata"]["kernelspec"] = dict(SPEC_METADATA)
        return model

    async def _flush(self, owner: Owner) -> None:
        assert owner.entry is not None
        with contextlib.suppress(AttachError):  # then the file stays as the runner wrote it last
            await ask(owner.entry, "flush", WRITE_TIMEOUT, agent=owner.agent)

    async def _session(self, owner: Owner) -> None:
        """Makes the session now, because the tab asks for it right after this."""
        assert owner.entry is not None
        try:
            status = await ask(owner.entry, "status", 10.0)
        except AttachError:
            return
        work = asyncio.run_coroutine_threadsafe(self._ensure(owner.entry, status), self._loop)
        if asyncio.get_running_loop() is self._loop:  # another loop would wait for us while we wait for it
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(work)), 15.0)

    async def _ensure(self, entry: Entry, status: Json) -> None:
        await self._notice(entry.id)  # otherwise nobody notices when it ends
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
            return await self._save_without_runner(model, path, owner)
        notebook, client = (
            {**body, "metadata": _without_our_kernelspec(body.get("metadata"))},
            client_of(body),
        )
        try:
            await ask(owner.entry, "save", WRITE_TIMEOUT, agent=owner.agent, notebook=notebook, client=client)
        except AttachError as error:
            if error.kind not in ("Gone", "Unknown"):
                raise request_error(error) from error
            return await self._save_without_runner(model, path, owner)  # the run or the agent has just ended
        saved: Json = await self._original("get", path, content=False)
        await self._checkpoint(path)
        if hasattr(self._manager, "emit"):
            self._manager.emit(data={"action": "save", "path": path})
        return saved

    async def _save_without_runner(self, model: Json, path: str, owner: Owner) -> Json:
        """Merges the notebook with the file on disk."""
        file = self._os_path(path)
        async with self._saving.setdefault(file, asyncio.Lock()):
            try:
                notebook = await asyncio.to_thread(merged, file, model["content"])
            except ValueError as error:
                raise RequestError(
                    409, f"{path}: the notebook cannot be merged with the file: {error}"
                ) from error
            return dict(await self._original("save", {**model, "content": notebook}, path))

    async def _checkpoint(self, path: str) -> None:
        """Makes a checkpoint if there is none, as the original does. A failure does not stop the save."""
        with contextlib.suppress(Exception):
            if not await ensure_async(self._manager.checkpoints.list_checkpoints(path)):
                await ensure_async(self._manager.create_checkpoint(path))

    # ---- rename, delete

    async def _rename(self, old_path: str, new_path: str) -> None:
        old, new = self._os_path(old_path), self._os_path(new_path)
        owner = await self._owner(old_path) if self._notebook(old_path) else None
        if not self._notebook(old_path):
            await self._check_inside(old_path, "rename")
        if old.is_dir() and not (self._paths.root / old_path.strip("/")).is_symlink():
            await self._rename_folder(old_path, new_path)
            return
        await self._original("rename", old_path, new_path)
        if owner is not None:
            await self._moved(owner, old, new, new_path)

    async def _rename_folder(self, old_path: str, new_path: str) -> None:
        old, new = self._os_path(old_path), self._os_path(new_path)
        live = await asyncio.to_thread(live_runs_below, old)
        moved = await in_thread(self._ownership.moved_into, old)
        if live:
            async with self._pause_looking():  # between rename and link the run would look dead
                await self._original("rename", old_path, new_path)
                await asyncio.to_thread(links.create, old, new, [entry.id for entry in live])
        else:
            await self._original("rename", old_path, new_path)
        inner = {path: path.relative_to(old) for path in moved}
        calls = (
            self._moved(owner, path, new / inner[path], f"{new_path.strip('/')}/{inner[path].as_posix()}")
            for path, owner in moved.items()
        )
        await asyncio.gather(*calls)  # one runner's error does not keep the others from hearing of the move

    async def _moved(self, owner: Owner, old: Path, new: Path, new_path: str) -> None:
        self._ownership.moved(old, new, owner)
        if owner.entry is None:
            return
        try:
            await ask(owner.entry, "moved", 30.0, agent=owner.agent, path=str(new))
        except AttachError as error:
            if error.kind in ("Gone", "Unknown"):
                return  # no runner writes this notebook any more
            raise request_error(error) from error
        # before the call, the runner may have written at the old path again
        if await asyncio.to_thread(old.resolve) != new:  # otherwise `old` goes through a link that we left
            await asyncio.to_thread(old.unlink, True)
        await self._flush(owner)
        work = self._kernels.moved(owner.run, owner.agent, new_path.strip("/"))
        asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _delete(self, path: str) -> None:
        os_path = self._os_path(path)
        owner = await self._owner(path) if self._notebook(path) else None
        live = [owner.entry] if owner is not None and owner.entry is not None else []
        if not live and os_path.is_dir():
            live = await asyncio.to_thread(live_runs_below, os_path)
        if live:
            raise _in_use(path, live[0], "delete")
        if os_path.is_dir():
            await self._check_below(path, os_path)
        await self._check_inside(path, "delete")
        await self._original("delete", path)

    async def _check_inside(self, path: str, what: str) -> None:
        """Raises RequestError for anything in the folder of a live run: record, code, trials, output.

        Checks a link itself as well as its target."""
        given = self._paths.root / path.strip("/")
        for candidate in {given.parent.resolve() / given.name, self._os_path(path)}:
            if live := await asyncio.to_thread(live_runs_containing, candidate):
                raise _in_use(path, live[0], what)

    async def _check_below(self, path: str, folder: Path) -> None:
        """Raises RequestError if a live run's notebook was moved into the folder."""
        for notebook, owner in (await in_thread(self._ownership.moved_into, folder)).items():
            if owner.entry is not None:
                raise RequestError(
                    409,
                    f"{path} contains {notebook.name} of a run that is still running ({owner.folder.name}): "
                    "move it elsewhere or stop the run first, then delete",
                )

    async def _check_record(self, path: str) -> None:
        """Raises RequestError for the record of a live run, which only its runner may write."""
        os_path = self._os_path(path)
        live = await asyncio.to_thread(live_runs_containing, os_path)
        if live and os_path.parent == live[0].run.resolve():
            raise _in_use(path, live[0], "save")


def _in_use(path: str, entry: Entry, what: str) -> RequestError:
    return RequestError(
        409, f"{path} belongs to a run that is still running ({entry.run.name}): stop it first, then {what}"
    )


def _call_paths(name: str, args: tuple[Any, ...], kwargs: Json) -> tuple[str, ...]:
    """Returns the path argument of a call; it is the second argument of `save`."""
    if name == "save":
        return (str(args[1] if len(args) > 1 else kwargs.get("path", "")),)
    key = "old_path" if name == "rename" else "path"
    return (str(args[0] if args else kwargs.get(key, "")),)


def _without_our_kernelspec(metadata: Any) -> Json:
    """Removes the kernelspec that `get` showed instead of the file's own."""
    found = dict(metadata) if isinstance(metadata, dict) else {}
    spec = found.get("kernelspec")
    if isinstance(spec, dict) and spec.get("name") == SPEC:
        del found["kernelspec"]
    return found
