"""Calls runners without an attachment, in a separate thread pool, so that a hanging runner blocks nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from cobra_jupyter.run import attach
from cobra_jupyter.run.registry import Entry

Json = dict[str, Any]
T = TypeVar("T")
MAX_THREADS = 16  # simultaneous calls
_POOL = ThreadPoolExecutor(MAX_THREADS, "cobra-ask")


async def ask(entry: Entry, call: str, seconds: float = 30.0, **args: Any) -> Json:
    """Makes one call. Raises AttachError."""
    return await in_thread(attach.ask, entry, call, seconds, **args)


async def in_thread(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs work that may call a runner in the pool."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, partial(work, *args, **kwargs))
