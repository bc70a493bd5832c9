"""Names in the library: one class, one name; and the values of long constructors are named."""
from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, List, Sequence

import pytest

from tests.project.test_layers import LIBRARY, Module, read_modules

MAX_POSITIONAL = 4  # values of a constructor that a reader can still tell apart by place


def shared_class_names(modules: Sequence[Module]) -> List[str]:
    """Return a line for each name that several classes have, ignoring underscores."""
    places: Dict[str, List[str]] = {}
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.replace("_", ""), []).append(
                    f"{module.name}.{node.name}")
    return [" and ".join(names) for _, names in sorted(places.items()) if len(names) > 1]


def long_positional_calls(modules: Sequence[Module]) -> List[str]:
    """Return one line for each class of ``modules`` that is called with too many bare values."""
    nodes = [(module, node) for module in modules for node in ast.walk(module.tree)]
    classes = {node.name for _, node in nodes if isinstance(node, ast.ClassDef)}
    bad = []
    for module, node in nodes:
        if isinstance(node, ast.Call) and len(node.args) > MAX_POSITIONAL:
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in classes:
                bad.append(f"{module.path}:{node.lineno}: {name}: {len(node.args)} values")
    return bad


@pytest.fixture(scope="module")
def library() -> List[Module]:
    return read_modules(LIBRARY)


def test_no_two_classes_share_a_name(library: List[Module]) -> None:
    assert shared_class_names(library) == []


def test_the_values_of_long_constructors_are_named(library: List[Module]) -> None:
    assert long_positional_calls(library) == []


def test_a_shared_class_name_is_found(tmp_path: Path) -> None:
    for name, text in {"a": "class Rule: ...\nclass Entry: ...\n",
                       "b": "class _Rule: ...\nclass Rules: ...\n",
                       "c": "def f() -> None:\n    class Entry: ...\n"}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    assert shared_class_names(read_modules(tmp_path)) == [
        "a.Entry and c.Entry", "a.Rule and b._Rule"]


def test_a_long_positional_constructor_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("class Rule: ...\nfive = Rule(1, 2, 3, 4, 5)\nspread = a.Rule(1, 2, 3, 4, *x)\n"
                    "four = Rule(1, 2, 3, 4, e=5)\nother = f(1, 2, 3, 4, 5)\n", encoding="utf-8")
    assert long_positional_calls(read_modules(tmp_path)) == [
        f"{path}:2: Rule: 5 values", f"{path}:3: Rule: 5 values"]
