"""Names in the library: one class, one name."""
from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, List, Sequence

import pytest

from tests.project.test_layers import LIBRARY, Module, read_modules


def shared_class_names(modules: Sequence[Module]) -> List[str]:
    """Return one line for each name that several classes have, underscores ignored."""
    places: Dict[str, List[str]] = {}
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.replace("_", ""), []).append(
                    f"{module.name}.{node.name}")
    return [" and ".join(names) for _, names in sorted(places.items()) if len(names) > 1]


@pytest.fixture(scope="module")
def library() -> List[Module]:
    return read_modules(LIBRARY)


def test_no_two_classes_share_a_name(library: List[Module]) -> None:
    assert shared_class_names(library) == []


def test_a_shared_class_name_is_found(tmp_path: Path) -> None:
    for name, text in {"a": "class Rule: ...\nclass Entry: ...\n",
                       "b": "class _Rule: ...\nclass Rules: ...\n",
                       "c": "def f() -> None:\n    class Entry: ...\n"}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    assert shared_class_names(read_modules(tmp_path)) == [
        "a.Entry and c.Entry", "a.Rule and b._Rule"]
