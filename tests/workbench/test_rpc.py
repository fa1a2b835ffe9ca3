"""Frames and calls over a pair of sockets."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cobra_jupyter.workbench import rpc
from cobra_jupyter.workbench.rpc import Call, CallError, ConnectionLost, Peer
from tests.patience import PATIENCE


def serve(call: Call, name: str, args: dict[str, Any]) -> Any:
    if name == "echo":
        return args
    if name == "count":
        for number in range(3):
            call.progress(number=number)
        return "done"
    if name == "wait":
        return call.cancelled.wait(10)
    if name == "nan":
        return float("nan")
    raise KeyError(f"there is no {name}")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = socket.socketpair()
    yield pair
    for end in pair:
        end.close()


@pytest.fixture
def caller(ends: tuple[socket.socket, socket.socket]) -> Iterator[Peer]:
    Peer(ends[0], serve)
    peer = Peer(ends[1])
    yield peer
    peer.close()


def test_a_call_is_answered(caller: Peer) -> None:
    assert caller.call("echo", {"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}


def test_progress_arrives_before_the_answer(caller: Peer) -> None:
    news: list[Any] = []
    assert caller.call("count", on_progress=news.append) == "done"
    assert news == [{"number": 0}, {"number": 1}, {"number": 2}]


def test_calls_run_beside_each_other(caller: Peer) -> None:
    def wait() -> None:
        with contextlib.suppress(ConnectionLost):
            caller.call("wait")

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    assert caller.call("echo", {"b": 1}) == {"b": 1}
    assert waiting.is_alive()


def test_a_failure_travels_with_its_kind_and_words(caller: Peer) -> None:
    with pytest.raises(CallError, match=r"^there is no thing$") as failed:
        caller.call("thing")
    assert failed.value.kind == "KeyError"


def test_an_answer_that_is_no_json_is_an_error_not_silence(caller: Peer) -> None:
    with pytest.raises(CallError):
        caller.call("nan")


def test_an_interrupt_cancels_the_call_at_the_other_end(ends: tuple[socket.socket, socket.socket]) -> None:
    seen = threading.Event()

    def handler(call: Call, name: str, args: dict[str, Any]) -> Any:
        call.progress(started=True)
        if call.cancelled.wait(10):
            seen.set()

    def interrupt(news: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    Peer(ends[0], handler)
    with pytest.raises(KeyboardInterrupt):
        Peer(ends[1]).call("long", on_progress=interrupt)
    assert seen.wait(PATIENCE)


def test_an_interrupt_that_another_thread_takes_cancels_the_call_too(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ended: list[bool] = []

    def wait(call: Call, name: str, args: dict[str, Any]) -> None:
        ended.append(call.cancelled.wait(10))

    def take() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    Peer(ends[0], wait)
    peer = Peer(ends[1])
    threading.Timer(0.3, take).start()
    with pytest.raises(KeyboardInterrupt):
        peer.call("wait")
    while not ended:
        time.sleep(0.01)
    assert ended == [True]
    peer.close()


def test_the_end_of_the_other_side_is_told_to_who_waits(ends: tuple[socket.socket, socket.socket]) -> None:
    server = Peer(ends[0], serve)
    caller = Peer(ends[1])
    threading.Timer(0.1, server.close).start()
    with pytest.raises(ConnectionLost):
        caller.call("wait")
    with pytest.raises(ConnectionLost):
        caller.call("echo")


def test_calls_of_a_lost_caller_are_cancelled(ends: tuple[socket.socket, socket.socket]) -> None:
    cancelled = threading.Event()

    def handler(call: Call, name: str, args: dict[str, Any]) -> None:
        if call.cancelled.wait(10):
            cancelled.set()

    Peer(ends[0], handler)
    ends[1].sendall(rpc.encode({"id": 1, "call": "x"}))
    time.sleep(0.05)
    ends[1].close()
    assert cancelled.wait(PATIENCE)


def framed(body: bytes, size: int | None = None) -> bytes:
    return struct.pack("!I", len(body) if size is None else size) + body


MALFORMED = {
    "not JSON": framed(b"{nonsense"),
    "not an object": framed(b"[1, 2]"),
    "a number": framed(b"7"),
    "not UTF-8": framed(b"\xff\xfe\xfd"),
    "too long": framed(b"", 2**31),
    "deep": framed(b"[" * 100_000),
    "no number": framed(b'{"call": "echo"}'),
    "odd number": framed(b'{"id": [1], "call": "echo"}'),
    "odd cancel": framed(b'{"cancel": {"a": 1}}'),
    "odd answer": framed(b'{"id": {}, "result": 1}'),
    "a number twice": framed(b'{"id": 1, "call": "wait"}') * 2,
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_frame_drops_the_connection(ends: tuple[socket.socket, socket.socket], what: str) -> None:
    peer = Peer(ends[0], serve)
    ends[1].sendall(MALFORMED[what])
    ends[1].settimeout(PATIENCE)
    assert ends[1].recv(1000) == b""
    assert peer.closed.wait(PATIENCE)


def test_an_answer_nobody_waits_for_is_ignored(ends: tuple[socket.socket, socket.socket]) -> None:
    Peer(ends[0], serve)
    for forged in ({"id": 1, "result": 5}, {"id": 9, "error": {}}, {"id": 2, "progress": {}}, {"cancel": 4}):
        ends[1].sendall(rpc.encode(forged))
    ends[1].sendall(rpc.encode({"id": 1, "call": "echo", "args": {"x": 1}}))
    assert rpc.read(ends[1]) == {"id": 1, "result": {"x": 1}}


def test_a_message_with_infinities_or_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        rpc.encode({"x": float("inf")})
    with pytest.raises(ValueError, match="longer than"):
        rpc.encode({"x": "a" * (rpc.MAX_FRAME + 1)})
    assert json.loads(rpc.encode({"x": 1})[4:]) == {"x": 1}
