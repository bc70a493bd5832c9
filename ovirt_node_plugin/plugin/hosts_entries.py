"""The rules for addresses and names of <hosts-entry>; hosts(5), RFC 1123."""
from __future__ import annotations

import re
import socket
from typing import Sequence

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAME_LENGTH = 253
# Names that every system has for itself; /etc/hosts of EL and Debian
_LOCAL = re.compile(r"localhost[46]?|(?:.*\.)?localdomain[46]?|.*\.localhost|ip6-.*|broadcasthost")


def is_address(text: str) -> bool:
    """Return whether ``text`` is an IPv4 or IPv6 address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def problem(names: Sequence[str]) -> str:
    """Return what is wrong with the names of an entry, or an empty text."""
    lower = [name.lower() for name in names]
    for name in lower:
        if len(name) > _NAME_LENGTH or not all(map(_LABEL.fullmatch, name.split("."))):
            return f"expected names of hosts, found {name[:64]}"
        if _LOCAL.fullmatch(name):
            return f"expected names of other hosts, found {name}, which is each host's own"
        if is_address(name) or name.replace(".", "").isdigit():
            return f"expected names of hosts, found the address {name}"
    return "" if len(set(lower)) == len(lower) else "expected each name once, found one twice"
