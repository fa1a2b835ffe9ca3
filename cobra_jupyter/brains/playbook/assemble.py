"""Assembles a recipe and the parts that it uses into one self-contained cell.

A recipe imports its parts like any module. The cell contains copies of the functions, classes and constants
that are used, and no others. It begins with the docstring and the merged, sorted imports of libraries. Then
come the constants of the parts, the recipe itself, and the functions of each part under a heading. Because
the functions of parts come last, a recipe can use them only when a function runs, not as base class or
decorator."""

from __future__ import annotations

import ast
import symtable
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

PACKAGE = "cobra_jupyter"
PARTS = "cobra_jupyter.brains.playbook.recipes.parts"
ENTRY = "RECIPE"  # the registry entry, which no cell needs
WIDTH = 110


class AssemblyError(ValueError):
    """A module cannot become a cell; the message says why."""


@dataclass(frozen=True)
class Import:
    """One name from a library: `from module import name as bound`, or `import module as bound`."""

    module: str
    name: str
    bound: str

    @property
    def clause(self) -> str:
        what = self.name or self.module
        return what if self.bound in (what, what.partition(".")[0]) else f"{what} as {self.bound}"


@dataclass(frozen=True)
class Statement:
    """A top-level statement of a module, with the comments directly above it. `names` are the names that it
    defines, `uses` the global names that it reads."""

    text: str
    names: frozenset[str]
    uses: frozenset[str]
    constant: bool


@dataclass(frozen=True)
class Module:
    """A parsed module. `origins` maps each name imported from a part to the name of the part."""

    docstring: str
    imports: tuple[Import, ...]
    origins: dict[str, str]
    statements: tuple[Statement, ...]


@dataclass
class Assembly:
    """Collects the statements of parts that a cell needs."""

    part: Callable[[str], str]
    modules: dict[str, Module] = field(default_factory=dict)
    needed: dict[str, set[Statement]] = field(default_factory=dict)

    def follow(self, statement: Statement, home: Module, at: str = "") -> None:
        """Add the definitions that a statement of `home` uses. `at` is the name of the part, if `home` is
        one."""
        for name in sorted(statement.uses):
            if name in home.origins:
                self.add(home.origins[name], name)
            elif at:
                self.add(at, name, own=True)

    def add(self, part: str, name: str, own: bool = False) -> None:
        if part not in self.modules:
            self.modules[part] = read(self.part(part))
        module = self.modules[part]
        found = next((each for each in module.statements if name in each.names), None)
        if found is None:
            if own:  # a library or a builtin
                return
            raise AssemblyError(f"the part {part} has no {name}")
        if found in self.needed.get(part, ()):
            return
        self.needed.setdefault(part, set()).add(found)
        self.follow(found, module, part)

    @property
    def order(self) -> list[str]:
        """The parts that are needed, each after the parts that it uses."""
        order: list[str] = []

        def visit(part: str) -> None:
            for other in sorted(set(self.modules[part].origins.values()) & self.needed.keys()):
                if other not in order and other != part:
                    visit(other)
            if part not in order:
                order.append(part)

        for part in sorted(self.needed):
            visit(part)
        return order

    def statements(self, part: str, constant: bool) -> list[Statement]:
        needed = self.needed[part]
        return [
            each for each in self.modules[part].statements if each in needed and each.constant == constant
        ]


def assemble(source: str, part: Callable[[str], str]) -> str:
    """Returns the text of a cell; `part` returns the text of a part. Raises AssemblyError."""
    module = read(source)
    own = [statement for statement in module.statements if ENTRY not in statement.names]
    assembly = Assembly(part)
    for statement in own:
        assembly.follow(statement, module)
    order = assembly.order
    constants = [each for name in order for each in assembly.statements(name, constant=True)]
    functions = {name: assembly.statements(name, constant=False) for name in order}
    everything = [*constants, *own, *(each for found in functions.values() for each in found)]
    _check_names(everything)
    libraries = [
        found for each in (module, *(assembly.modules[name] for name in order)) for found in each.imports
    ]
    used = {name for statement in everything for name in statement.uses}
    imports = _imports({each for each in libraries if each.bound in used})
    attempts = [each for each in constants if each.text.startswith("try:")]
    plain = [each for each in constants if each not in attempts]
    body = _joined([*plain, *own])
    head = [
        module.docstring,
        "from __future__ import annotations",
        *imports,
        *(each.text for each in attempts),
    ]
    text = "\n\n".join(piece for piece in head if piece)
    text += ("\n\n" if [*plain, *own][0].constant else "\n\n\n") + body
    for name, found in functions.items():
        if found:
            heading = f"# ---- {_title(assembly.modules[name])} "
            text += f"\n\n\n{heading.ljust(WIDTH, '-')}\n" + "\n\n\n".join(each.text for each in found)
    return text + "\n"


def read(source: str) -> Module:
    """Parse a module. Raises AssemblyError."""
    tree, lines = ast.parse(source), source.splitlines()
    docstring = ast.get_docstring(tree, clean=False)
    imports: list[Import] = []
    origins: dict[str, str] = {}
    statements: list[Statement] = []
    for node in tree.body[1:] if docstring is not None else tree.body:
        if isinstance(node, ast.Import):
            imports += [Import(n.name, "", n.asname or n.name.partition(".")[0]) for n in node.names]
        elif not isinstance(node, ast.ImportFrom):
            statements.append(_statement(node, lines))
        elif (node.module or "").startswith(PARTS + "."):
            origins |= _origins(node)
        elif (node.module or "").partition(".")[0] != PACKAGE and node.module != "__future__":
            imports += [Import(node.module or "", n.name, n.asname or n.name) for n in node.names]
        elif node.module != "__future__" and [n.name for n in node.names] != ["Recipe"]:
            raise AssemblyError(
                f"line {node.lineno}: a cell is made of libraries and parts, not of {node.module}"
            )
    first = "" if docstring is None else ast.get_source_segment(source, tree.body[0]) or ""
    return Module(first, tuple(imports), origins, tuple(statements))


def _origins(node: ast.ImportFrom) -> dict[str, str]:
    if any(each.asname or each.name == "*" for each in node.names):
        raise AssemblyError(f"line {node.lineno}: what comes from a part keeps its name")
    return {each.name: (node.module or "").removeprefix(PARTS + ".") for each in node.names}


def _statement(node: ast.stmt, lines: list[str]) -> Statement:
    decorators = getattr(node, "decorator_list", [])
    start = min([node.lineno, *(each.lineno for each in decorators)]) - 1
    while start and lines[start - 1].startswith("#"):
        start -= 1
    text = "\n".join(lines[start : node.end_lineno])
    definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return Statement(text, frozenset(_names(node)), frozenset(_uses(text)), not definition)


def _names(node: ast.stmt) -> Iterator[str]:
    """The names that a statement defines. Raises AssemblyError if it is not a definition."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.Try):  # try: for a library that may be missing
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                yield each.id
            elif isinstance(each, ast.alias):
                yield (each.asname or each.name).partition(".")[0]
    else:
        raise AssemblyError(f"line {node.lineno}: a recipe or a part holds definitions alone")


def _uses(text: str) -> Iterator[str]:
    """The global names that a statement reads, annotations included."""
    tables = [symtable.symtable(text, "<part>", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
                yield symbol.get_name()


def _check_names(statements: Iterable[Statement]) -> None:
    seen: set[str] = set()
    for statement in statements:
        if twice := seen & statement.names:
            raise AssemblyError(
                f"two definitions of {', '.join(sorted(twice))}: a recipe and its parts share one cell"
            )
        seen |= statement.names


def _imports(found: set[Import]) -> Iterator[str]:
    """Yield two sorted blocks: the standard library, then other libraries. `import` comes before `from`."""
    for standard in (True, False):
        block = [
            each for each in found if (each.module.partition(".")[0] in sys.stdlib_module_names) == standard
        ]
        whole = sorted({f"import {each.clause}" for each in block if not each.name})
        names: dict[str, set[str]] = {}
        for each in block:
            if each.name:
                names.setdefault(each.module, set()).add(each.clause)
        yield "\n".join([*whole, *(_from(module, names[module]) for module in sorted(names))])


def _from(module: str, clauses: set[str]) -> str:
    line = f"from {module} import {', '.join(sorted(clauses))}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {clause},\n" for clause in sorted(clauses)) + ")"


def _joined(statements: list[Statement]) -> str:
    """Join statements: constants line by line, two empty lines around everything else."""
    text, before = "", None
    for each in statements:
        together = before is None or (before.constant and each.constant)
        text += ("" if before is None else "\n" if together else "\n\n\n") + each.text
        before = each
    return text


def _title(module: Module) -> str:
    return module.docstring.strip('"').strip().partition("\n")[0].rstrip(".")
