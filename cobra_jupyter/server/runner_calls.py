"""Asking runners from where there is no attachment. Those that hang hold up threads of their own, not those of everyone."""

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
MOST = 16  # runners that are waited for at a time
_POOL = ThreadPoolExecutor(MOST, "cobra-ask")


async def ask(entry: Entry, call: str, seconds: float = 30.0, **args: Any) -> Json:
    """One call. Raises AttachError."""
    return await in_thread(attach.ask, entry, call, seconds, **args)


async def in_thread(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """What may ask a runner."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, partial(work, *args, **kwargs))
