"""A loopback server that speaks Gemini's REST wire format: `python -m tests.fakes.gemini SCRIPT --port N
[--fault …]`.

It answers streamGenerateContent (server-sent events), generateContent, countTokens and models.get below /v1,
/v1beta and Vertex AI's paths, checks the key, records every request, and fails as told. Faults, `NAME
option=value`:

429 [retry-after=S]  429-day  500 502 503 504  400 401 403 404  bad-key          an error, as JSON slow
[seconds=S]               the answer begins late stall [after=N] [seconds=S]    nothing more after N pieces
reset [after=N]   the connection is reset cut [after=N]                  it ends before it is whole       torn
[after=N]    it ends within a line garbage [after=N]              a line that is no JSON           error
[after=N]   an error within the stream empty   blocked                no candidates; the prompt is blocked
SAFETY, MAX_TOKENS, …          half of the reply, ended by that reason (nothing of it where it was filtered)
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fakes.script import Fault, Reply, Script, fault
from tests.fakes.wire import STATUS, Manner, Request, chunks_of, error_of, joined

KEY = "AIza-fake-key-0123456789"
MODELS = ("gemini-3.1-pro-preview", "gemini-3-flash-preview")
CACHED_FROM = 1_024  # tokens that a cache takes up
_PATH = re.compile(r"/models/(?P<model>[\w.-]+)(?::(?P<method>\w+))?$")


class FakeGemini:
    """Serves while it is entered."""

    def __init__(
        self,
        script: Script | None = None,
        key: str = KEY,
        models: tuple[str, ...] = MODELS,
        pace: float = 0.0,
        size: int = 24,
        stamp: bool = False,
        port: int = 0,
    ) -> None:
        self.script, self.key, self.models = script or Script([]), key, models
        self.manner = Manner(pace, size, stamp)
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._faults: list[tuple[int, int | None, Fault]] = []
        self._generated = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeGemini:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def fail(self, words: str, first: int = 1, last: int | None = 1) -> FakeGemini:
        """Requests for replies from the `first` to the `last` (None: all that come) meet this fault."""
        self._faults.append((first, last, fault(words)))
        return self

    @property
    def asked(self) -> list[Request]:
        """Requests for replies."""
        return [request for request in self.requests if "enerateContent" in request.path]

    def fate(self, request: Request) -> tuple[Fault | None, Reply]:
        """What becomes of a request for a reply."""
        with self._lock:
            self._generated += 1
            number = self._generated
        for first, last, found in self._faults:
            if first <= number and (last is None or number <= last):
                return found, Reply(request.role, "fault", "Half a reply, and no more of it.\n")
        return self.script.next(request.role)

    def cached(self, request: Request) -> int:
        """Tokens at the start that the latest request to this model had too."""
        before = [r for r in self.asked if r.model == request.model and r is not request]
        if not before:
            return 0
        old, new = "".join(before[-1].texts), "".join(request.texts)
        same = next(
            (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
        )
        return same // 4 if same // 4 >= CACHED_FROM else 0


class _Torn(Exception):  # noqa: N818
    """The connection ends here."""


def _handler(fake: FakeGemini) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_of = fake

    return Handler


class _Handler(BaseHTTPRequestHandler):
    server_of: FakeGemini
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        found = _PATH.search(self.path.partition("?")[0])
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method, self.path, found["model"] if found else "", headers, body)
        self.server_of.requests.append(request)
        try:
            self._route(request, found["method"] if found else None)
        except (_Torn, ConnectionError):
            self.close_connection = True

    def _route(self, request: Request, method: str | None) -> None:
        fake = self.server_of
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if fake.key not in (request.headers.get("x-goog-api-key"), bearer):
            self._error(Fault("bad-key"), request)
        elif request.model not in fake.models:
            self._error(Fault("404"), request)
        elif method == "countTokens":
            self._json(200, {"totalTokens": max(1, request.tokens)})
        elif method in ("streamGenerateContent", "generateContent"):
            self._generate(request, method == "streamGenerateContent")
        else:
            self._json(
                200,
                {"name": f"models/{request.model}", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536},
            )

    # ---- answers

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _error(self, fault: Fault, request: Request) -> None:
        given = request.headers.get("x-goog-api-key", self.server_of.key)
        body, headers = error_of(fault, request.model, given)
        self._json(int(body["error"]["code"]), body, headers)

    def _generate(self, request: Request, stream: bool) -> None:
        fate, reply = self.server_of.fate(request)
        name = fate.name if fate else ""
        object.__setattr__(request, "fault", name)
        if fate and (name == "bad-key" or name[:3] in STATUS):
            self._error(fate, request)
            return
        if fate and name == "slow":
            self.server_of.closing.wait(fate.number("seconds", 3_600))
            fate = None
        fake = self.server_of
        chunks = chunks_of(request, reply, fate, replace(fake.manner, cached=fake.cached(request)))
        if not stream:
            self._json(200, joined(list(chunks)))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._stream(chunks, fate)
        self.wfile.write(b"0\r\n\r\n")

    def _stream(self, chunks: Iterator[dict[str, Any]], fate: Fault | None) -> None:
        if fate is None:
            for chunk in chunks:
                self._event(json.dumps(chunk))
            return
        pieces = list(chunks)
        after = min(int(fate.number("after", 2)), len(pieces) - 1)
        for number, chunk in enumerate(pieces):
            if number == after and self._breaks(fate):
                return
            self._event(json.dumps(chunk))

    def _event(self, text: str) -> None:
        data = f"data: {text}\r\n\r\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _breaks(self, fate: Fault) -> bool:
        """Do to a stream what the fault says. → whether it ends here."""
        if fate.name == "stall":
            self.server_of.closing.wait(fate.number("seconds", 3_600))
            raise _Torn
        if fate.name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            raise _Torn
        if fate.name == "torn":
            self.wfile.write(b'14\r\ndata: {"candidates":\r\n')
            raise _Torn
        if fate.name == "garbage":
            self._event('{"candidates": [{"content": what?')
        if fate.name == "error":
            self._event(json.dumps(error_of(Fault("503"), "", "")[0]))
        return fate.name in ("cut", "garbage", "error")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("script", type=Path, nargs="?", help="a session: see tests/fakes/script.py")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between pieces")
    parser.add_argument("--size", type=int, default=24, help="characters of a piece")
    parser.add_argument("--stamp", action="store_true", help="@ becomes the moment it leaves")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="'FAULT [option=value …][@FIRST[-[LAST]]]'",
        help="of the requests with these numbers (default: the first);"
        " '503@3-5', 'stall after=4@2', '500@4-'",
    )
    chosen = parser.parse_args()
    script = Script.read(chosen.script) if chosen.script else None
    fake = FakeGemini(
        script, chosen.key, pace=chosen.pace, size=chosen.size, stamp=chosen.stamp, port=chosen.port
    )
    for words in chosen.fault:
        name, _, span = words.partition("@")
        first, dash, last = (span or "1").partition("-")
        fake.fail(name, int(first), int(last) if last else (None if dash else int(first)))
    with fake:
        print(fake.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
