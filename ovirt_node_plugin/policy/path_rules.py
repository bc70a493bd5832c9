"""The allowed paths: rules for where packages of plugins may have files.

A rule allows or denies a path and everything below it; ``*`` matches characters within one
component. Of the rules that match a path, the longest decides, and of equally long ones the
administrator's; without a match, the path is not allowed.

The rules do not protect from a malicious vendor, as scriptlets can write anywhere. They
keep a plugin to files of its own, which become active by settings only.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Pattern, Sequence, Tuple

from ..errors import UsageError
from ..system import path_sets
from ..system.paths import is_inside_any, real_places
from ..system.regular_files import read_regular

_NOT_ALLOWED = "it is outside the allowed paths"


@dataclass(frozen=True)
class PathRule:
    """One rule: ``path`` is relative to the root; ``reason`` says why it is denied."""

    path: str
    allow: bool
    reason: str = ""

    @property
    def parts(self) -> Tuple[str, ...]:
        """The components of the path."""
        return tuple(self.path.split("/"))


def built_in(*, kernel_module: bool) -> List[PathRule]:
    """Return the built-in rules for a plugin, with or without kernel modules."""
    return [*(PathRule(path, True) for path in path_sets.ALLOWED),
            *(PathRule(path, False, reason) for reason, paths in path_sets.DENIED.items()
              for path in paths),
            *(PathRule(path, True) for path in (path_sets.KERNEL_MODULE if kernel_module else ()))]


class PathPolicy:
    """The rules for the paths of a plugin; of equally long ``rules`` the last decides.

    A rule also applies to the resolved path in ``root``, with the length of its path as
    written: a rule for ``var/lib/dnf`` applies to ``usr/share/dnf`` where the first is a
    link to the second.
    """

    def __init__(self, rules: Sequence[PathRule], *, root: Optional[Path] = None) -> None:
        self._ranks = {id(rule): (len(rule.parts), number) for number, rule in enumerate(rules)}
        self._plain: Dict[Tuple[str, ...], List[PathRule]] = {}
        self._globs: List[Tuple[Pattern[str], PathRule]] = []
        self._allowed: List[List[Pattern[str]]] = []
        for rule in rules:
            for path in [rule.path] if root is None else _real_globs(root, rule.path):
                parts = path.split("/")
                if "*" in path:
                    self._globs.append((_pattern(path), rule))
                else:
                    self._plain.setdefault(tuple(parts), []).append(rule)
                if rule.allow:
                    self._allowed.append([_pattern(part) for part in parts])

    def objection(self, path: str, *, folder: bool = False, claimed: bool = False) -> str:
        """Return why a plugin's package may not have ``path``, empty if it may.

        ``path`` is relative to the root, with links resolved. ``folder``: it is or may be a
        folder; folders above allowed paths are allowed. ``claimed``: the package owns the
        name without content, such as a log.
        """
        if path.partition("/")[0] in path_sets.MERGED:
            path = f"usr/{path}"
        if (folder or claimed) and is_inside_any(path, path_sets.NAMES_ONLY):
            return ""
        rule = self._deciding(path)
        if rule is not None and rule.allow:
            return ""
        if folder and self._leads_on(path):
            return ""
        return rule.reason if rule is not None else _NOT_ALLOWED

    def _deciding(self, path: str) -> Optional[PathRule]:
        parts = tuple(path.split("/"))
        prefixes = (parts[:count] for count in range(len(parts), 0, -1))
        matching = [rule for pattern, rule in self._globs if pattern.match(path)]
        matching += [rule for prefix in prefixes for rule in self._plain.get(prefix, ())]
        return max(matching, key=lambda rule: self._ranks[id(rule)], default=None)

    def _leads_on(self, path: str) -> bool:
        """Return whether a path below ``path`` is allowed."""
        parts = path.split("/") if path != "." else []
        return any(len(allowed) > len(parts) and all(
            pattern.match(part) for pattern, part in zip(allowed, parts))
            for allowed in self._allowed)


def read_rules(folders: Iterable[Path]) -> List[PathRule]:
    """Return the administrator's rules, of all ``*.conf`` files in ``folders``.

    A line is ``allow PATH`` or ``deny PATH``, ``#`` starts a comment.

    Raises UsageError for an unreadable file and for an invalid line.
    """
    rules: List[PathRule] = []
    for path in [path for folder in folders for path in sorted(folder.glob("*.conf"))]:
        try:
            lines = read_regular(path, follow=True).decode().splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"the rules for paths {path} cannot be read: {exc}",
                             hint="Make it a readable text file, or remove it.") from exc
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip()
            if text:
                rules.append(_rule(text, f"{path}:{number}"))
    return rules


def _rule(text: str, where: str) -> PathRule:
    word, _, path = text.partition(" ")
    path = path.strip()
    parts = path.strip("/").split("/")
    if word not in ("allow", "deny") or not path.startswith("/") or {"", ".", ".."} & set(parts):
        raise UsageError(f"{where}: {text!r} is not a rule for paths",
                         hint="Write allow or deny and an absolute path, such as allow /srv/acme.")
    if parts[0] in path_sets.MERGED:
        parts.insert(0, "usr")
    return PathRule("/".join(parts), word == "allow", f"{where} denies it")


def _real_globs(root: Path, glob: str) -> List[str]:
    """Return ``glob`` and, if it differs, ``glob`` with links in its plain part resolved."""
    plain, star, rest = glob.partition("*")
    folder, slash, start = plain.rpartition("/") if star else (plain, "", "")
    return [f"{place}{slash}{start}{star}{rest}" for place in real_places(root, [folder])]


def _pattern(glob: str) -> Pattern[str]:
    """Return an expression for the paths that ``glob`` matches, and those below them."""
    return re.compile("[^/]*".join(map(re.escape, glob.split("*"))) + r"(?:/|\Z)", re.DOTALL)
