"""The rules for the names of <hosts-entry>; hosts(5)."""
from __future__ import annotations

import re
from typing import Sequence

from .addresses import is_address, is_hostname

# Names that every system has for itself; /etc/hosts of EL and Debian
_LOCAL = re.compile(r"localhost[46]?|(?:.*\.)?localdomain[46]?|.*\.localhost|ip6-.*|broadcasthost")


def problem(names: Sequence[str]) -> str:
    """Return what is wrong with the names of an entry, or an empty text."""
    lower = [name.lower() for name in names]
    for name in lower:
        if is_address(name) or name.replace(".", "").isdigit():
            return f"expected names of hosts, found the address {name}"
        if not is_hostname(name):
            return f"expected names of hosts, found {name[:64]}"
        if _LOCAL.fullmatch(name):
            return f"expected names of other hosts, found {name}, which is each host's own"
    return "" if len(set(lower)) == len(lower) else "expected each name once, found one twice"
