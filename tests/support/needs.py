"""What tests need: packages that not every distribution has, and libraries of Python."""
from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any, FrozenSet, Iterable, List, Mapping, Pattern

import pytest

UNIT = Path(__file__).resolve().parents[1] / "unit"

# Modules of tests.support that build nothing by themselves.
_BUILD_NOTHING = (
    "driver|full_node_plugins|iso_reading|killing|made|manpages|needs|policy_world|program"
    "|samples|schemas|selinux_root|settings_root|transcripts|treestate|trust_root|vdsm_machine")

# A package, and what a test module that needs it imports or calls. The names are those of
# tools/setup.
USES: Mapping[str, Pattern[str]] = {
    "busybox": re.compile(
        rf"(?<!/)\bsupport\b(?!\.(?:{_BUILD_NOTHING})\b"
        rf"| import (?:{_BUILD_NOTHING})(?:, (?:{_BUILD_NOTHING}))*$)", re.MULTILINE),
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


def libraries(arguments: Iterable[str]) -> List[str]:
    """Return the libraries that tests need; ``arguments`` are the paths that pytest was given.

    Unit tests need no dnf: they are run when the RPM is built, where it is not installed.
    """
    paths = [Path(one.partition("::")[0]).resolve() for one in arguments]
    unit = all(UNIT in (path, *path.parents) for path in paths)
    return ["lxml", "rpm", *([] if unit else ["dnf"])]


def library(name: str) -> Any:
    """Return an imported library.

    Raises pytest.UsageError, with the command that installs it, if it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise pytest.UsageError(
            f"{sys.executable} cannot import {name}: {exc}\n"
            "Install it, as root, with: ./tools/setup run test check\n"
            "Then run the tests with: ./tools/check --tests [PATH...]") from exc
