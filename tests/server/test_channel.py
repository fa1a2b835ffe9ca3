"""The websocket of a run: calls, events, malformed frames, the runner's end and return."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from cobra_jupyter.run import attach
from cobra_jupyter.server import stored_runs
from tests.fakes.runner import FakeRunner, write_run
from tests.patience import PATIENCE
from tests.server.conftest import RUN

Json = dict[str, Any]
Open = Callable[..., Awaitable["Tab"]]


class Tab:
    """A browser's end."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    async def next(self, **wanted: Any) -> Json:
        """The next frame that has these members."""
        while True:
            text = await asyncio.wait_for(self.socket.read_message(), PATIENCE)
            assert text is not None, "the socket was closed"
            frame: Json = json.loads(text)
            if all(frame.get(name) == value for name, value in wanted.items()):
                return frame

    async def call(self, number: int, name: str, **args: Any) -> Json:
        await self.socket.write_message(json.dumps({"id": number, "call": name, "args": args}))
        return await self.next(id=number)

    async def say(self, text: str | bytes) -> Json:
        await self.socket.write_message(text)
        return await self.next()


@pytest.fixture
def tab(jp_ws_fetch: Any, extension: Any) -> Open:
    async def open_tab(**options: Any) -> Tab:
        socket = await jp_ws_fetch("cobra", "runs", RUN, "channel", max_message_size=1 << 28, **options)
        return Tab(socket)

    return open_tab


async def test_a_page_of_another_origin_is_refused(
    tab: Open, jp_fetch: Any, jp_http_port: int, run_folder: Path
) -> None:
    write_run(run_folder)
    signed_in = (
        await jp_fetch("api", "status", headers={"Host": f"localhost:{jp_http_port}"})
    ).headers.get_list("Set-Cookie")
    cookie = "; ".join(part.partition(";")[0] for part in signed_in)
    with pytest.raises(HTTPClientError) as refused:
        await tab(headers={"Origin": "http://elsewhere.example", "Cookie": cookie, "Authorization": ""})
    assert refused.value.code == 403
    same = {"Origin": f"http://localhost:{jp_http_port}", "Cookie": cookie, "Authorization": ""}
    assert (await (await tab(headers=same)).next())["event"] == "detached"


async def test_an_unknown_run_has_no_channel(tab: Open) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await tab()
    assert refused.value.code == 404


async def test_a_tab_gets_the_status_with_paths_of_the_contents_api(tab: Open, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        one = await tab()
        assert await one.next() == {"event": "attached"}
        answer = (await one.call(1, "watch"))["answer"]
        assert answer["status"]["run"] == "runs/c-1"
        assert answer["log"][0]["text"] == "running"
        runner.tell_status()
        event = await one.next(event="status")
        assert event["status"]["agents"][0]["notebook"] == "runs/c-1/agent.ipynb"


async def test_operations_reach_every_tab_in_order(tab: Open, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        one, two = await tab(), await tab()
        for number, each in enumerate((one, two)):
            await each.next(event="attached")
            answer = (await each.call(number, "follow", agent="lead", client=f"tab{number}", seq=None))[
                "answer"
            ]
            assert [cell["id"] for cell in answer["notebook"]["cells"]] == ["title", "first"]
        for number in range(50):
            runner.type(f"y = {number}", f"cell{number}")
        for each in (one, two):
            seqs = [(await each.next(event="operation"))["seq"] for _ in range(50)]
            assert seqs == list(range(seqs[0], seqs[0] + 50))
        await one.call(
            9,
            "edit",
            agent="lead",
            client="tab0",
            edits=[{"edit": "source", "cell_id": "first", "text": "x = 2"}],
        )
        assert (await two.next(event="operation"))["by"] == "tab0"


async def test_a_lone_surrogate_does_not_close_the_socket(tab: Open, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        one = await tab()
        await one.next(event="attached")
        await one.call(1, "follow", agent="lead", client="tab", seq=None)
        runner.followers[0][0].write(attach.encode({"event": "operation", "seq": 9, "text": "half \ud800"}))
        text = (await one.next(event="operation"))["text"]
        assert text.encode("ascii", "backslashreplace") == b"half \\ud800"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("nonsense", "Malformed"),
        ("[1]", "Malformed"),
        ("{}", "Malformed"),
        ('{"id": true, "call": "watch"}', "Malformed"),
        ('{"id": 1, "call": "stop"}', "Malformed"),
        ('{"id": 1, "call": ["watch"]}', "Malformed"),
        ('{"id": 1, "call": "watch", "args": [1]}', "Malformed"),
        (b"\x80\x81", "Malformed"),
        ("[" * 90_000, "Malformed"),
        ('{"id": 1, "call": "follow", "args": {"agent": "nobody", "client": "t"}}', "Unknown"),
    ],
)
async def test_a_malformed_frame_gets_an_error_and_the_socket_stays_open(
    text: Any, kind: str, tab: Open, run_folder: Path
) -> None:
    async with FakeRunner(run_folder) as runner:
        one = await tab()
        await one.next(event="attached")
        if isinstance(text, bytes):
            await one.socket.write_message(text, binary=True)
            answer = await one.next()
        else:
            answer = await one.say(text)
        assert answer["error"]["kind"] == kind
        assert "answer" in await one.call(2, "watch")
        assert "stop" not in [name for name, _ in runner.calls]


async def test_a_frame_of_ten_megabytes_is_refused_and_the_socket_stays_open(
    tab: Open, run_folder: Path
) -> None:
    async with FakeRunner(run_folder):
        one = await tab()
        await one.next(event="attached")
        answer = await one.say(json.dumps({"id": 5, "call": "edit", "args": {"text": "x" * 10_000_000}}))
        assert answer == {"id": None, "error": {"kind": "TooLarge", "message": answer["error"]["message"]}}
        assert "answer" in await one.call(2, "watch")


async def test_a_big_notebook_passes(tab: Open, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        for number in range(20):
            runner.document.insert("code", "z" * 500_000, cell_id=f"big{number}")
        one = await tab()
        await one.next(event="attached")
        answer = (await one.call(1, "follow", agent="lead", client="tab", seq=None))["answer"]
        assert len(answer["notebook"]["cells"]) == 22


async def test_a_run_without_a_folder_has_a_complete_status_with_a_reason(
    tab: Open, run_folder: Path
) -> None:
    async with FakeRunner(run_folder) as runner:
        one = await tab()
        await one.next(event="attached")
        shutil.rmtree(run_folder)
        await runner.die()
        status = (await one.next(event="detached"))["status"]
    assert (status["state"], status["agents"], status["cost"], status["resumable"]) == (
        "died",
        [],
        None,
        False,
    )
    assert status["why"]
    assert set(status) == set(stored_runs._unreadable(run_folder, ""))


async def test_when_the_runner_dies_the_socket_stays_open_and_follows_the_file(
    tab: Open, run_folder: Path
) -> None:
    async with FakeRunner(run_folder) as runner:
        one = await tab()
        await one.next(event="attached")
        await runner.die()
        event = await one.next(event="detached")
        assert (event["status"]["state"], event["status"]["resumable"]) == ("died", True)
        answer = (await one.call(1, "follow", agent="lead", client="tab", seq=None))["answer"]
        assert [cell["id"] for cell in answer["notebook"]["cells"]] == ["title", "first"]
        seq = answer["seq"]
        answer = (await one.call(1, "follow", agent="lead", client="tab", seq=seq, file=True))["answer"]
        assert answer == {"seq": seq, "operations": [], "running": []}
        for wrong in ("1", True, [1]):
            assert (await one.call(1, "follow", agent="lead", client="tab", seq=wrong))["error"][
                "kind"
            ] == "Malformed"
        assert (await one.call(2, "edit", agent="lead", client="tab", edits=[]))["error"]["kind"] == "Refused"
        assert (await one.call(3, "watch"))["answer"]["status"]["run"] == "runs/c-1"
        assert (await one.call(4, "cell", agent="lead", cell_id="first"))["answer"]["cell"][
            "source"
        ] == "x = 1"
        assert (await one.call(5, "cell", agent="lead", cell_id="none"))["error"]["kind"] == "Unknown"
    async with FakeRunner(run_folder):  # a new runner
        await one.next(event="attached")
        assert "answer" in await one.call(6, "follow", agent="lead", client="tab", seq=0)


async def test_a_tab_can_follow_the_file_of_an_agent_while_the_runner_is_alive(
    tab: Open, run_folder: Path
) -> None:
    async with FakeRunner(run_folder) as runner:
        one = await tab()
        await one.next(event="attached")
        assert (await one.call(1, "follow", agent="scout", client="tab", seq=0))["error"]["kind"] == "Unknown"
        assert (await one.call(2, "follow", agent="scout", client="tab", seq=0, file=True))["error"][
            "kind"
        ] == "Unknown"
        answer = (await one.call(3, "follow", agent="lead", client="tab", seq=0, file=True))["answer"]
        assert [cell["id"] for cell in answer["notebook"]["cells"]] == ["title", "first"]
        assert not [args for _, args in runner.calls if args.get("file")]


async def test_a_tab_of_a_run_without_a_runner_gets_its_status_at_once(tab: Open, run_folder: Path) -> None:
    write_run(run_folder, state="finished")
    one = await tab()
    assert (await one.next())["status"]["state"] == "finished"


async def test_a_closed_tab_leaves_nothing_behind(tab: Open, run_folder: Path) -> None:
    async with FakeRunner(run_folder) as runner:
        one = await tab()
        await one.next(event="attached")
        await one.call(1, "follow", agent="lead", client="tab", seq=None)
        one.socket.close()
        for _ in range(100):
            if runner.followers[0][0].is_closing() or runner.followers[0][0] not in runner._writers:
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("the connection to the runner stays open")
