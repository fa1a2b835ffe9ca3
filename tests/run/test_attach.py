"""How a running run is found and called."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.records.ledger import Ledger
from cobra_jupyter.run import attach, registry
from cobra_jupyter.run.attach import AttachError, Attachment
from cobra_jupyter.run.registry import Entry
from tests.patience import PATIENCE

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return tmp_path / "runtime" / "cobra"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a path that is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="cobra-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def entry(folder: Path, name: str = "run", **more: Any) -> Entry:
    run = folder / name
    run.mkdir(exist_ok=True)
    facts = {"id": name, "run": run, "pid": 1, "socket": folder / "s", "token": "secret", **more}
    return Entry(**facts)


# ---- the registry


def test_a_running_run_is_found_and_its_entry_is_private(tmp_path: Path, place: Path) -> None:
    mine = entry(tmp_path)
    ledger = Ledger(mine.run / "ledger.jsonl")
    path = registry.register(mine)
    assert registry.entries() == [mine]
    assert registry.find(mine.run) == mine
    assert registry.find(tmp_path) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert list(place.iterdir()) == [path]
    ledger.close()


def test_a_run_is_found_by_any_path_to_its_folder(tmp_path: Path) -> None:
    mine = entry(tmp_path)
    ledger = Ledger(mine.run / "ledger.jsonl")
    registry.register(mine)
    (tmp_path / "link").symlink_to(mine.run)
    assert registry.find(tmp_path / "link") == mine
    ledger.close()


def test_entries_of_dead_runners_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    living, dead, gone = (entry(tmp_path, name, pid=ended.pid) for name in ("living", "dead", "gone"))
    ledger = Ledger(living.run / "ledger.jsonl")
    Ledger(dead.run / "ledger.jsonl").close()
    places = [registry.register(each) for each in (living, dead, gone)]
    assert registry.entries() == [living]
    assert [place.exists() for place in places] == [True, False, False]
    ledger.close()


def test_a_run_whose_folder_is_away_for_an_instant_stays_registered(tmp_path: Path) -> None:
    mine = entry(tmp_path, pid=os.getpid())
    ledger = Ledger(mine.run / "ledger.jsonl")
    registry.register(mine)
    away = mine.run.rename(tmp_path / "away")
    assert registry.entries() == []
    away.rename(mine.run)
    assert registry.entries() == [mine]
    ledger.close()


def test_a_run_that_registers_again_is_there_once_with_its_new_token(tmp_path: Path) -> None:
    ledger = Ledger(entry(tmp_path).run / "ledger.jsonl")
    for token in ("old", "new"):
        registry.register(entry(tmp_path, token=token))
    assert [each.token for each in registry.entries()] == ["new"]
    ledger.close()


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", "null", "{}", '{"id": "x", "pid": "many"}', "[" * 10**5]
)
def test_a_file_that_is_no_entry_hides_no_other(tmp_path: Path, place: Path, text: str) -> None:
    ledger = Ledger(entry(tmp_path).run / "ledger.jsonl")
    registry.register(entry(tmp_path))
    (place / "0.json").write_text(text)
    assert [each.id for each in registry.entries()] == ["run"]
    ledger.close()


def test_without_any_run_nothing_is_found() -> None:
    assert registry.entries() == []


def test_a_run_keeps_its_recorded_id_or_gets_one_from_its_path(tmp_path: Path) -> None:
    assert len(registry.identity(tmp_path)) == 12
    assert registry.identity(tmp_path) == registry.identity(tmp_path / "x" / "..")
    assert registry.identity(tmp_path) != registry.identity(tmp_path / "x")
    (tmp_path / "run.json").write_text('{"id": "0123456789ab"}')
    assert registry.identity(tmp_path) == "0123456789ab"
    for wrong in ("[]", "no json", '{"id": null}'):
        (tmp_path / "run.json").write_text(wrong)
        assert len(registry.identity(tmp_path)) == 12


# ---- frames


def frames(*parts: bytes) -> list[Json | str]:
    """The messages that a reader gets from bytes, one piece at a time."""

    async def inside() -> list[Json | str]:
        reader, found = asyncio.StreamReader(), list[Json | str]()
        for part in parts:
            reader.feed_data(part)
        reader.feed_eof()
        while True:
            try:
                found.append(await attach.read_frame(reader))
            except AttachError as error:
                found.append(error.kind)
            except EOFError:
                return found

    return asyncio.run(inside())


def framed(body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + body


def test_frames_are_read_as_they_were_written_however_they_arrive() -> None:
    messages: list[Json] = [{}, {"text": "naïve ☃ \ud800 \x00"}, {"x": "y" * 100_000, "n": [1, 2.5, None]}]
    whole = b"".join(map(attach.encode, messages))
    assert frames(whole) == messages
    assert frames(*(whole[i : i + 7] for i in range(0, len(whole), 7))) == messages


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[1]", b"5", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": 1']
)
def test_a_frame_that_cannot_be_read_spoils_no_other(body: bytes) -> None:
    good = {"id": 1}
    assert frames(framed(body) + attach.encode(good)) == ["Malformed", good]


def test_a_stream_cut_off_ends() -> None:
    good = {"id": 1}
    for cut in (b"\x00", attach.encode(good)[:-1], struct.pack("!I", attach.MAX_FRAME + 1) + b"x"):
        assert frames(attach.encode(good) + cut) == [good]


def test_invalid_or_too_long_messages_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="JSON"):
        attach.encode({"x": float("nan")})
    monkeypatch.setattr(attach, "MAX_FRAME", 100)
    with pytest.raises(ValueError, match="longer than"):
        attach.encode({"x": "y" * 100})


# ---- the attacher's end

Answer = Callable[[Json, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def runner(folder: Path, answer: Answer) -> AsyncIterator[Entry]:
    """A socket that calls `answer` with each frame after the first, the token."""
    mine = entry(folder)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            assert await attach.read_frame(reader) == {"token": "secret"}
            while not writer.is_closing():
                await answer(await attach.read_frame(reader), writer)
        writer.close()

    server = await asyncio.start_unix_server(serve, str(mine.socket))
    try:
        yield mine
    finally:
        server.close()


async def echo(frame: Json, writer: asyncio.StreamWriter) -> None:
    if frame["call"] == "fail":
        writer.write(attach.encode({"id": frame["id"], "error": {"kind": "Refused", "message": "no"}}))
        return
    for number in range(3):
        writer.write(attach.encode({"event": "log", "number": number}))
    writer.write(attach.encode({"id": frame["id"], "answer": {"args": frame["args"]}}))


async def hang_up(frame: Json, writer: asyncio.StreamWriter) -> None:
    writer.write(attach.encode({"id": frame["id"], "answer": {"long": "x" * 100}})[:50])
    writer.close()


async def babble(frame: Json, writer: asyncio.StreamWriter) -> None:
    writer.write(framed(b"no json"))


def test_calls_are_answered_and_events_come_in_order_before_the_answer(short: Path) -> None:
    async def scenario() -> None:
        async with runner(short, echo) as mine:
            attached, events = await Attachment.open(mine), list[Json]()
            end = attached.subscribe(events.append)
            assert await attached.call("cell", agent="lead") == {"args": {"agent": "lead"}}
            assert [event["number"] for event in events] == [0, 1, 2]
            end()
            end()
            answers = await asyncio.gather(*(attached.call("cell", n=n) for n in range(20)))
            assert [answer["args"]["n"] for answer in answers] == list(range(20))
            assert len(events) == 3
            with pytest.raises(AttachError, match="no") as caught:
                await attached.call("fail")
            assert caught.value.kind == "Refused"
            assert await attached.call("cell") == {"args": {}}
            await attached.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("answer", [hang_up, babble])
def test_a_runner_that_goes_or_babbles_is_gone_for_all_calls(short: Path, answer: Answer) -> None:
    async def scenario() -> None:
        async with runner(short, answer) as mine:
            attached = await Attachment.open(mine)
            answers = await asyncio.gather(*(attached.call("x") for _ in range(3)), return_exceptions=True)
            answers += await asyncio.gather(attached.call("later"), return_exceptions=True)
            assert [getattr(each, "kind", None) for each in answers] == ["Gone"] * 4
            assert attached.closed.is_set()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_an_attachment_that_is_closed_answers_no_more(short: Path) -> None:
    async def silent(frame: Json, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0)

    async def scenario() -> None:
        async with runner(short, silent) as mine:
            attached = await Attachment.open(mine)
            call = asyncio.ensure_future(attached.call("x"))
            await asyncio.sleep(0.05)
            await attached.close()
            with pytest.raises(AttachError) as caught:
                await call
            assert caught.value.kind == "Gone"

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_if_nobody_listens_the_runner_is_gone(short: Path) -> None:
    with pytest.raises(AttachError, match="gone") as caught:
        asyncio.run(Attachment.open(entry(short)))
    assert caught.value.kind == "Gone"
    with pytest.raises(AttachError) as asked:
        attach.ask(entry(short), "status")
    assert asked.value.kind == "Gone"


def asked(folder: Path, answer: Answer, call: str = "cell", **more: Any) -> Json:
    async def scenario() -> Json:
        async with runner(folder, answer) as mine:
            return await asyncio.to_thread(attach.ask, mine, call, **more)

    return asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_a_question_without_an_event_loop_is_answered(short: Path) -> None:
    assert asked(short, echo, agent="lead") == {"args": {"agent": "lead"}}
    with pytest.raises(AttachError, match="no") as caught:
        asked(short, echo, "fail")
    assert caught.value.kind == "Refused"


async def silence(frame: Json, writer: asyncio.StreamWriter) -> None:
    writer.write(attach.encode({"event": "log"}))


@pytest.mark.parametrize(("answer", "kind"), [(hang_up, "Gone"), (silence, "Busy"), (babble, "Malformed")])
def test_an_unanswered_question_is_an_error(short: Path, answer: Answer, kind: str) -> None:
    with pytest.raises(AttachError) as caught:
        asked(short, answer, seconds=0.5 if answer is silence else 10)
    assert caught.value.kind == kind


def test_the_registrys_file_says_where_to_attach(tmp_path: Path) -> None:
    data = json.loads(registry.register(entry(tmp_path)).read_text())
    assert set(data) == {"id", "run", "pid", "socket", "token"}
