"""IPython shells that run cells in threads beside each other, and say what the cells show."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import joblib
from ipykernel.jsonutil import encode_images, json_clean
from IPython.core.display_trap import DisplayTrap
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from traitlets.config import Config

from tests.inprocess import threads

Say = Callable[[str, dict[str, Any]], None]  # a message of the kernel: its type, its content
_here = threading.local()


class _Publisher(DisplayPublisher):
    def publish(
        self,
        data: Any,
        metadata: Any = None,
        *args: Any,
        transient: Any = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        kind = "update_display_data" if update else "display_data"
        self.shell.say(
            kind,
            {
                "data": json_clean(encode_images(data)),
                "metadata": json_clean(metadata or {}),
                "transient": transient or {},
            },
        )

    def clear_output(self, wait: bool = False) -> None:
        self.shell.say("clear_output", {"wait": wait})


class _Hook(DisplayHook):
    def write_output_prompt(self) -> None:
        """It is part of the message."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        self.shell.say(
            "execute_result",
            {
                "data": json_clean(encode_images(format_dict)),
                "metadata": json_clean(md_dict or {}),
                "execution_count": self.prompt_count,
            },
        )

    def finish_displayhook(self) -> None:
        """There is no prompt to end."""


class _NoTrap(DisplayTrap):
    """Values go to their shell without a change of `sys.displayhook` for each cell; see `shells`."""

    def set(self) -> None: ...

    def unset(self) -> None: ...


class Shell(InteractiveShell):
    """`cobra_socket`: where `cobra` of this shell finds its harness."""

    def __init__(self, cobra_socket: str) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        self._say: Say = lambda kind, content: None
        self._text: dict[str, str] = {}
        super().__init__(
            config=config,
            user_module=ModuleType("__main__"),
            display_pub_class=_Publisher,
            displayhook_class=_Hook,
        )
        self.cobra_socket = cobra_socket
        self.builtin_trap.auto_builtins = {}  # they would belong to all shells
        self.push({"display": display}, interactive=False)

    def init_sys_modules(self) -> None:
        """This process has a main module already."""

    def init_displayhook(self) -> None:
        super().init_displayhook()
        self.display_trap = _NoTrap(hook=self.displayhook)

    def say(self, kind: str, content: dict[str, Any]) -> None:
        self._flush()
        self._say(kind, content)

    def run(self, code: str, say: Say) -> Any:
        """Run a cell in this thread. → IPython's result; None where an interrupt met IPython's own lines."""
        self._say, before = say, getattr(_here, "shell", None)
        _here.shell = self
        say("execute_input", {"code": code, "execution_count": self.execution_count})
        try:
            with threads.listening(self._print), joblib.parallel_config(backend="sequential"):
                return self.run_cell(code, store_history=True)
        except KeyboardInterrupt:
            return None
        finally:
            _here.shell = before
            self._flush()

    def _print(self, name: str, text: str) -> None:
        """Lines are said when they are whole."""
        if self._text and name not in self._text:
            self._flush()
        self._text[name] = self._text.get(name, "") + text
        if "\n" in text:
            self._flush()

    def _flush(self) -> None:
        text, self._text = self._text, {}
        for name, whole in text.items():
            self._say("stream", {"name": name, "text": whole})

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        lines = stb if isinstance(stb, list) else [str(stb)]
        self.say("error", {"ename": etype.__name__, "evalue": str(evalue), "traceback": lines})
        self.last_traceback = tuple(lines)

    def close(self) -> None:
        """Let go of what the cells made."""
        cobra = self.user_ns.get("cobra")
        peer = getattr(cobra, "_peer", None)
        if peer is not None:
            peer.close()
        atexit.unregister(self.atexit_operations)
        self.user_ns.clear()


_users = 0
_lock = threading.Lock()
_displayhook: Any = None


@contextlib.contextmanager
def shells() -> Iterator[None]:
    """Within, what code asks of IPython (`display`, `get_ipython`) concerns the shell whose cell this thread
    runs."""
    global _users, _displayhook
    with _lock:
        _users += 1
        if _users == 1:
            _displayhook, sys.displayhook = sys.displayhook, _show_value
            InteractiveShell.instance = classmethod(_instance)  # type: ignore[method-assign]
            InteractiveShell.initialized = classmethod(_initialized)  # type: ignore[method-assign]
    try:
        with threads.streams():
            yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                sys.displayhook = _displayhook
                del InteractiveShell.instance, InteractiveShell.initialized


def _show_value(value: Any) -> None:
    shell = getattr(_here, "shell", None)
    (shell.displayhook if shell else _displayhook)(value)


def _instance(cls: type, *args: Any, **kwargs: Any) -> Any:
    shell = getattr(_here, "shell", None)
    return shell or super(InteractiveShell, cls).instance(*args, **kwargs)


def _initialized(cls: type) -> bool:
    return getattr(_here, "shell", None) is not None or bool(super(InteractiveShell, cls).initialized())
