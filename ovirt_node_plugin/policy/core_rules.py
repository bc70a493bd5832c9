"""The rules that say which packages of a root are core, for any dnf."""
from __future__ import annotations

import fnmatch
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, Iterable, Pattern, Protocol, Sequence, Set, Tuple

from ..errors import UsageError
from ..registry import store
from ..system.limits import CORE_PATTERNS
from ..system.paths import resolve_inside
from ..system.regular_files import read_regular
from ..target import Target


class NamedPackage(Protocol):
    """A package of any dnf: its name, and by ``str()`` its NEVRA."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class CoreRules:
    """The rules that say which packages are core in one root.

    ``patterns`` are globs of package names; ``claims`` are the NEVRAs in records of
    plugins; with ``everything``, as on a node, every other installed package is core too;
    ``free`` are globs of names that are never core, and may replace core packages.
    """

    patterns: Tuple[str, ...]
    claims: FrozenSet[str] = frozenset()
    everything: bool = False
    free: Tuple[str, ...] = ()

    def named(self, name: str) -> bool:
        """Return whether the lists name the package ``name``."""
        return _matches(name, self.patterns) and not self.is_free(name)

    def is_free(self, name: str) -> bool:
        """Return whether the package ``name`` may always change."""
        return _matches(name, self.free)

    def is_core(self, package: NamedPackage) -> bool:
        """Return whether an installed package is core; ``str(package)`` is its NEVRA.

        The NEVRA is as DNF writes it, without an epoch of 0.
        """
        if self.is_free(package.name):
            return False
        return self.named(package.name) or (self.everything and str(package) not in self.claims)


@dataclass(frozen=True)
class CoreChange:
    """One change of a core package in a solved transaction.

    ``action`` is ``upgrade``, ``downgrade``, ``reinstall``, ``remove``, ``obsolete``,
    ``replace`` or ``install``; ``has`` and ``offers`` are ``name-[epoch:]version-release`` of the
    installed and the new package, empty without one; ``nevra`` is that of the new package,
    else of the installed one; ``repo`` is the id of the repository that offers it.
    """

    action: str
    name: str
    has: str
    offers: str
    nevra: str
    repo: str

    def text(self) -> str:
        """Return the change as a line to show."""
        if self.action in ("remove", "obsolete"):
            return f"{self.action} {self.has}"
        source = f" from {self.repo}" if self.repo else ""
        if not self.has:
            return f"install {self.offers}{source}"
        return f"{self.action} {self.has} to {self.offers}{source}"


def read_patterns(folders: Iterable[Path], *, needed: bool = True) -> Tuple[str, ...]:
    """Return the globs in all ``*.conf`` files of ``folders``, sorted.

    Raises UsageError for a file that cannot be read, or if one is ``needed`` and there is
    none: without lists, core packages would not be protected.
    """
    patterns: Set[str] = set()
    places = list(folders)
    files = [path for folder in places for path in sorted(folder.glob("*.conf"))]
    if needed and not files:
        raise UsageError("there is no list of core packages in "
                         + ", ".join(map(str, places)),
                         hint="Install ovirt-node-plugin again, or put a *.conf file there;"
                              " it may be empty.")
    for path in files:
        try:
            lines = read_regular(path, follow=True).decode().splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"the core package list {path} cannot be read: {exc}",
                             hint="Make it a readable text file, or remove it.") from exc
        patterns.update(line.partition("#")[0].strip() for line in lines)
        if len(patterns) > CORE_PATTERNS:
            raise UsageError(f"the lists of core packages up to {path} have more than"
                             f" {CORE_PATTERNS} names", hint="Use globs, or remove a list.")
    return tuple(sorted(patterns - {""}))


def read_rules(target: Target, lists: Sequence[Path], *, free: Tuple[str, ...] = ()) -> CoreRules:
    """Return the core rules of the root of ``target``.

    ``lists`` are the folders of core package lists, read on this machine and in the root;
    ``free`` are globs of names that are never core. Errors as in ``read_patterns``.
    """
    patterns = read_patterns(lists)
    if not target.live:
        patterns += read_patterns(
            [resolve_inside(target.root, str(folder)) for folder in lists], needed=False)
    return CoreRules(patterns, store.claims(target.root), target.is_node, free)


def _matches(name: str, patterns: Tuple[str, ...]) -> bool:
    return _expression(patterns).fullmatch(name) is not None


@functools.lru_cache(maxsize=8)
def _expression(patterns: Tuple[str, ...]) -> Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns) or r"(?!)")
