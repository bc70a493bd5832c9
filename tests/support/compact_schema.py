"""node-plugin.rnc, the schema in the compact form of RELAX NG, which Emacs reads.

``python -m tests.support.compact_schema`` makes it again from node-plugin.rng, of which it knows
the parts that are used there.
"""
from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Iterable, Iterator, List
from xml.etree import ElementTree

SCHEMAS = Path(__file__).resolve().parents[2] / "ovirt_node_plugin/schema"
COMPACT = SCHEMAS / "node-plugin.rnc"
_RNG = "{http://relaxng.org/ns/structure/1.0}"
_SENTENCE = "{http://relaxng.org/ns/compatibility/annotations/1.0}documentation"
_HEAD = "# Made from node-plugin.rng.\n\n"
_KEYWORDS = frozenset((
    "attribute", "default", "datatypes", "div", "element", "empty", "external", "grammar",
    "include", "inherit", "list", "mixed", "namespace", "notAllowed", "parent", "start", "string",
    "text", "token"))
_SUFFIXES = {"optional": "?", "zeroOrMore": "*", "oneOrMore": "+"}


def compact_text() -> str:
    """Return the schema in the compact form."""
    grammar = ElementTree.parse(SCHEMAS / "node-plugin.rng").getroot()
    return _HEAD + "".join(
        f"{'start' if part.tag == _RNG + 'start' else _name(part)} =\n"
        f"{_indented(_joined(part, ','))}\n" for part in grammar)


def _name(node: ElementTree.Element) -> str:
    name = node.get("name", "")
    return f"\\{name}" if name in _KEYWORDS else name


def _patterns(node: ElementTree.Element) -> Iterator[ElementTree.Element]:
    return (part for part in node if part.tag.startswith(_RNG))


def _joined(node: ElementTree.Element, separator: str) -> str:
    """Return the patterns in ``node`` with a separator between them."""
    texts = [_pattern(part) for part in _patterns(node)]
    return (f" {separator}\n" if separator == "|" else f"{separator}\n").join(texts) or "text"


def _pattern(node: ElementTree.Element) -> str:
    kind = node.tag[len(_RNG):]
    if kind in ("element", "attribute"):
        return (f"{_sentence(node)}{kind} {node.get('name')} {{\n"
                f"{_indented(_joined(node, ','))}\n}}")
    if kind in _SUFFIXES:
        return f"(\n{_indented(_joined(node, ','))}\n){_SUFFIXES[kind]}"
    if kind in ("choice", "interleave"):
        return f"(\n{_indented(_joined(node, '|' if kind == 'choice' else ' &'))}\n)"
    if kind == "ref":
        return _name(node)
    if kind == "data":
        return f"xsd:{node.get('type')}{_parameters(_patterns(node))}"
    return {"value": _literal(node.text or ""), "text": "text"}[kind]


def _parameters(params: Iterable[ElementTree.Element]) -> str:
    texts: List[str] = [f"{param.get('name')} = {_literal(param.text or '')}" for param in params]
    return f" {{ {' '.join(texts)} }}" if texts else ""


def _sentence(node: ElementTree.Element) -> str:
    return "".join(f"## {line}\n" for line in textwrap.wrap(
        node.findtext(_SENTENCE, default=""), 90))


def _literal(text: str) -> str:
    """Return a string; other characters than printable ASCII are written by their numbers."""
    shown = re.sub("[^ -~]", lambda match: f"\\x{{{ord(match[0]):X}}}", text)
    quote = next(mark for mark in ('"', "'", '"""') if mark not in text)
    return f"{quote}{shown}{quote}"


def _indented(text: str) -> str:
    return textwrap.indent(text, "  ")


if __name__ == "__main__":
    COMPACT.write_text(compact_text(), encoding="utf-8")
