"""A Jupyter server with the extension, and runs below its root. Alone: `pytest -p
pytest_jupyter.jupyter_server tests/server`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client.provisioning import KernelProvisionerFactory
from tornado.httpclient import HTTPClientError

import cobra_jupyter

SPEC = Path(cobra_jupyter.__file__).parent / "server" / "kernelspec" / "kernel.json"
RUN = "0123456789ab"
Json = dict[str, Any]
Ask = Callable[..., Awaitable[SimpleNamespace]]


@pytest.fixture(autouse=True)
def provisioner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers the entry point, in case the package was installed before it had one."""
    point = EntryPoint(
        name="cobra-attach",
        value="cobra_jupyter.server.provisioner:AttachProvisioner",
        group="jupyter_client.kernel_provisioners",
    )
    factory = KernelProvisionerFactory.instance()
    monkeypatch.setitem(factory.provisioners, "cobra-attach", point)


@pytest.fixture
def jp_server_config() -> Json:
    return {
        "ServerApp": {
            "jpserver_extensions": {"cobra_jupyter": True, "jupyter_server_terminals": False},
            "allow_unauthenticated_access": False,
        },
    }


@pytest.fixture(autouse=True)
def kernelspec(jp_environ: None, jp_kernel_dir: Path) -> None:
    (jp_kernel_dir / "cobra").mkdir(exist_ok=True)
    shutil.copy(SPEC, jp_kernel_dir / "cobra" / "kernel.json")


@pytest.fixture
def root(jp_root_dir: Path) -> Path:
    return jp_root_dir


@pytest.fixture
def run_folder(root: Path) -> Path:
    return root / "runs" / "c-1"


@pytest.fixture
def extension(jp_serverapp: Any, jp_asyncio_loop: Any) -> Any:
    """The extension, started as the server starts it in its loop."""
    found = jp_serverapp.web_app.settings["cobra"]
    jp_asyncio_loop.run_until_complete(found.start())
    return found


@pytest.fixture
def ask(jp_fetch: Any, extension: Any) -> Ask:
    """Calls the REST interface. Returns status code and answer, also of an error."""

    async def fetch(method: str, path: str, body: Any = None, **options: Any) -> SimpleNamespace:
        sent = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
        if method not in ("GET", "DELETE"):
            options["body"] = sent or b""
        try:
            found = await jp_fetch(*path.split("/"), method=method, request_timeout=600, **options)
        except HTTPClientError as error:
            answered = error.response.body if error.response else b""
            return SimpleNamespace(code=error.code, **_read(answered))
        return SimpleNamespace(code=found.code, **_read(found.body))

    return fetch


def _read(body: bytes) -> Json:
    try:
        found = json.loads(body)
    except ValueError:
        return {"text": body.decode(), "data": None, "message": body.decode()}
    return {"data": found, "message": found.get("message") if isinstance(found, dict) else None}
