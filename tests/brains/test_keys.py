"""A model's key is in nobody's environment: not in this process's, nor in that of what it starts."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest

from cobra_jupyter.brains import keys
from cobra_jupyter.cli import main as cli
from cobra_jupyter.run.runner import _secrets

KEY = "AIza-test-key-that-is-secret"
LOOK = """
import sys
from pathlib import Path
from cobra_jupyter.brains import keys
sys.argv = ["cobra"]
{start}
found = keys.take()
print(found.get("GEMINI_API_KEY") == "AIza-test-key-that-" + "is-secret")
print(b"that-" + b"is-secret" in Path("/proc/self/environ").read_bytes())
print(b"that-" + b"is-secret" in Path("/proc/self/cmdline").read_bytes())
"""


def test_keys_are_taken_once_and_are_gone_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert keys.take() == {"GEMINI_API_KEY": KEY}
    assert "GEMINI_API_KEY" not in os.environ
    assert keys.take() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_command_starts_anew_with_its_key_in_a_pipe() -> None:
    start = LOOK.format(start="")
    code = (
        "import os, sys\nfrom cobra_jupyter.brains import keys\n"
        "real = os.execve\n"
        "os.execve = lambda path, words, env: real(path, [path, '-c', LOOK], env)\n"
        "keys.start_anew()"
    ).replace("LOOK", repr(start))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "GEMINI_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["True", "False", "False"], done.stderr


@pytest.mark.parametrize(
    "words", [("status", "no-run"), ("verify", "no-run"), ("export", "no-run"), ("resume", "no-run")]
)
def test_every_command_closes_the_pipe_and_leaves_no_key_behind(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    os.write(writer, json.dumps({"GEMINI_API_KEY": KEY}).encode())
    os.close(writer)
    monkeypatch.setenv(keys.PIPE, str(reader))
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    assert cli.main(words) == cli.BAD_INPUT
    assert not {keys.PIPE, "GOOGLE_API_KEY"} & set(os.environ)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(reader)


def test_a_region_named_global_is_no_secret_that_a_record_could_not_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "global")
    monkeypatch.setenv("WANDB_API_KEY", "wandb-secret")
    found = _secrets()
    assert "global" not in found
    assert "wandb-secret" in found
