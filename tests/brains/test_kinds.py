"""A file is a brain: it can be asked for by its name, and is left out where its file cannot be imported."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from cobra_jupyter.brains import kinds
from cobra_jupyter.brains.choice import BrainRequest, choose
from cobra_jupyter.server import brains
from tests.fakes.gemini import KEY

ECHO = '''"""A brain that says the same each time."""

from cobra_jupyter.brains.base import Finish
from cobra_jupyter.brains.kind import Availability, BrainKind, Brains


class Echo:
    name = "echo"
    finish = Finish()

    async def reply(self, context):
        yield "## Again\\n"


BRAIN = BrainKind(
    "echo", 9, lambda request, environment, spent: Brains("echo", lambda role: (Echo(),), "asked for"),
    lambda environment: Availability(bool(environment.get("ECHO")), "set ECHO"), in_lab=True,
)
'''


def test_the_brains_there_are_in_order() -> None:
    known = ["auto", "playbook", "gemini", "transformers", "replay"]
    assert [name for name in kinds.names() if name in known] == known
    assert [name for name in kinds.names(in_lab=True) if name in known] == known[:3]
    assert all(kind.name == name for name, kind in kinds.kinds().items())


def test_a_new_file_is_a_new_brain_and_one_that_cannot_be_imported_is_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new_brains"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "echo.py").write_text(ECHO)
    (folder / "broken.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (kind,) = kinds.find("new_brains", [str(folder)])
    assert ["broken.py" in str(warning.message) for warning in caught] == [True]
    known = kinds.kinds() | {kind.name: kind}
    monkeypatch.setattr(kinds, "kinds", lambda: known)
    monkeypatch.setattr(brains, "kinds", lambda: known)
    assert kinds.names()[-1] == kinds.names(in_lab=True)[-1] == "echo"
    chosen = choose(BrainRequest("echo"), {})
    assert (chosen.kind, chosen.lead.name) == ("echo", "echo")
    assert asyncio.run(_first(chosen.lead)) == "## Again\n"
    assert choose(BrainRequest(), {"ECHO": "1"}).kind == "playbook"  # only preferred ones are taken unasked
    offered = {brain["name"]: brain for brain in brains.describe({})["brains"]}
    assert offered["echo"] == {"name": "echo", "ready": False, "why": "set ECHO"}


async def _first(brain: Any) -> str:
    return str(await anext(aiter(brain.reply(None))))


def test_the_lab_is_told_which_brains_are_ready_and_why_not() -> None:
    assert brains.describe({"GEMINI_API_KEY": KEY}) == {
        "default": "gemini",
        "brains": [
            {"name": "gemini", "ready": True, "why": "a key is set"},
            {
                "name": "playbook",
                "ready": True,
                "why": "needs no key: general recipes, without a language model",
            },
        ],
    }
    without = brains.describe({})
    assert without["default"] == "playbook"
    assert without["brains"][0]["why"].startswith("gemini needs a key: set GEMINI_API_KEY")
    wrong = brains.describe({"GEMINI_API_KEY": "two\nlines"})
    assert (wrong["default"], wrong["brains"][0]["ready"]) == ("playbook", False)
    assert "two" not in wrong["brains"][0]["why"]


def test_to_name_the_brains_imports_none_of_them() -> None:
    heavy = ["numpy", "google.genai", "cobra_jupyter.brains.playbook", "cobra_jupyter.brains.gemini", "torch"]
    code = (
        "import sys; from cobra_jupyter.brains import kinds; kinds.names();"
        f" print([m for m in {heavy} if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
