"""Which tests need a package that not every distribution has."""
from __future__ import annotations

import re
from pathlib import Path
from typing import FrozenSet, Mapping, Pattern

import pytest

# A package, and what a test module that needs it imports or calls. The names are those of
# tools/setup.
USES: Mapping[str, Pattern[str]] = {
    "busybox": re.compile(r"\bsupport\b"),
    "debootstrap": re.compile(
        r"\b(?:full_node_plugins|vdsm_machine|support\.(?:dnf5|full_node|machine|qemu|system))\b"
        r"|from tests\.support import .*\b(?:dnf5|full_node|machine|qemu|system)\b"),
}


def packages(item: pytest.Item) -> FrozenSet[str]:
    """Return the packages that a test needs, of those in the table."""
    return used(Path(item.fspath).read_text(encoding="utf-8"), getattr(item, "fixturenames", ()))


def used(text: str, fixtures: object) -> FrozenSet[str]:
    """Return what the text of a test module, or one of a test's fixtures, stands for."""
    found = {package for package, pattern in USES.items() if pattern.search(text)}
    if isinstance(fixtures, (list, tuple)) and "built" in fixtures:
        found.add("busybox")  # every image is built with it
    return frozenset(found)
