"""Every text that the library prints or logs goes through ``words.printable``."""
from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator, List

import pytest

TOP = Path(__file__).resolve().parents[2]
SOURCES = [*sorted((TOP / "ovirt_node_plugin").rglob("*.py")),
           *sorted((TOP / "dnf-plugins").glob("*.py")),
           *sorted(path for folder in ("bin", "libexec", "vdsm-hooks")
                   for path in (TOP / folder).rglob("*") if path.is_file())]
# Functions whose result has no control characters.
SAFE = ("printable", "_printable", "dumps")
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")
# Modules that write to a stream without print: what they write is covered by a test of theirs.
STREAMS = {
    "report/progress.py": "tests/unit/report/test_progress.py",
    "cli/look.py": "tests/image/test_image_hostile.py",
}
# All messages in a run of ``dnf node-plugin`` are of PrintableRecord.
RECORDS = ("cli/dnf_command.py", "cli/dnf_answers.py", "cli/json_document.py")


def is_safe(node: ast.AST) -> bool:
    """Return whether an argument of print has no text of others, or only with escapes."""
    if isinstance(node, ast.JoinedStr):
        return all(is_safe(value.value) or value.conversion == ord("a")
                   for value in node.values if isinstance(value, ast.FormattedValue))
    if isinstance(node, ast.BinOp):
        return is_safe(node.left) and is_safe(node.right)
    if isinstance(node, ast.IfExp):
        return is_safe(node.body) and is_safe(node.orelse)
    if isinstance(node, ast.Attribute):
        return node.attr == "__name__"
    called = getattr(node, "func", None)
    return isinstance(node, ast.Constant) or (
        getattr(called, "attr", getattr(called, "id", "")) in SAFE) or is_count(node)


def is_count(node: ast.AST) -> bool:
    """Return whether it is a number with its noun."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "count"


def unsafe(tree: ast.AST, name: str) -> Iterator[str]:
    """Yield the calls that may print or log text as it is."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        logs = function in [f"logger.{level}" for level in LEVELS]
        writes = function.endswith((".stdout.write", ".stderr.write", "_stream.write"))
        if function == "print" or (logs and name not in RECORDS) or (
                writes and name not in STREAMS):
            if not all(map(is_safe, node.args)):
                yield f"{name}:{node.lineno}: {ast.unparse(node)}"


def test_every_printed_text_is_printable() -> None:
    found: List[str] = []
    for path in SOURCES:
        name = path.relative_to(TOP).as_posix()
        name = name[len("ovirt_node_plugin/"):] if name.startswith("ovirt_node_plugin/") else name
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py" or text.startswith("#!/usr/bin/python3"):
            found.extend(unsafe(ast.parse(text), name))
    assert found == []


@pytest.mark.parametrize("call", [
    "print(name)", "print(f'{name} is')", "print('a', name)", "logger.warning('%s', name)",
    "sys.stderr.write(name)", "self._stream.write(f'{name}')", "print(str(name))"])
def test_a_text_that_is_printed_as_it_is_is_found(call: str) -> None:
    assert list(unsafe(ast.parse(call), "x.py")) == [f"x.py:1: {ast.unparse(ast.parse(call))}"]


@pytest.mark.parametrize("call", [
    "print('a')", "print(printable(name))", "print(json.dumps(data))", "print(f'{str(x)!a}')",
    "logger.info('%s', _printable(name))"])
def test_a_printable_text_is_accepted(call: str) -> None:
    assert list(unsafe(ast.parse(call), "x.py")) == []


def test_the_files_with_exceptions_exist() -> None:
    for name, test in STREAMS.items():
        assert (TOP / "ovirt_node_plugin" / name).is_file() and (TOP / test).is_file()
    assert all((TOP / "ovirt_node_plugin" / name).is_file() for name in RECORDS)
