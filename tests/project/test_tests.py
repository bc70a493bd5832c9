"""Every test checks a value or an error."""
from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, List, Sequence, Set

TOP = Path(__file__).resolve().parents[2]


def called_names(function: ast.FunctionDef) -> Set[str]:
    """Return the names of the functions and methods that a function calls."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                names.add(node.func.id)
            elif isinstance(node.func, ast.Attribute):
                names.add(node.func.attr)
    return names


def unchecked_tests(trees: Sequence[ast.Module]) -> List[str]:
    """Return the names of the tests that check nothing.

    A test checks something if it, or a function of the tests that it calls by name, has an
    ``assert``, a ``raise`` or a ``pytest.raises``.
    """
    found: Dict[str, List[ast.FunctionDef]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node)
    calls = {name: set().union(*map(called_names, several)) for name, several in found.items()}
    checking = {"raises"} | {name for name, several in found.items() if any(
        isinstance(node, (ast.Assert, ast.Raise)) for one in several for node in ast.walk(one))}
    while True:
        more = {name for name in found if name not in checking and calls[name] & checking}
        if not more:
            return sorted(name for name in found
                          if name.startswith("test_") and name not in checking)
        checking |= more


def test_every_test_checks_something() -> None:
    files = sorted((TOP / "tests").rglob("*.py"))
    assert unchecked_tests([ast.parse(file.read_bytes()) for file in files]) == []


def test_a_test_that_checks_nothing_is_detected() -> None:
    tree = ast.parse("def same(x): assert x\n"
                     "def deeper(x): same(x)\n"
                     "def test_a(): same(f())\n"
                     "def test_b(): deeper(f())\n"
                     "def test_c(): f()\n"
                     "def test_d():\n    with pytest.raises(E): f()\n")
    assert unchecked_tests([tree]) == ["test_c"]
