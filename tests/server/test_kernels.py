"""A run's kernel in Jupyter: tabs attach to it, and the runner keeps owning it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.kernel.session import KernelSession
from cobra_jupyter.server import provisioner
from cobra_jupyter.server.kernels import kernel_id, session_id
from tests.fakes.runner import FakeRunner, write_run
from tests.patience import PATIENCE, until
from tests.server.conftest import RUN, Ask

Json = dict[str, Any]
KERNEL, SESSION = kernel_id(RUN, "lead"), session_id(RUN, "lead")
NOTEBOOK = "api/contents/runs/c-1/agent.ipynb"


@asynccontextmanager
async def a_run(folder: Path) -> AsyncIterator[tuple[FakeRunner, KernelSession]]:
    """A runner with a real kernel that ends after the runner."""
    folder.mkdir(parents=True, exist_ok=True)
    async with KernelSession("python3", folder) as kernel:
        file = kernel.connection_file
        assert file is not None
        async with FakeRunner(folder, kernel=json.loads(file.read_text())) as runner:
            yield runner, kernel


async def run_in(manager: Any, code: str) -> str:
    """Runs code as a tab does. Returns the printed text."""
    client = manager.client_factory(parent=manager)
    client.load_connection_info(manager.get_connection_info())
    client.start_channels()
    printed: list[str] = []
    try:
        await client.wait_for_ready(timeout=PATIENCE)
        await client.execute_interactive(
            code,
            timeout=30,
            output_hook=lambda message: printed.append(str(message["content"].get("text", ""))),
        )
    finally:
        client.stop_channels()
    return "".join(printed).strip()


async def printed(tab: Any, code: str) -> str:
    """Does the same through a tab's websocket."""
    header = {
        "msg_id": "m",
        "msg_type": "execute_request",
        "username": "",
        "session": "tab",
        "version": "5.3",
        "date": "",
    }
    content = {"code": code, "silent": False}
    frame = {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }
    await tab.write_message(json.dumps(frame))
    while True:
        message = json.loads(await asyncio.wait_for(tab.read_message(), PATIENCE))
        if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") == "m":
            return str(message["content"]["text"]).strip()


async def test_a_tab_finds_the_session_and_shares_variables_with_the_run(
    ask: Ask, run_folder: Path, jp_serverapp: Any
) -> None:
    async with a_run(run_folder) as (_, kernel):
        await kernel.execute("a = 41")
        found = (await ask("GET", NOTEBOOK)).data["content"]
        assert found["metadata"]["kernelspec"]["name"] == "cobra"
        (session,) = (await ask("GET", "api/sessions")).data
        assert (session["id"], session["kernel"]["id"]) == (SESSION, KERNEL)
        body = {
            "path": "runs/c-1/agent.ipynb",
            "name": "agent.ipynb",
            "type": "notebook",
            "kernel": {"name": "cobra"},
        }
        assert (await ask("POST", "api/sessions", body)).data["id"] == SESSION  # as a tab that opens
        assert await run_in(jp_serverapp.kernel_manager.get_kernel(KERNEL), "a += 1; print(a)") == "42"
        assert (
            json.loads((run_folder / "agent.ipynb").read_text())["metadata"]["kernelspec"]["name"]
            == "python3"
        )


async def test_the_kernel_survives_the_end_of_the_session_and_of_the_server(
    ask: Ask, run_folder: Path, jp_serverapp: Any
) -> None:
    async with a_run(run_folder) as (runner, kernel):
        await kernel.execute("a = 41")
        for end in ("session", "server"):
            await ask("GET", NOTEBOOK)
            assert KERNEL in jp_serverapp.kernel_manager
            if end == "session":
                assert (await ask("DELETE", f"api/sessions/{SESSION}")).code == 204
            else:
                await jp_serverapp.kernel_manager.shutdown_all()
            assert KERNEL not in jp_serverapp.kernel_manager
            assert (await kernel.execute("assert a == 41")).status == "ok"
            assert Path(runner.kernel["ip"]).parent.is_dir()
        assert "interrupt_kernel" not in [name for name, _ in runner.calls]


async def test_a_new_server_restores_the_session_before_it_lists_sessions(
    jp_configurable_serverapp: Any, run_folder: Path
) -> None:
    async with a_run(run_folder) as (_, kernel):
        await kernel.execute("a = 41")
        app = jp_configurable_serverapp()
        sessions, kernels, _ = await asyncio.gather(
            app.session_manager.list_sessions(),
            app.kernel_manager.list_kernels(),
            app.web_app.settings["cobra"].start(),
        )
        assert [one["id"] for one in sessions] == [SESSION]
        assert [one["id"] for one in kernels] == [KERNEL]
        assert [one["id"] for one in app.kernel_manager.list_kernels()] == [KERNEL]  # the gate is removed
        assert await run_in(app.kernel_manager.get_kernel(KERNEL), "print(a)") == "41"
        await app.kernel_manager.shutdown_all()


async def test_a_connection_file_left_by_a_killed_server_does_no_harm(
    ask: Ask, run_folder: Path, jp_runtime_dir: Path, jp_serverapp: Any
) -> None:
    async with a_run(run_folder) as (runner, _):
        for left in (runner.kernel, {**runner.kernel, "key": "another"}):
            (jp_runtime_dir / f"kernel-{KERNEL}.json").write_text(json.dumps(left))
            await ask("GET", NOTEBOOK)
            assert KERNEL in jp_serverapp.kernel_manager
            await jp_serverapp.kernel_manager.shutdown_all()


async def test_interrupt_and_restart_from_the_menu_reach_the_runner(
    ask: Ask, run_folder: Path, jp_serverapp: Any
) -> None:
    async with a_run(run_folder) as (runner, kernel):
        await ask("GET", NOTEBOOK)
        assert (await ask("POST", f"api/kernels/{KERNEL}/interrupt")).code == 204
        assert ("interrupt_kernel", {"agent": "lead"}) in runner.calls
        runner.calls.clear()
        pid = kernel.pid
        assert (await ask("POST", f"api/kernels/{KERNEL}/restart")).code == 200
        calls = [name for name, _ in runner.calls if name.endswith("_kernel")]
        assert calls == ["restart_kernel"]
        assert kernel.pid == pid  # only the runner may restart it
        assert (await kernel.execute("1")).status == "ok"
        assert await run_in(jp_serverapp.kernel_manager.get_kernel(KERNEL), "print(7)") == "7"


async def test_statuses_during_a_restart_of_the_kernel_do_no_harm(
    ask: Ask, run_folder: Path, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_run(run_folder) as (runner, kernel):
        runner.extra = [
            {"name": "scout-1", "role": "scout", "notebook": "agents/scout-1.ipynb", "busy": False}
        ]

        async def restart(args: Json, writer: Any) -> Json:
            for _ in range(10):
                runner.tell_status()
                await asyncio.sleep(0.05)
            await kernel.restart()
            return {}

        monkeypatch.setattr(runner, "_on_restart_kernel", restart)
        await ask("GET", NOTEBOOK)
        await asyncio.sleep(0.2)
        assert (await ask("POST", f"api/kernels/{KERNEL}/restart")).code == 200
        assert [name for name, _ in runner.calls].count("restart_kernel") == 1
        assert await run_in(jp_serverapp.kernel_manager.get_kernel(KERNEL), "print(7)") == "7"


async def test_after_the_end_of_the_run_an_attached_tab_gets_its_own_kernel(
    ask: Ask, run_folder: Path, jp_serverapp: Any, jp_ws_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes long: two kernels start."""
    monkeypatch.setattr(provisioner, "GRACE", 0.2)
    died: list[str] = []
    async with a_run(run_folder) as (_, kernel):
        await kernel.execute("a = 41")
        await ask("GET", NOTEBOOK)
        tab = await jp_ws_fetch("api", "kernels", KERNEL, "channels", params={"session_id": "tab"})
        manager = jp_serverapp.kernel_manager.get_kernel(KERNEL)
        for event in ("restart", "dead"):
            manager.add_restart_callback(lambda event=event: died.append(event), event)
    assert not Path(manager.ip).parent.exists()  # the run has taken its sockets away
    await until(lambda: manager.provisioner.attached is None and manager.has_kernel)
    assert Path(manager.ip).parent.stat().st_mode & 0o777 == 0o700
    assert await run_in(manager, "print('a' in globals())") == "False"
    assert not died
    assert (await ask("GET", f"api/sessions/{SESSION}")).data["kernel"]["id"] == KERNEL
    async with a_run(run_folder) as (_, kernel):  # after a resume the tab uses the run's kernel again
        await kernel.execute("a = 43")
        await ask("GET", NOTEBOOK)
        assert manager.provisioner.attached is not None
        while await tab.read_message() is not None:  # the server closes the socket, and the tab reconnects
            pass
        tab = await jp_ws_fetch("api", "kernels", KERNEL, "channels", params={"session_id": "tab"})
        assert await printed(tab, "print(a)") == "43"
        tab.close()
    await jp_serverapp.kernel_manager.shutdown_all()


async def test_after_the_end_of_the_run_a_session_without_a_tab_is_removed(
    ask: Ask, run_folder: Path, jp_serverapp: Any
) -> None:
    async with a_run(run_folder):
        await ask("GET", NOTEBOOK)
        assert (await ask("GET", "api/sessions")).data
    await until(lambda: KERNEL not in jp_serverapp.kernel_manager)
    assert (await ask("GET", "api/sessions")).data == []


async def test_the_session_of_a_finished_agent_is_removed_if_no_tab_is_attached(
    ask: Ask, run_folder: Path, jp_serverapp: Any, jp_ws_fetch: Any
) -> None:
    async with a_run(run_folder) as (runner, _):
        await ask("GET", NOTEBOOK)
        runner.tell_status()
        tab = await jp_ws_fetch("api", "kernels", KERNEL, "channels", params={"session_id": "tab"})
        manager = jp_serverapp.kernel_manager
        runner.kernel = None
        runner.calls.clear()
        runner.tell_status()
        await asyncio.sleep(0.5)
        assert KERNEL in manager
        tab.close()
        await until(lambda: not manager.kernel_model(KERNEL)["connections"])
        runner.tell_status()
        await until(lambda: KERNEL not in manager)
        assert (await ask("GET", "api/sessions")).data == []


async def test_a_tab_of_a_finished_agent_keeps_its_own_kernel_when_another_agent_starts(
    ask: Ask, run_folder: Path, jp_serverapp: Any, jp_ws_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes long: two kernels start."""
    monkeypatch.setattr(provisioner, "SLOW", 0.2)
    run_folder.mkdir(parents=True)
    works = AsyncExitStack()
    kernel = await works.enter_async_context(KernelSession("python3", run_folder))
    assert kernel.connection_file is not None
    async with FakeRunner(run_folder, kernel=json.loads(kernel.connection_file.read_text())) as runner:
        await ask("GET", NOTEBOOK)
        tab = await jp_ws_fetch("api", "kernels", KERNEL, "channels", params={"session_id": "tab"})
        runner.kernel = None
        await works.aclose()
        manager = jp_serverapp.kernel_manager.get_kernel(KERNEL)
        await until(lambda: manager.provisioner.attached is None and manager.has_kernel)
        assert await run_in(manager, "a = 41; print(a)") == "41"
        runner.extra = [
            {"name": "scout-1", "role": "scout", "notebook": "agents/scout-1.ipynb", "busy": True}
        ]
        runner.tell_status()
        await ask("GET", NOTEBOOK)
        assert await run_in(manager, "print(a)") == "41"
        tab.close()
        await until(lambda: not jp_serverapp.kernel_manager.kernel_model(KERNEL)["connections"])
        for _ in range(3):  # as during a reload of the page
            runner.tell_status()
            await asyncio.sleep(0.3)
        assert await run_in(manager, "print(a)") == "41"
        await jp_serverapp.kernel_manager.shutdown_all()


async def test_a_notebook_outside_a_live_run_has_an_ordinary_kernel(
    ask: Ask, root: Path, jp_serverapp: Any
) -> None:
    write_run(root / "runs" / "c-1", state="finished")
    for path in ("mine.ipynb", "runs/c-1/agent.ipynb"):
        body = {"path": path, "name": Path(path).name, "type": "notebook", "kernel": {"name": "cobra"}}
        session = (await ask("POST", "api/sessions", body)).data
        manager = jp_serverapp.kernel_manager.get_kernel(session["kernel"]["id"])
        assert await run_in(manager, "print(1)") == "1"
        assert (await ask("POST", f"api/kernels/{session['kernel']['id']}/restart")).code == 200
        assert await run_in(manager, "print(2)") == "2"
        assert (await ask("DELETE", f"api/sessions/{session['id']}")).code == 204


async def test_an_agent_without_a_kernel_has_no_session(ask: Ask, run_folder: Path) -> None:
    async with FakeRunner(run_folder):
        found = (await ask("GET", NOTEBOOK)).data["content"]
        assert found["metadata"]["kernelspec"]["name"] == "python3"
        assert (await ask("GET", "api/sessions")).data == []


async def test_the_kernels_of_runs_are_not_culled(ask: Ask, run_folder: Path, jp_serverapp: Any) -> None:
    async with a_run(run_folder):
        await ask("GET", NOTEBOOK)
        manager = jp_serverapp.kernel_manager
        manager.cull_idle_timeout = 1
        kernel = manager.get_kernel(KERNEL)
        kernel.last_activity = kernel.last_activity.replace(year=2020)
        await manager.cull_kernels()
        assert KERNEL in manager
        await manager.shutdown_all()
