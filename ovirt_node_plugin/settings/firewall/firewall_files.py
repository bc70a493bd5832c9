"""Read and edit ports and services in the XML of a firewalld zone; firewalld.zone(5)."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ...errors import CommandError
from ...system.entries import read_text
from ..kit.model import Context, Reader

SYSTEM, DEFAULT = "etc/firewalld", "usr/lib/firewalld"
_FALLBACK_ZONE = "public"  # of firewalld itself if DefaultZone is not set, firewalld.conf(5)
# Only the tags that matter here; elements in a rich rule belong to the rule.
# An unfinished comment or element ends where the next one begins, so that the time is linear.
_MARKS = re.compile(r"<!--.*?(?:-->|\Z)|<rule\b[^<>]*>|</rule\s*>|<(port|service)\b([^<>]*)/?>",
                    re.DOTALL)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?/([a-z]+)")
_ATTRIBUTE = re.compile(r"""(?<![A-Za-z-])([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")


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
    """Return the ranges in a text such as ``5989/tcp 100-200/udp``; other words are ignored."""
    matches = (_RANGE.fullmatch(word) for word in text.split())
    return tuple(Range(int(match[1]), int(match[2] or match[1]), match[3])
                 for match in matches if match)


def overlap(first: Range, second: Range) -> bool:
    """Return whether two ranges have a port in common."""
    return (first.protocol == second.protocol
            and first.low <= second.high and second.low <= first.high)


def missing(wanted: Sequence[Range], present: Sequence[Range]) -> Tuple[Range, ...]:
    """Return the parts of ``wanted`` that are not in ``present``, lowest first."""
    parts: List[Range] = []
    for ports in wanted:
        low = ports.low
        for other in sorted((other for other in present if overlap(ports, other)),
                            key=lambda other: other.low):
            if other.low > low:
                parts.append(Range(low, other.low - 1, ports.protocol))
            low = max(low, other.high + 1)
        if low <= ports.high:
            parts.append(Range(low, ports.high, ports.protocol))
    return tuple(parts)


def default_zone(root: Path) -> str:
    """Return the default zone in the root's firewalld.conf(5)."""
    text = (read_text(root, f"{SYSTEM}/firewalld.conf") or b"").decode(errors="replace")
    zones = re.findall(r"^[ \t]*DefaultZone[ \t]*=[ \t]*(\S+)[ \t]*$", text, re.MULTILINE)
    return zones[-1] if zones else _FALLBACK_ZONE


def read_config(root: Path, folder: str, name: str) -> Optional[str]:
    """Return the XML of a zone or service, from ``/etc`` if it is there."""
    for base in (SYSTEM, DEFAULT):
        content = read_text(root, f"{base}/{folder}/{name}.xml")
        if content is not None:
            return content.decode(errors="surrogateescape")
    return None


def ports(text: str) -> Tuple[Range, ...]:
    """Return the ports of a zone or a service; invalid ones are ignored."""
    return tuple(ports for _, tag, attributes in _elements(text) if tag == "port"
                 for ports in _range(attributes))


def services(text: str) -> Tuple[str, ...]:
    """Return the names of the services that are open in a zone."""
    return tuple(attributes.get("name", "") for _, tag, attributes in _elements(text)
                 if tag == "service")


def without_ports(content: bytes, ranges: Sequence[Range]) -> Optional[bytes]:
    """Return a zone's XML without ``ranges``, None if one is only part of another range."""
    text = content.decode(errors="surrogateescape")
    present = ports(text)
    if any(ports not in present and any(overlap(ports, other) for other in present)
           for ports in ranges):
        return None
    return _without(text, "port", lambda attributes: bool(
        {*ranges} & {*_range(attributes)})).encode(errors="surrogateescape")


def without_service(content: bytes, name: str) -> bytes:
    """Return a zone's XML without a service."""
    text = content.decode(errors="surrogateescape")
    return _without(text, "service", lambda attributes: attributes.get("name") == name).encode(
        errors="surrogateescape")


_Element = Tuple[Tuple[int, int], str, Dict[str, str]]


def _elements(text: str) -> Iterator[_Element]:
    """Yield position, tag and attributes of each port and service outside of rich rules."""
    depth = 0
    for mark in _MARKS.finditer(text):
        words = mark.group()
        if words.startswith("<rule") and not words.endswith("/>"):
            depth += 1
        elif words.startswith("</rule"):
            depth -= 1
        elif mark.group(1) and not depth:
            yield mark.span(), mark.group(1), {
                name: double or single
                for name, double, single in _ATTRIBUTE.findall(mark.group(2))}


def _range(attributes: Dict[str, str]) -> Tuple[Range, ...]:
    return parse_ranges(f"{attributes.get('port')}/{attributes.get('protocol')}")


def _without(text: str, tag: str, fits: Callable[[Dict[str, str]], bool]) -> str:
    """Return ``text`` without the elements that fit, and without lines that become empty."""
    parts: List[str] = []  # what is kept, from the end
    kept_from = len(text)
    for (start, end), element, attributes in reversed(list(_elements(text))):
        if element == tag and fits(attributes):
            if text[end:kept_from]:
                parts.append(text[end:kept_from])
            kept_from = start
            line = text.rfind("\n", 0, start) + 1
            if not text[line:start].strip() and parts and parts[-1].startswith("\n"):
                parts[-1] = parts[-1][1:]
                kept_from = line
    return text[:kept_from] + "".join(reversed(parts))


def _reload(ctx: Context) -> None:
    try:
        ctx.run(["firewall-cmd", "--state"])
    except CommandError:
        return  # not running: it reads its configuration when it starts
    ctx.run(["firewall-cmd", "--reload"])


READER = Reader("firewall", (SYSTEM, DEFAULT), "reload the firewall", _reload)
