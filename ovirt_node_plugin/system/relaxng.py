"""Check documents against a RELAX NG schema, with errors that say what is expected.

libxml2 decides whether a document is valid, but its messages rarely name the cause. So
the expected elements, attributes, values and patterns are read from the schema itself. The
schemas here use a simple part of RELAX NG (ISO/IEC 19757-2): all elements are in an
``interleave``, and only values are in a ``choice``.
"""
from __future__ import annotations

import difflib
import functools
import itertools
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Type,
)

from ..errors import NodePluginError, Problem
from .limits import PROBLEMS
from .words import first_lines
from .xml import Document, XmlElement, collapse, parse_xml

if TYPE_CHECKING:
    from lxml import etree

SCHEMAS = Path(__file__).parent.parent / "schema"
_RNG = "{http://relaxng.org/ns/structure/1.0}"
_DOCUMENTATION = "{http://relaxng.org/ns/compatibility/annotations/1.0}documentation"
_MAX_REPORTED = 10
_MAX_QUOTED = 60


def problem_at(node: XmlElement, text: str) -> Problem:
    """Return a problem at the position of ``node``."""
    return Problem(node.line, node.column, text)


def raise_problems(problems: Iterable[Problem], *, origin: str,
                   error: Type[NodePluginError], hint: str = "") -> None:
    """Raise ``error`` with the first ten problems in document order, if there are any."""
    ordered = sorted(set(problems), key=lambda p: (p.line, p.column, p.text))
    if not ordered:
        return
    lines = [f"{origin}:{p.line}:{p.column}: {p.text}" for p in ordered]
    shown = first_lines(lines, _MAX_REPORTED, before=f"{origin}: ")
    found = error("\n".join(shown), hint=hint)
    found.problems = tuple(replace(problem, file=origin) for problem in ordered)
    raise found


def schema_problems(document: Document, schema: str) -> Tuple[Problem, ...]:
    """Return the first errors of a document; ``schema`` is a file in the folder ``schema``."""
    validator = _validator(schema)
    if validator.validate(document.tree):
        return ()
    problems = tuple(itertools.islice(_explain(document.root, _rules(schema)), PROBLEMS))
    return problems or (_as_libxml2_says(document.root, validator),)


def quoted(text: str) -> str:
    """Return ``text`` for a message: in quotes, escaped, and cut if it is long."""
    shown = text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "…"
    return repr(shown)


@dataclass(frozen=True)
class _Value:
    """The allowed values of a text or an attribute; ``expected`` describes them."""

    expected: str
    choices: Tuple[str, ...] = ()
    pattern: str = ""
    limits: Tuple[int, int] = (0, 1 << 30)
    keeps_space: bool = False

    def allows(self, text: str) -> bool:
        value = text if self.keeps_space else collapse(text)
        if self.choices:
            return value in self.choices
        return (self.limits[0] <= len(value) <= self.limits[1]
                and (not self.pattern or re.fullmatch(self.pattern, value) is not None))


@dataclass(frozen=True)
class _Attribute:
    value: _Value
    required: bool


@dataclass(frozen=True)
class _Child:
    pattern: XmlElement
    required: bool
    many: bool


@dataclass(frozen=True)
class _ElementRules:
    """The attributes, children and text that one element may have."""

    name: str
    schema: str
    attributes: Mapping[str, _Attribute]
    children: Mapping[str, _Child]
    text: Optional[_Value]


@functools.lru_cache(maxsize=None)
def _schema(name: str) -> Document:
    return parse_xml((SCHEMAS / name).read_bytes(), origin=name, error=NodePluginError)


@functools.lru_cache(maxsize=None)
def _validator(name: str) -> etree.RelaxNG:
    from lxml import etree

    return etree.RelaxNG(_schema(name).tree)


@functools.lru_cache(maxsize=None)
def _defines(name: str) -> Mapping[str, XmlElement]:
    return {node.get("name"): node for node in _schema(name).root.all(_RNG + "define")}


def _rules(schema: str) -> _ElementRules:
    start = _schema(schema).root.first(_RNG + "start")
    assert start is not None and start.children
    return _element_rules(_resolved(start.children[0], schema), schema)


def _resolved(pattern: XmlElement, schema: str) -> XmlElement:
    while pattern.tag == _RNG + "ref":
        pattern = _defines(schema)[pattern.get("name")].children[0]
    return pattern


def _element_rules(element: XmlElement, schema: str) -> _ElementRules:
    collector = _Collector(schema)
    for pattern in element.children:
        collector.collect(pattern, required=True, many=False)
    return _ElementRules(
        name=element.get("name"), schema=schema, attributes=collector.attributes,
        children=collector.children, text=collector.text)


class _Collector:
    """Collects the attributes, children and text that the patterns in an element allow."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self.attributes: Dict[str, _Attribute] = {}
        self.children: Dict[str, _Child] = {}
        self.text: Optional[_Value] = None

    def collect(self, pattern: XmlElement, *, required: bool, many: bool) -> None:
        kind = pattern.tag[len(_RNG):] if pattern.tag.startswith(_RNG) else ""
        if kind == "element":
            self.children[pattern.get("name")] = _Child(pattern, required, many)
        elif kind == "attribute":
            self.attributes[pattern.get("name")] = _Attribute(
                _value(pattern.children, self.schema), required)
        elif kind in ("data", "value", "text") or _chooses_values(pattern):
            self.text = _value((pattern,), self.schema)
        else:
            inside = (_defines(self.schema)[pattern.get("name")].children
                      if kind == "ref" else pattern.children)
            for part in inside:
                self.collect(
                    part, many=many or kind in ("zeroOrMore", "oneOrMore"),
                    required=required and kind not in ("optional", "zeroOrMore", "choice"))


def _chooses_values(pattern: XmlElement) -> bool:
    return pattern.tag == _RNG + "choice" and all(
        part.tag == _RNG + "value" for part in pattern.children)


def _value(patterns: Sequence[XmlElement], schema: str) -> _Value:
    """Return the values that the patterns of an attribute or text allow; all if none."""
    shown = [p for p in patterns if p.tag.startswith(_RNG)]
    if not shown:
        return _Value("text")
    pattern = _resolved(shown[0], schema)
    if pattern.tag == _RNG + "data":
        return _data(pattern)
    choices = tuple(collapse(part.text) for part in (pattern, *pattern.children)
                    if part.tag == _RNG + "value")
    return _Value(join_or([quoted(choice) for choice in choices]) or "text", choices=choices)


def _data(pattern: XmlElement) -> _Value:
    params = {node.get("name"): node.text for node in pattern.all(_RNG + "param")}
    text = params.get("pattern", "")
    words = pattern.child_text(_DOCUMENTATION) or f"a {pattern.get('type')} like {text}"
    limits = int(params.get("minLength", 0)), int(params.get("maxLength", 1 << 30))
    return _Value(words, pattern=text, limits=limits,
                  keeps_space=pattern.get("type") == "string")


def _explain(node: XmlElement, rules: _ElementRules) -> Iterator[Problem]:
    if node.tag != rules.name:
        yield problem_at(node, f"expected <{rules.name}>, found {_shown(node.tag)}")
        return
    yield from _explain_attributes(node, rules)
    yield from _explain_text(node, rules)
    yield from _explain_children(node, rules)


def _explain_attributes(node: XmlElement, rules: _ElementRules) -> Iterator[Problem]:
    for name, value in node.attributes.items():
        rule = rules.attributes.get(name)
        if rule is None:
            known = _one_of("attribute", sorted(rules.attributes), name)
            yield problem_at(node, f"expected {known} in <{node.tag}>, found {_plain(name)}")
        elif not rule.value.allows(value):
            yield problem_at(node, f"expected {rule.value.expected} as {name} of "
                                   f"<{node.tag}>, found {quoted(value)}")
    for name, rule in rules.attributes.items():
        if rule.required and name not in node.attributes:
            yield problem_at(node, f"expected the attribute {name} in <{node.tag}> "
                                   f"({rule.value.expected}), found none")


def _explain_text(node: XmlElement, rules: _ElementRules) -> Iterator[Problem]:
    if rules.text is None:
        if collapse(node.text):
            yield problem_at(node, f"expected no text in <{node.tag}>, "
                                   f"found {quoted(collapse(node.text))}")
    elif not node.children and not rules.text.allows(node.text):
        found = quoted(collapse(node.text)) if collapse(node.text) else "nothing"
        yield problem_at(node, f"expected {rules.text.expected} in <{node.tag}>, found {found}")


def _explain_children(node: XmlElement, rules: _ElementRules) -> Iterator[Problem]:
    seen: List[str] = []
    for child in node.children:
        rule = rules.children.get(child.tag)
        if rule is None:
            known = _one_of("", [f"<{name}>" for name in sorted(rules.children)],
                            f"<{child.tag}>")
            yield problem_at(child, f"expected {known} in <{node.tag}>, "
                                    f"found {_shown(child.tag)}")
            continue
        if child.tag in seen and not rule.many:
            yield problem_at(child, f"expected one <{child.tag}> in <{node.tag}>, "
                                    "found a second")
        seen.append(child.tag)
        yield from _explain(child, _element_rules(rule.pattern, rules.schema))
    for name, rule in rules.children.items():
        if rule.required and name not in seen:
            yield problem_at(node, f"expected <{name}> in <{node.tag}>, found none")


def _as_libxml2_says(root: XmlElement, validator: etree.RelaxNG) -> Problem:
    first = validator.error_log[0] if len(validator.error_log) else None
    said = first.message if first is not None else "something else"
    line = first.line if first is not None else 0
    return Problem(line or root.line, 1, f"expected what the schema says, found: {said}")


def _one_of(what: str, known: Sequence[str], found: str) -> str:
    if not known:
        return f"no {what or 'element'}"
    near = difflib.get_close_matches(found, known, n=1)
    words = f"{what} {join_or(known)}".strip()
    return f"{words} (the nearest is {near[0]})" if near and len(known) > 1 else words


def join_or(words: Sequence[str]) -> str:
    """Return words as a list: ``a, b or c``."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _plain(name: str) -> str:
    space, _, local = name.rpartition("}")
    return f"{quoted(local)} of the namespace {quoted(space[1:])}" if space else quoted(local)


def _shown(tag: str) -> str:
    space, _, local = tag.rpartition("}")
    return f"<{local}>" + (f" of the namespace {quoted(space[1:])}" if space else "")
