"""Ports and services in a zone of firewalld, as its files have them (firewalld.zone(5))."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ...system.entries import read_entry

SYSTEM, DEFAULT = "etc/firewalld", "usr/lib/firewalld"
_FALLBACK_ZONE = "public"  # firewalld's own where DefaultZone is not set, firewalld.conf(5)
# Only the marks that matter here; what is inside a rich rule is the rule's.
_MARKS = re.compile(r"<!--.*?-->|<rule\b[^>]*>|</rule\s*>|<(port|service)\b([^>]*)/?>", re.DOTALL)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?/([a-z]+)")
_ATTRIBUTE = re.compile(r"""([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


@dataclass(frozen=True)
class Range:
    """Ports from ``low`` to ``high`` of one protocol."""

    low: int
    high: int
    protocol: str

    def __str__(self) -> str:
        shown = str(self.low) if self.low == self.high else f"{self.low}-{self.high}"
        return f"{shown}/{self.protocol}"


def parse_ranges(text: str) -> Tuple[Range, ...]:
    """Return what ``5989/tcp 100-200/udp`` says; words that are no ports are passed over."""
    found = (_RANGE.fullmatch(word) for word in text.split())
    return tuple(Range(int(one[1]), int(one[2] or one[1]), one[3]) for one in found if one)


def overlap(one: Range, other: Range) -> bool:
    """Say if two ranges have a port in common."""
    return one.protocol == other.protocol and one.low <= other.high and other.low <= one.high


def missing(wanted: Sequence[Range], there: Sequence[Range]) -> Tuple[Range, ...]:
    """Return the parts of ``wanted`` that none of ``there`` has, lowest first."""
    found: List[Range] = []
    for one in wanted:
        low = one.low
        for other in sorted((two for two in there if overlap(one, two)), key=lambda two: two.low):
            if other.low > low:
                found.append(Range(low, other.low - 1, one.protocol))
            low = max(low, other.high + 1)
        if low <= one.high:
            found.append(Range(low, one.high, one.protocol))
    return tuple(found)


def default_zone(root: Path) -> str:
    """Return the zone that the root's firewalld.conf(5) makes the default one."""
    entry = read_entry(root, f"{SYSTEM}/firewalld.conf")
    text = (entry.content or b"").decode(errors="replace") if entry else ""
    found = re.findall(r"^\s*DefaultZone\s*=\s*(\S+)\s*$", text, re.MULTILINE)
    return found[-1] if found else _FALLBACK_ZONE


def read_config(root: Path, folder: str, name: str) -> Optional[str]:
    """Return firewalld's file ``name`` of ``zones`` or ``services``, the root's own first."""
    for base in (SYSTEM, DEFAULT):
        entry = read_entry(root, f"{base}/{folder}/{name}.xml")
        if entry is not None and entry.content is not None:
            return entry.content.decode(errors="surrogateescape")
    return None


def ports(text: str) -> Tuple[Range, ...]:
    """Return the ports of a zone or a service; what is no port is passed over."""
    return tuple(one for _, tag, attributes in _elements(text) if tag == "port"
                 for one in _range(attributes))


def services(text: str) -> Tuple[str, ...]:
    """Return the names of the services that a zone lets in."""
    return tuple(attributes.get("name", "") for _, tag, attributes in _elements(text)
                 if tag == "service")


def without_ports(content: bytes, ranges: Sequence[Range]) -> Optional[bytes]:
    """Return a zone's file without these ports; None if one is there only as part of others."""
    text = content.decode(errors="surrogateescape")
    there = ports(text)
    if any(one not in there and any(overlap(one, other) for other in there) for one in ranges):
        return None
    return _without(text, "port", lambda attributes: bool(
        {*ranges} & {*_range(attributes)})).encode(errors="surrogateescape")


def without_service(content: bytes, name: str) -> bytes:
    """Return a zone's file without a service."""
    text = content.decode(errors="surrogateescape")
    return _without(text, "service", lambda attributes: attributes.get("name") == name).encode(
        errors="surrogateescape")


_Element = Tuple[Tuple[int, int], str, Dict[str, str]]


def _elements(text: str) -> Iterator[_Element]:
    """Yield place, name and attributes of each port and service that is no rich rule's."""
    depth = 0
    for mark in _MARKS.finditer(text):
        words = mark.group()
        if words.startswith("<rule") and not words.endswith("/>"):
            depth += 1
        elif words.startswith("</rule"):
            depth -= 1
        elif mark.group(1) and not depth:
            yield mark.span(), mark.group(1), {
                name: one or two for name, one, two in _ATTRIBUTE.findall(mark.group(2))}


def _range(attributes: Dict[str, str]) -> Tuple[Range, ...]:
    return parse_ranges(f"{attributes.get('port')}/{attributes.get('protocol')}")


def _without(text: str, tag: str, fits: Callable[[Dict[str, str]], bool]) -> str:
    """Return ``text`` without the elements that fit, and the lines that hold nothing else."""
    for (start, end), found, attributes in reversed(list(_elements(text))):
        if found == tag and fits(attributes):
            line = text.rfind("\n", 0, start) + 1
            if not text[line:start].strip() and text[end:end + 1] == "\n":
                start, end = line, end + 1
            text = text[:start] + text[end:]
    return text
