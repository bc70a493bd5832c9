"""The structure of the library: permitted imports and limits of size."""
from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

import pytest

TOP = Path(__file__).resolve().parents[2]
LIBRARY = TOP / "ovirt_node_plugin"
DNF_PLUGIN = TOP / "dnf-plugins"

# From the ground up. A module, or every module of a package, imports only from the
# lines above its own; what stands on one line does not import one another.
LAYERS: Tuple[Tuple[str, ...], ...] = (
    ("errors",),
    ("system",),
    ("isolation",),
    ("undo",),
    ("registry",),
    ("vdsm",),
    ("plugin",),
    ("target", "config"),
    ("catalog",),
    ("policy",),
    ("packages", "dnf5", "settings", "images"),
    ("operations", "compare"),
    ("merge",),
    ("upgrade",),
    ("authoring",),
    ("report",),
    ("cli",),
)

# The same within the rooms that are made of rooms. What is not named stands on the last line.
INNER: Mapping[str, Tuple[Tuple[str, ...], ...]] = {
    "images": (("mounts", "zeros", "workspace"), ("iso", "rpm", "squashfs")),
    "merge": (("input", "root"), ("iso",)),
    "operations": (("model",), ("plan", "apply")),
    "settings": (
        ("kit",),
        ("accounts", "certificates", "firewall", "host_names", "modules", "selinux", "services",
         "sysctl"),
        ("boot", "config_files", "placed"),
        ("engine",),
    ),
}

# External modules, and the only rooms or modules that may import each.
ONLY: Mapping[str, Tuple[str, ...]] = {
    "subprocess": ("system.run",),
    "lxml": ("system.xml", "system.relaxng", "plugin.descriptor", "registry.xml"),
    "dnf": ("packages",),
    "libdnf": ("packages",),
    "hawkey": ("packages",),
}

# Attributes by which a module would reach into a dnf.Base, and the room that may.
BASE_ATTRIBUTES = frozenset(("base", "_base", "sack"))
BASE_ROOM = "packages"

MODULE_LINES = 500
FUNCTION_LINES = 50

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


class Module(NamedTuple):
    """One file: its dotted name below the library and its parsed text."""

    name: str
    path: Path
    lines: int
    tree: ast.Module

    @property
    def package(self) -> str:
        """The first part of the name, which the table of layers lists."""
        return self.name.partition(".")[0]


def read_modules(library: Path) -> List[Module]:
    """Return every module of a package's folder except its own ``__init__``, sorted."""
    found = []
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        if parts != ("__init__",):
            found.append(read_module(path, ".".join(parts)))
    return found


def read_module(path: Path, name: str) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(name, path, len(text.splitlines()), ast.parse(text, str(path)))


def imported(module: Module, library: str) -> Iterator[Tuple[int, str]]:
    """Yield the line and absolute dotted name of every import in a module."""
    here = [library, *module.name.split(".")]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = here[:len(here) - node.level] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            for alias in node.names:
                yield node.lineno, ".".join([*base, alias.name])


def layer_of(package: str, layers: Sequence[Sequence[str]] = LAYERS) -> Optional[int]:
    return next((i for i, names in enumerate(layers) if package in names), None)


def inner_imports(modules: Sequence[Module], library: str) -> List[str]:
    """Return a line for each import within a room that violates the room's own layers."""
    bad = []
    for module in modules:
        layers = INNER.get(module.package, ())
        parts = module.name.split(".")
        if not layers or len(parts) < 2:
            continue
        mine = layer_of(parts[1], layers)
        for line, name in imported(module, library):
            theirs = name.split(".")[1:]
            if theirs[:1] != parts[:1] or theirs[1:2] in ([], [parts[1]]):
                continue
            layer = layer_of(theirs[1], layers)
            if layer is None:
                layer = len(layers)
            if layer >= (len(layers) + 1 if mine is None else mine):
                bad.append(f"{module.path}:{line}: {module.name} imports {'.'.join(theirs)}")
    return bad


def upward_imports(modules: Sequence[Module], library: str) -> List[str]:
    """Return a line for each import that violates the layers."""
    bad = []
    for module in modules:
        mine = layer_of(module.package)
        if mine is None:
            bad.append(f"{module.path}: {module.package} has no place in the table of layers")
            continue
        for line, name in imported(module, library):
            parts = name.split(".")
            if parts[0] != library or parts[1:2] in ([], ["__version__"], [module.package]):
                continue
            theirs = layer_of(parts[1])
            if theirs is None or theirs >= mine:
                bad.append(f"{module.path}:{line}: {module.package} imports {parts[1]}")
    return bad


def import_cycles(modules: Sequence[Module], library: str) -> List[str]:
    """Return the names on each import cycle of these modules."""
    names = {f"{library}.{m.name}".replace(".__init__", ""): m for m in modules}
    graph: Dict[str, Set[str]] = {}
    for name, module in names.items():
        targets = {t for _, t in imported(module, library)}
        targets |= {t.rpartition(".")[0] for t in targets}
        graph[name] = {t for t in targets if t in names and t != name}
    cycles: List[str] = []
    done: Set[str] = set()

    def visit(name: str, way: List[str]) -> None:
        if name in way:
            cycles.append(" -> ".join([*way[way.index(name):], name]))
        elif name not in done:
            for target in sorted(graph[name]):
                visit(target, [*way, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return cycles


def may_import(module: Module, outside: str) -> bool:
    """Return whether a module may import ``outside``."""
    return any(f"{module.name}.".startswith(f"{name}.") for name in ONLY[outside])


def base_uses(modules: Sequence[Module]) -> List[str]:
    """Return one line for each attribute outside of BASE_ROOM that may be a dnf.Base."""
    return [f"{module.path}:{node.lineno}: {module.name} uses .{node.attr}"
            for module in modules if module.package != BASE_ROOM
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute) and node.attr in BASE_ATTRIBUTES]


def any_uses(path: Path) -> int:
    """Return how often a file contains ``Any``, in imports and comments too."""
    return len(re.findall(r"\bAny\b", path.read_text(encoding="utf-8")))


def functions(module: Module) -> Iterator[Function]:
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def bare_arguments(function: Function) -> List[str]:
    """Return the parameters of a function without annotation, including ``return``."""
    args = function.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    every += [arg for arg in (args.vararg, args.kwarg) if arg is not None]
    bare = [arg.arg for arg in every if arg.annotation is None and arg.arg not in ("self", "cls")]
    return bare + ([] if function.returns is not None else ["return"])


@pytest.fixture(scope="module")
def library() -> List[Module]:
    return read_modules(LIBRARY)


@pytest.fixture(scope="module")
def everything(library: List[Module]) -> List[Module]:
    return library + [read_module(p, p.stem) for p in sorted(DNF_PLUGIN.glob("*.py"))]


def test_imports_follow_the_layers(library: List[Module]) -> None:
    assert upward_imports(library, LIBRARY.name) == []


def test_imports_within_a_room_follow_its_own_layers(library: List[Module]) -> None:
    assert inner_imports(library, LIBRARY.name) == []


def test_imports_have_no_cycles(library: List[Module]) -> None:
    assert import_cycles(library, LIBRARY.name) == []


@pytest.mark.parametrize("outside", sorted(ONLY))
def test_external_modules_are_imported_only_by_permitted_modules(
        outside: str, library: List[Module]) -> None:
    bad = [f"{module.path}:{line}: imports {name}"
           for module in library if not may_import(module, outside)
           for line, name in imported(module, LIBRARY.name)
           if name.split(".")[0] == outside]
    assert bad == []


def test_only_one_module_opens_files_with_guards(library: List[Module]) -> None:
    """Without O_NONBLOCK a fifo in a root blocks; system.regular_files has all such guards."""
    using = {module.name for module in library for node in ast.walk(module.tree)
             if isinstance(node, ast.Attribute) and node.attr == "O_NONBLOCK"}
    assert using == {"system.regular_files"}


def test_only_the_room_that_talks_to_dnf_reaches_into_its_base(library: List[Module]) -> None:
    assert base_uses(library) == []


def test_nothing_is_of_any_type(everything: List[Module]) -> None:
    assert [str(module.path) for module in everything if any_uses(module.path)] == []


def test_nothing_imports_the_dnf_plugin(library: List[Module]) -> None:
    plugins = {path.stem for path in DNF_PLUGIN.glob("*.py")}
    bad = [f"{module.path}:{line}" for module in library
           for line, name in imported(module, LIBRARY.name) if name.split(".")[0] in plugins]
    assert bad == []


def test_modules_are_small(everything: List[Module]) -> None:
    assert [f"{m.path}: {m.lines} lines" for m in everything if m.lines > MODULE_LINES] == []


def test_functions_are_short(everything: List[Module]) -> None:
    assert [f"{module.path}:{node.lineno}: {node.name}"
            for module in everything for node in functions(module)
            if (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES] == []


def test_every_function_is_annotated(everything: List[Module]) -> None:
    assert [f"{module.path}:{node.lineno}: {node.name}: {', '.join(bare_arguments(node))}"
            for module in everything for node in functions(module) if bare_arguments(node)] == []


def test_every_module_has_a_docstring(everything: List[Module]) -> None:
    assert [str(m.path) for m in everything if not ast.get_docstring(m.tree)] == []


def test_setup_finds_every_package_folder() -> None:
    folders = {path.parent for path in LIBRARY.rglob("*.py")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small library with an upward import, a sideways import and a cycle."""
    top = tmp_path / "lib"
    for folder in ("settings", "operations"):
        (top / folder).mkdir(parents=True)
    for name, text in {
            "__init__": "", "errors": "from .target import x\n",
            "target": "from .errors import y\n", "settings/__init__": "",
            "settings/one": "def f() -> None:\n    from ..packages import core\n",
            "operations/__init__": "", "operations/plan": "from . import apply\n",
            "operations/apply": "", "operations/model": "from . import install\n",
            "operations/install": "",
            "packages": "def h(s: object) -> None:\n    s.base.sack\n",
            "stranger": "def g(a, *, b: int = 0):\n    a.base.sack.query()\n"}.items():
        (top / f"{name}.py").write_text(text, encoding="utf-8")
    return top


def test_a_wrong_import_is_detected(house: Path) -> None:
    found = [line.split(": ", 1)[1] for line in upward_imports(read_modules(house), "lib")]
    assert found == ["errors imports target", "settings imports packages",
                     "stranger has no place in the table of layers"]


def test_a_wrong_import_within_a_room_is_detected(house: Path) -> None:
    found = [line.split(": ", 1)[1] for line in inner_imports(read_modules(house), "lib")]
    assert found == ["operations.model imports operations.install",
                     "operations.plan imports operations.apply"]


def test_a_use_of_dnfs_base_is_found(house: Path) -> None:
    found = [line.split(": ", 1)[1] for line in base_uses(read_modules(house))]
    assert found == ["stranger uses .sack", "stranger uses .base"]


def test_any_is_counted_as_a_word(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("from typing import Any\n\n\nAnyOf: Any = 1\n")
    assert any_uses(tmp_path / "x.py") == 2


def test_a_cycle_is_found(house: Path) -> None:
    assert import_cycles(read_modules(house), "lib") == [
        "lib.errors -> lib.target -> lib.errors"]


def test_a_missing_annotation_is_detected(house: Path) -> None:
    module = read_module(house / "stranger.py", "stranger")
    assert [bare_arguments(node) for node in functions(module)] == [["a", "return"]]
