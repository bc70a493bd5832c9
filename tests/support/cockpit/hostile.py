"""Answers of the command in which every string is hostile, and a stand-in that prints them.

No plugin can have such text, since descriptors and records are checked: the page must not
depend on that. The answers are generated from the JSON Schemas, so no field is left out.
"""
from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping

from tests.support import schemas

EXECUTED = "executed"
"""The name of a property of the window that exists if any of the text was executed."""
MARKUP = (f"<img src=x onerror='window.{EXECUTED}=1'><script>window.{EXECUTED}=1</script>"
          f"<b style='position:fixed;inset:0'>&amp;\" onfocus='window.{EXECUTED}=1' autofocus='")
CONTROLS = "\u202egnp.exe\u2066\u200b\u0000\u0007\u001b[31m\u007f\u009b2J\r\n\n\ttext$0$1%s"
LONG = "W" * 10_000
TEXTS = (f"javascript:window.{EXECUTED}=1", MARKUP + CONTROLS, LONG)
MANY = 2_000
"""The notes of the plan of an installation."""
UNIT = "ovirt-node-plugin-change-1.service"
_PAIR = 2  # items of every list
_DEPTH = 12
# Prints the answer of the subcommand in a file beside it; a change is refused.
_PROGRAM = """#!/usr/bin/python3
import os, sys
words = [word for word in sys.argv[1:] if not word.startswith("-")]
name = words[1] if words[:1] == ["node-plugin"] and len(words) > 1 else ""
path = os.path.join("/usr/share/answers", f"{name}.json")
if not os.path.exists(path):
    sys.exit("No such command: node-plugin")
with open(path, encoding="ascii") as stream:
    print(stream.read())
"""


def hostile_answers(first: int) -> Dict[str, Any]:
    """Return an answer for each subcommand. Its strings are ``TEXTS`` in turn from ``first``."""
    texts = itertools.cycle((*TEXTS[first:], *TEXTS[:first]))
    answers = {name: _Generator(texts).document(file)
               for name, file in sorted(schemas.DNF_ANSWERS.items())}
    answers["install"]["notes"] += [f"note {number}" for number in range(MANY)]
    for number, plugin in enumerate(answers["list"]["plugins"]):
        plugin["name"] += str(number)  # one row for each
    for change in answers["status"]["changes"]:
        change["state"] = "failed"  # one that runs would be followed without end
        change["unit"] = UNIT  # the page asks for no other
    return answers


def answer_with(root: Path, answers: Mapping[str, Any]) -> None:
    """Put a stand-in for dnf before the real one; it prints ``answers`` by subcommand."""
    folder = root / "usr/share/answers"
    folder.mkdir(parents=True, exist_ok=True)
    for name, answer in answers.items():
        (folder / f"{name}.json").write_text(json.dumps(answer), encoding="ascii")
    program = root / "usr/local/bin/dnf"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(_PROGRAM, encoding="utf-8")
    program.chmod(0o755)


class _Generator:
    """Makes documents that have every field of a schema."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts

    def document(self, file: str) -> Any:
        """Return a document for the schema in ``file``."""
        return self._value(schemas.read(file), file, 0)

    def _value(self, schema: Mapping[str, Any], file: str, depth: int) -> Any:
        if "$ref" in schema:
            target, _, path = schema["$ref"].partition("#")
            file = target or file
            found: Any = schemas.read(file)
            for part in filter(None, path.split("/")):
                found = found[part]
            return self._value(found, file, depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._value(self._fullest(schema[key]), file, depth)
        return self._plain(schema, file, depth)

    def _plain(self, schema: Mapping[str, Any], file: str, depth: int) -> Any:
        kinds = schema.get("type", "object")
        kind = kinds if isinstance(kinds, str) else next(
            kind for kind in kinds if kind != "null")
        if kind == "object":
            return self._object(schema, file, depth)
        if kind == "array":
            count = _PAIR if depth < _DEPTH else 0
            return [self._value(schema["items"], file, depth + 1) for _ in range(count)]
        if kind == "string":
            return next(self._texts)
        return {"boolean": True, "null": None}.get(kind, schema.get("minimum", 7))

    def _object(self, schema: Mapping[str, Any], file: str, depth: int) -> Dict[str, Any]:
        made = {name: self._value(inner, file, depth + 1)
                for name, inner in schema.get("properties", {}).items()
                if name != "error"}  # an answer has either this or all else
        for part in schema.get("allOf", ()):
            if "$ref" in part or "properties" in part:
                made.update(self._value(part, file, depth))
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            made[next(self._texts)] = self._value(more, file, depth + 1)
        return made

    def _fullest(self, choices: Any) -> Mapping[str, Any]:
        """Return the first choice that is not null."""
        chosen: Mapping[str, Any] = next(
            choice for choice in choices if choice.get("type") != "null")
        return chosen
