"""A TCP relay in front of a server: a network that can be cut, or a proxy that serves under another port."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Listens on `port` and passes everything on to `target`, until it is cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        self.refused: list[str] = []  # the paths that were asked for since it was cut
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks; new ones are refused."""
        self.refused = []
        self._whole.clear()
        for sock in list(self._open):
            self._shut(sock)

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self.cut()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if not self._whole.is_set():
                    threading.Thread(target=self._refuse, args=(near,), daemon=True).start()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self._open |= {near, far}
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _refuse(self, near: socket.socket) -> None:
        """Close a connection, once it has said what it was for."""
        with contextlib.suppress(OSError):
            near.settimeout(1)
            words = near.recv(65_536).split(b" ", 2)
            self.refused.append(words[1].decode("latin-1") if len(words) > 1 else "")
        near.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        self._shut(source)
        self._shut(sink)

    def _shut(self, sock: socket.socket) -> None:
        self._open.discard(sock)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
