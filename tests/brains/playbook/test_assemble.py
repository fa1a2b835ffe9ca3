"""Recipes become self-contained cells, and a new file is a new recipe."""

from __future__ import annotations

import ast
import symtable
import warnings
from importlib import import_module
from pathlib import Path

import pytest

from cobra_jupyter.brains.playbook import recipes
from cobra_jupyter.brains.playbook.assemble import WIDTH, AssemblyError, assemble, read
from cobra_jupyter.brains.playbook.recipes import RECIPES, find, shared_source

FOLDER = Path(recipes.__file__).parent
SHARED = [path.stem for path in sorted((FOLDER / "shared").glob("*.py")) if path.stem != "__init__"]
CELLS = {recipe.name: recipe.source for recipe in RECIPES} | {name: shared_source(name) for name in SHARED}
ASKED_FOR = {"FACTORS", "NOTES", "fit", "predict", "make"}  # by the harness
each_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
PARTS = "cobra_jupyter.brains.playbook.recipes.parts"


def part(name: str) -> str:
    """Small parts: `far` uses `near`."""
    return {
        "near": '"""Near things."""\n\nimport math\n\nSIZE = 3\n\n\n# why it is there\ndef near(x):\n'
        '    """Docs."""\n    return math.floor(x) + SIZE\n\n\ndef idle():\n    return SIZE\n',
        "far": f'"""Far things."""\n\nfrom zlib import crc32\n\nfrom {PARTS}.near import idle, near\n\n\n'
        "def far(x):\n    return near(crc32(x))\n\n\ndef unused():\n    idle = far\n    return idle\n",
    }[name]


RECIPE = f'''"""A recipe."""

from __future__ import annotations

import math
from typing import Any

from cobra_jupyter.brains.playbook.recipe import Recipe
from {PARTS}.far import far

RECIPE = Recipe(order=1, cost=1, share=0.1)
FACTORS = {{"a": [1]}}


def fit(train: Any, ctx: Any) -> Any:
    return far(b"x")
'''


# ---- every cell there is


@each_cell
def test_a_cell_needs_nothing_of_the_package(cell: str) -> None:
    assert "cobra_jupyter" not in cell
    compile(cell, "<cell>", "exec")
    unknown = _read_names(cell) - _defined(cell) - set(dir(__import__("builtins")))
    assert unknown == set()


@each_cell
def test_a_cell_has_no_part_and_no_import_that_it_does_not_use(cell: str) -> None:
    unused = []
    for node in ast.parse(cell).body:
        names = _bound(node) - ASKED_FOR - {"annotations"}
        rest = "\n".join(ast.unparse(other) for other in ast.parse(cell).body if other is not node)
        unused += sorted(names - _read_names(rest))
    assert unused == []


@each_cell
def test_the_lines_of_a_cell_fit_the_page(cell: str) -> None:
    assert [line for line in cell.splitlines() if len(line) > WIDTH] == []
    assert cell.endswith("\n")
    assert not cell.endswith("\n\n")
    assert "\n\n\n\n" not in cell


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_a_module_and_what_it_says_of_itself_is_read_without_running_it(recipe) -> None:
    module = import_module(f"cobra_jupyter.brains.playbook.recipes.{recipe.name}")
    assert callable(module.fit)
    assert callable(module.predict)
    assert (recipe.factors, recipe.notes) == (module.FACTORS, module.NOTES)
    assert module.RECIPE.order == recipe.order
    assert list(recipe.notes) == list(recipe.factors)
    assert {level for levels in (recipe.classes_only or {}).values() for level in levels} <= {
        level for levels in recipe.factors.values() for level in levels
    }
    assert set(recipe.numbers_only) | set(recipe.classes_only or {}) <= set(recipe.factors)
    assert set(recipe.needs) | set(recipe.shared) <= set(SHARED)


def test_recipes_are_sorted_by_prior_and_their_shares_leave_time() -> None:
    known = [
        "boosting",
        "text_boosting",
        "text_bayes",
        "text_linear",
        "transformer",
        "trees",
        "linear",
        "neighbours",
    ]
    assert [recipe.name for recipe in RECIPES if recipe.name in known] == known
    assert sum(recipe.share for recipe in RECIPES) < 1


def test_every_module_of_the_folder_is_registered() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert {recipe.name for recipe in RECIPES} == modules


def test_shared_code_is_written_once() -> None:
    written: dict[str, list[str]] = {}
    for path in FOLDER.rglob("*.py"):
        for statement in read(path.read_text()).statements if path.stem != "__init__" else ():
            if not statement.constant:
                written.setdefault(statement.text, []).append(path.stem)
    assert {text: where for text, where in written.items() if len(where) > 1} == {}


# ---- the assembler


def test_only_what_is_used_is_written_out_with_its_comments_in_the_order_of_dependencies() -> None:
    cell = assemble(RECIPE, part)
    assert cell.startswith(
        '"""A recipe."""\n\nfrom __future__ import annotations\n\n'
        "import math\nfrom typing import Any\nfrom zlib import crc32\n\n"
        'SIZE = 3\nFACTORS = {"a": [1]}\n\n\ndef fit('
    )
    first, second = cell.index("# ---- Near things -"), cell.index("# ---- Far things -")
    assert (
        first
        < cell.index('# why it is there\ndef near(x):\n    """Docs."""')
        < second
        < cell.index("def far")
    )
    assert "idle" not in cell  # a local variable of that name is no use of it
    assert "unused" not in cell
    assert "RECIPE" not in cell
    assert cell == assemble(RECIPE, part)
    space: dict[str, object] = {}
    exec(cell, space)
    assert space["far"](b"") == 3  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("import math\n", "import math\nfrom cobra_jupyter.records import ledger\n"),
            "not of cobra_jupyter.records",
        ),
        (("import far\n", "import far as other\n"), "keeps its name"),
        (("import far\n", "import missing\n"), None),
        (("def fit", "def near(x):\n    return x\n\n\ndef fit"), "two definitions of near"),
        (("def fit", "print(1)\n\n\ndef fit"), "definitions alone"),
    ],
)
def test_what_no_cell_can_do_is_refused(change: tuple[str, str], words: str | None) -> None:
    source = RECIPE.replace(*change)
    if words is None:
        source, words = source.replace("far(b", "missing(b"), "the part far has no missing"
    with pytest.raises(AssemblyError, match=words):
        assemble(source, part)


# ---- the registry


def test_a_new_file_is_a_new_recipe_and_one_that_cannot_be_read_is_left_out_with_a_warning(
    tmp_path: Path,
) -> None:
    text = RECIPE.replace(f"from {PARTS}.far import far\n", "").replace('far(b"x")', "0.5")
    (tmp_path / "second.py").write_text(text.replace("order=1", "order=2") + '\n\nNOTES = {"a": "why"}\n')
    (tmp_path / "first.py").write_text(text + '\n\nNOTES = {"a": "why"}\n')
    (tmp_path / "broken.py").write_text("def fit(:\n")
    (tmp_path / "no_entry.py").write_text("FACTORS = {}\n")
    (tmp_path / "not_literal.py").write_text(text.replace("order=1", "order=len('a')"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = find(tmp_path)
    assert [recipe.name for recipe in found] == ["first", "second"]
    assert found[0].factors == {"a": [1]}
    said = [str(warning.message) for warning in caught]
    assert [
        name for name in ("broken", "no_entry", "not_literal") if any(f"{name}.py" in text for text in said)
    ] == ["broken", "no_entry", "not_literal"]
    assert len(said) == 3


def test_libraries_and_tasks_decide_whether_a_recipe_suits() -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.name == "transformer")
    facts = {"kind": "text", "task": "binary", "rows": 10, "weights": [{"path": "/w", "bytes": 10}]}
    assert recipe.when(facts | {"libraries": {"torch": "2", "transformers": "4"}})
    assert not recipe.when(facts | {"libraries": {"torch": "2"}})
    assert not recipe.when(facts | {"libraries": {"torch": "2", "transformers": "4"}, "task": "unknown"})


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement binds at the top of a module."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    return {(n.asname or n.name).partition(".")[0] for n in ast.walk(node) if isinstance(n, ast.alias)} | {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _defined(text: str) -> set[str]:
    return {name for node in ast.parse(text).body for name in _bound(node)}


def _read_names(text: str) -> set[str]:
    """Global names that a text reads somewhere, annotations included."""
    text = text.replace("from __future__ import annotations\n", "")
    tables, read = [symtable.symtable(text, "<cell>", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        read |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return read
