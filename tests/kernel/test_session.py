from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from jupyter_client.asynchronous import AsyncKernelClient

from cobra_jupyter.kernel.process import MARK, scrubbed
from cobra_jupyter.kernel.session import Execution, KernelDied, KernelError, KernelSession
from tests.patience import PATIENCE

T = TypeVar("T")


class Bench:
    """One kernel for the module and the loop it lives on."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.foreign: list[tuple[str, dict[str, Any]]] = []
        self.session = self.run(self._made(folder))

    async def _made(self, folder: Path) -> KernelSession:
        session = KernelSession(
            "python3",
            folder,
            paths=[folder / "pack"],
            variables={"COBRA_GIVEN": "yes"},
            on_foreign=lambda msg_id, event: self.foreign.append((msg_id, event)),
            grace=1.0,
        )
        await session.start()
        return session

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, PATIENCE))

    def execute(self, code: str, timeout: float | None = None) -> tuple[Execution, list[dict[str, Any]]]:
        """Run a cell. → its end; its outputs, where text that came in pieces is joined as a notebook does"""
        outputs: list[dict[str, Any]] = []

        def hear(output: dict[str, Any]) -> None:
            before = outputs[-1] if outputs else {}
            if output["output_type"] == before.get("output_type") == "stream" and (
                output["name"] == before["name"]
            ):
                before["text"] += output["text"]
            else:
                outputs.append(output)

        return self.run(self.session.execute(code, hear, timeout)), outputs

    def value(self, code: str) -> Any:
        ended, outputs = self.execute(code)
        assert ended.status == "ok", ended
        return eval(outputs[-1]["data"]["text/plain"])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    secrets = {
        "GEMINI_API_KEY": "s3cret-a",
        "MY_TOKEN": "s3cret-b",
        "AWS_REGION": "s3cret-c",
        "DB_URL": "postgres://u:s3cret-d@host/db",
        "db_password": "s3cret-e",
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in secrets.items():
            environment.setenv(name, value)
        environment.setenv("HARMLESS", "stays")
        bench = Bench(tmp_path_factory.mktemp("run"))
        yield bench
        bench.run(bench.session.shutdown())
        bench.loop.close()


@pytest.fixture
def living(kernel: Bench) -> Bench:
    if not kernel.session.alive:
        kernel.run(kernel.session.restart())
    return kernel


def processes_marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_result_comes_with_its_count(living: Bench) -> None:
    ended, outputs = living.execute("1+1")
    assert ended.status == "ok"
    assert ended.execution_count == outputs[0]["execution_count"]
    assert outputs[0]["output_type"] == "execute_result"
    assert outputs[0]["data"] == {"text/plain": "2"}


def test_outputs_arrive_in_order_and_while_the_cell_runs(living: Bench) -> None:
    arrived: list[tuple[float, dict[str, Any]]] = []
    code = (
        "import sys, time\n"
        "from IPython.display import display\n"
        "for i in range(3):\n"
        "    sys.stdout.write(f'{i}\\n'); sys.stdout.flush()\n"
        "    sys.stderr.write('e'); sys.stderr.flush(); display(i); time.sleep(.15)\n"
    )
    ended = living.run(
        living.session.execute(code, lambda output: arrived.append((time.monotonic(), output)))
    )
    assert ended.status == "ok"
    assert [output["output_type"] for _, output in arrived] == ["stream", "stream", "display_data"] * 3
    assert [output["text"] for _, output in arrived if output.get("name") == "stdout"] == [
        "0\n",
        "1\n",
        "2\n",
    ]
    assert arrived[-1][0] - arrived[0][0] > 0.25


def test_many_lines_lose_none(living: Bench) -> None:
    _, outputs = living.execute("for i in range(6000): print(i, flush=i % 7 == 0)")
    text = "".join(output["text"] for output in outputs)
    assert text == "".join(f"{number}\n" for number in range(6000))


def test_carriage_returns_and_display_events_pass_unchanged(living: Bench) -> None:
    code = (
        "from IPython.display import clear_output, display\n"
        "print('10%\\r20%', end='', flush=True)\n"
        "shown = display(1, display_id='d')\n"
        "shown.update(2)\n"
        "clear_output(wait=True)\n"
        "print('end')\n"
    )
    _, outputs = living.execute(code)
    assert [output["output_type"] for output in outputs] == [
        "stream",
        "display_data",
        "update_display_data",
        "clear_output",
        "stream",
    ]
    assert outputs[0]["text"] == "10%\r20%"
    assert outputs[1]["transient"] == outputs[2]["transient"] == {"display_id": "d"}
    assert outputs[2]["data"] == {"text/plain": "2"}
    assert outputs[3]["wait"] is True


def test_an_error_has_its_name_and_traceback(living: Bench) -> None:
    ended, outputs = living.execute("import sys; sys.stdout.write('before')\n1/0")
    assert (ended.status, ended.ename, ended.evalue) == ("error", "ZeroDivisionError", "division by zero")
    assert [output["output_type"] for output in outputs] == ["stream", "error"]
    assert list(ended.traceback) == outputs[1]["traceback"]


def test_a_cell_that_asks_for_input_gets_an_error(living: Bench) -> None:
    ended, _ = living.execute("input('?')", timeout=10)
    assert ended.status == "error"


def test_executions_queue_up(living: Bench) -> None:
    async def both() -> list[Execution]:
        calls = [living.session.execute(f"import time; time.sleep(.1); print({number})") for number in (1, 2)]
        return list(await asyncio.gather(*calls))

    first, second = living.run(both())
    assert first.execution_count is not None
    assert second.execution_count == first.execution_count + 1


def test_what_on_output_raises_is_raised_when_the_cell_has_ended(living: Bench) -> None:
    def broken(_: dict[str, Any]) -> None:
        raise LookupError("broken")

    with pytest.raises(LookupError):
        living.run(living.session.execute("print(1); done = True", broken))
    assert living.value("done")


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1000)"])
def test_an_interrupt_ends_python_code_soon(living: Bench, code: str) -> None:
    async def scenario() -> Execution:
        running = asyncio.create_task(
            living.session.execute("kept = 1\nprint('runs', flush=True)\n" + code, runs.put_nowait)
        )
        await runs.get()
        await living.session.interrupt(grace=600)  # it need not be killed
        return await running

    runs: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    ended = living.run(scenario())
    assert (ended.status, ended.ename) == ("interrupted", "KeyboardInterrupt")
    assert living.value("kept") == 1


def test_an_interrupt_right_after_the_start_is_not_lost(living: Bench) -> None:
    async def scenario() -> Execution:
        running = asyncio.create_task(living.session.execute("import time; time.sleep(1000)"))
        await asyncio.sleep(0)
        await living.session.interrupt(grace=20)
        return await running

    assert living.run(scenario()).status == "interrupted"


def test_an_interrupt_that_the_kernel_loses_as_it_begins_a_cell_is_sent_again(living: Bench) -> None:
    async def scenario() -> Execution:
        loses_one = (
            "signal.signal(signal.SIGINT,"
            " lambda *_: signal.signal(signal.SIGINT, signal.default_int_handler))"
        )
        running = asyncio.create_task(
            living.session.execute(
                f"import signal, time; {loses_one}; print(1, flush=True); time.sleep(1000)", begun.put_nowait
            )
        )
        await begun.get()
        await living.session.interrupt(grace=20)
        return await running

    begun: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    assert living.run(scenario()).status == "interrupted"


def test_a_kernel_that_turns_idle_without_a_reply_has_failed_the_cell_and_lives(living: Bench) -> None:
    """As one does that SIGINT met in its own code, between the cell's announcement and the cell."""
    living.execute(
        """
        kernel = get_ipython().kernel
        original = kernel.do_execute
        async def met(**_):
            kernel.do_execute = original
            raise KeyboardInterrupt
        kernel.do_execute = met
        """
    )
    ended, _ = living.execute("1")
    assert (ended.status, ended.ename) == ("error", "KernelError")
    assert living.value("kernel.do_execute is original")


def test_an_interrupt_of_an_idle_kernel_does_no_harm(living: Bench) -> None:
    living.run(living.session.interrupt())
    assert living.value("1") == 1


def test_a_timeout_interrupts(living: Bench) -> None:
    ended, _ = living.execute("import time; time.sleep(1000)", timeout=0.3)
    assert ended.status == "timeout"
    assert living.session.alive


def test_a_cells_time_stands_still_with_the_sessions_clock(tmp_path: Path) -> None:
    """As while a person has the run."""
    looks: list[float] = []
    held = True

    def clock() -> float:
        looks.append(time.monotonic())
        return 0.0 if held else looks[-1]

    async def scenario() -> None:
        nonlocal held
        async with KernelSession("python3", tmp_path, clock=clock) as session:
            running = asyncio.create_task(session.execute("import time; time.sleep(1000)", timeout=0.05))
            while len(looks) < 10 and not running.done():
                await asyncio.sleep(0.01)
            assert not running.done()
            held = False
            assert (await running).status == "timeout"
            held = True
            waits = session.execute("time.sleep(0.5)", timeout=0.05)
            assert (await waits).status == "ok"

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_code_that_heeds_no_signal_is_killed_with_its_group(living: Bench) -> None:
    code = (
        "import signal, subprocess, time\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})\n"
        "unmasked = lambda: signal.pthread_sigmask(signal.SIG_SETMASK, [])\n"
        "subprocess.Popen(['sleep', '1000'], preexec_fn=unmasked)\n"
        "while True:\n"
        "    try: time.sleep(1)\n"
        "    except BaseException: pass\n"
    )
    ended, _ = living.execute(code, timeout=0.5)
    assert ended.status == "timeout"
    assert ended.ename == "KernelDied"
    assert not living.session.alive
    assert not processes_marked(living.session._mark)


def test_a_kernel_that_kills_itself_is_reported_and_can_be_restarted(living: Bench) -> None:
    code = "import os, time; print('last words', flush=True); time.sleep(.1); os.kill(os.getpid(), 9)"
    ended, outputs = living.execute(code)
    assert ended.status == "died"
    assert "SIGKILL" in ended.evalue
    assert outputs[0]["text"] == "last words\n"
    assert not living.session.alive
    with pytest.raises(KernelDied):
        living.execute("1")
    connection = living.session.connection_file
    living.run(living.session.restart())
    assert living.session.connection_file == connection
    assert living.value("1+1") == 2


def test_a_restart_under_a_running_cell_ends_it(living: Bench) -> None:
    async def scenario() -> Execution:
        running = asyncio.create_task(living.session.execute("import time; time.sleep(1000)"))
        await asyncio.sleep(0.2)
        await living.session.restart()
        return await running

    assert living.run(scenario()).status == "died"
    assert living.value("'time' in dir()") is False


def test_secrets_are_neither_in_the_kernels_environment_nor_in_proc(living: Bench) -> None:
    inside = living.value("import os; dict(os.environ)")
    assert "s3cret" not in str(inside)
    assert inside["HARMLESS"] == "stays"
    assert inside["COBRA_GIVEN"] == "yes"
    assert inside["PYTHONPATH"].split(os.pathsep)[0].endswith("pack")
    if Path("/proc/self/environ").exists():
        assert b"s3cret" not in Path(f"/proc/{living.session.pid}/environ").read_bytes()


def test_the_kernel_runs_in_the_folder_and_in_a_session_of_its_own(living: Bench) -> None:
    assert Path(living.value("import os; os.getcwd()")).name.startswith("run")
    assert living.value("os.getpgrp() == os.getpid() == os.getsid(0)")
    assert os.getsid(0) != living.session.pid


def test_sockets_and_keys_lie_in_a_private_folder(living: Bench) -> None:
    connection = living.session.connection_file
    assert connection is not None
    assert connection.parent.stat().st_mode & 0o077 == 0
    assert len(str(connection.parent)) < 80
    assert all(entry.parent == connection.parent for entry in connection.parent.glob("k-*"))


def test_what_another_client_runs_is_seen(living: Bench) -> None:
    async def scenario() -> str:
        client = AsyncKernelClient()
        client.load_connection_file(str(living.session.connection_file))
        client.start_channels(stdin=False, hb=False, control=False)
        msg_id = client.execute("shared = 5\nprint('by hand')")
        await client.get_shell_msg(timeout=PATIENCE)
        while (msg_id, {"output_type": "idle"}) not in living.foreign:
            await asyncio.sleep(0.02)
        client.stop_channels()
        return str(msg_id)

    msg_id = living.run(scenario())
    events = [event for parent, event in living.foreign if parent == msg_id]
    assert [event["output_type"] for event in events] == ["execute_input", "stream", "idle"]
    assert living.value("shared") == 5


def test_what_a_thread_shows_after_its_cell_has_ended_goes_where_the_cells_outputs_went(
    living: Bench, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    code = (
        "import os, threading, time\n"
        "from IPython.display import display\n"
        "shown = display('half', display_id='late')\n"
        "def goes_on():\n"
        f"    while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "    shown.update('whole'); print('late', flush=True)\n"
        "threading.Thread(target=goes_on).start()\n"
    )
    outputs: list[dict[str, Any]] = []
    late = asyncio.Event()

    def on_output(output: dict[str, Any]) -> None:
        outputs.append(output)
        if output["output_type"] == "stream":
            late.set()

    async def scenario() -> Execution:
        ended = await living.session.execute(code, on_output)
        assert [output["output_type"] for output in outputs] == ["display_data"]
        go.touch()
        await late.wait()
        return ended

    ended = living.run(scenario())
    assert [output["output_type"] for output in outputs] == ["display_data", "update_display_data", "stream"]
    assert outputs[-1]["text"] == "late\n"
    assert ended.msg_id not in [parent for parent, _ in living.foreign]


def test_resources_are_of_the_whole_family(living: Bench) -> None:
    living.execute("import subprocess; child = subprocess.Popen(['sleep', '1000'])")
    living.session.resources()
    living.execute("import time\nend = time.process_time() + .3\nwhile time.process_time() < end: pass")
    used = living.session.resources()
    living.execute("child.kill(); child.wait()")
    assert used.processes == 2
    assert used.rss_bytes > 10_000_000
    assert used.cpu_percent > 20


def test_shutdown_leaves_no_process_no_socket_and_no_folder(tmp_path: Path) -> None:
    async def scenario() -> None:
        session = KernelSession("python3", tmp_path)
        await session.start()
        private = session.connection_file
        assert private is not None
        code = (
            "import subprocess\n"
            "subprocess.Popen(['sleep', '1000'])\n"
            "subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
            "subprocess.run('nohup setsid sleep 1000 >/dev/null 2>&1 &', shell=True)\n"
        )
        assert (await session.execute(code)).status == "ok"
        await asyncio.sleep(0.1)
        assert len(processes_marked(session._mark)) == 4
        open_files = len(psutil.Process().open_files()) + len(psutil.Process().net_connections("unix"))
        await session.shutdown()
        assert not processes_marked(session._mark)
        assert not private.parent.exists()
        assert (
            len(psutil.Process().open_files()) + len(psutil.Process().net_connections("unix")) <= open_files
        )
        with pytest.raises(KernelDied):
            await session.execute("1")
        await session.shutdown()

    asyncio.run(scenario())


def test_shutdown_ends_a_cell_that_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        session = KernelSession("python3", tmp_path)
        await session.start()
        running = asyncio.create_task(session.execute("import time; time.sleep(1000)"))
        await asyncio.sleep(0.1)
        await session.shutdown()
        assert (await running).status == "died"

    asyncio.run(scenario())


def test_a_kernel_that_cannot_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = tmp_path / "jupyter" / "kernels" / "broken"
    kernels.mkdir(parents=True)
    argv = ["python", "-c", "raise SystemExit('no such thing')"]
    (kernels / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "b", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    async def scenario() -> None:
        session = KernelSession("broken", tmp_path)
        with pytest.raises(KernelError, match="no such thing"):
            await session.start()
        assert session.connection_file is None

    asyncio.run(scenario())


def test_an_unknown_kernel_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="python3"):
        KernelSession("no-such-kernel", tmp_path)


def test_scrubbing_keeps_what_is_no_secret() -> None:
    kept = {
        "PATH": "/bin",
        "HOME": "/h",
        "TOKENIZERS_PARALLELISM": "false",
        "HTTPS_PROXY": "http://proxy:3128",
    }
    gone = {
        "X_API_KEY": "1",
        "hf_token": "1",
        "GOOGLE_CLOUD_PROJECT": "1",
        "PGPASSWORD": "1",
        "SSH_AUTH_SOCK": "1",
    }
    assert scrubbed({**kept, **gone, "PIP_INDEX_URL": "https://u:p@host/simple"}) == kept


@pytest.mark.parametrize("left", [True, False])
def test_a_kernel_is_asked_to_end_only_where_no_cell_was_left_running_in_it(
    tmp_path: Path, left: bool
) -> None:
    async def scenario() -> list[str]:
        asked: list[str] = []
        async with KernelSession("python3", tmp_path) as session:
            polite = session._manager.request_shutdown

            async def request_shutdown() -> None:
                asked.append("polite")
                await polite()

            session._manager.request_shutdown = request_shutdown
            began = asyncio.Event()
            code = "print('begun', flush=True)" + ("\nimport time\ntime.sleep(60)" if left else "")
            cell = asyncio.ensure_future(session.execute(code, lambda output: began.set()))
            await began.wait()
            if left:
                cell.cancel()
            await asyncio.gather(cell, return_exceptions=True)
            assert not session.busy
        return asked

    assert asyncio.run(asyncio.wait_for(scenario(), PATIENCE)) == ([] if left else ["polite"])
