"""Requirements of tests: packages that some distributions lack, and Python libraries."""
from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any, FrozenSet, Iterable, List, Mapping, Pattern

import pytest

UNIT = Path(__file__).resolve().parents[1] / "unit"

# Modules of tests.support that build nothing when they are imported.
_BUILD_NOTHING = (
    "agent_plugins|calls|custom_plugins|dnf_library|dnf_runner|file_contexts|growth"
    "|interrupted_dnf|iso_contents|manpages|needs|program|repositories|sample_bundle|schemas|selinux_root|settings_root"
    "|transcripts|tree_states|trust_root|vdsm_machine")

# Packages by the names of tools/setup; each pattern matches a test module that needs it.
USES: Mapping[str, Pattern[str]] = {
    "busybox": re.compile(
        rf"(?<!/)\bsupport\b(?!\.(?:{_BUILD_NOTHING})\b"
        rf"| import (?:{_BUILD_NOTHING})(?:, (?:{_BUILD_NOTHING}))*$)", re.MULTILINE),
    "chromium": re.compile(r"\btests\.(?:support\.)?cockpit\b|bench/page\b"),
    "debootstrap": re.compile(
        r"\b(?:agent_plugins|vdsm_machine|tests\.cockpit"
        r"|support\.(?:cockpit|container|dnf5|full_host|full_node|lvm_node|qemu))\b"
        r"|from tests\.support import .*\b(?:container|dnf5|full_host|full_node|qemu)\b"),
}


def packages(item: pytest.Item) -> FrozenSet[str]:
    """Return the packages of ``USES`` that a test needs."""
    text = Path(item.fspath).read_text(encoding="utf-8")
    return needed_packages(text, getattr(item, "fixturenames", ()))


def needed_packages(text: str, fixtures: object) -> FrozenSet[str]:
    """Return the packages that the text of a test module or the fixtures of a test need."""
    names = {package for package, pattern in USES.items() if pattern.search(text)}
    if isinstance(fixtures, (list, tuple)) and "built" in fixtures:
        names.add("busybox")  # every image is built with it
    return frozenset(names)


def libraries(arguments: Iterable[str]) -> List[str]:
    """Return the Python libraries that the tests of pytest's ``arguments`` need.

    Unit tests need no dnf: the build of the RPM runs them, and dnf is not installed there.
    """
    paths = [Path(argument.partition("::")[0]).resolve() for argument in arguments]
    only_unit_tests = all(UNIT in (path, *path.parents) for path in paths)
    return ["lxml", "rpm", *([] if only_unit_tests else ["dnf"])]


def library(name: str) -> Any:
    """Import a library and return it.

    Raises pytest.UsageError, with the command that installs it, if the import fails.
    """
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise pytest.UsageError(
            f"{sys.executable} cannot import {name}: {exc}\n"
            "Install it, as root, with: ./tools/setup run test check\n"
            "Then run the tests with: ./tools/check --tests [PATH...]") from exc
