"""The allowed paths: rules for where packages of plugins may have files.

A rule allows or denies a path and everything below it; ``*`` matches characters within one
component. Of the rules that match a path, the longest decides, and of equally long ones the
administrator's; without a match, the path is not allowed.

The rules do not protect from a malicious vendor, as scriptlets can write anywhere. They
keep a plugin to files of its own, which become active by settings only.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Dict, Iterable, List, Mapping, Optional, Pattern, Sequence, Tuple

from ..errors import UsageError
from ..system import path_sets, read_paths
from ..system.globs import below_pattern, part_pattern
from ..system.link_places import LinkPlaces
from ..system.paths import is_inside_any
from ..system.regular_files import read_regular

NOT_ALLOWED = "it is outside the allowed paths"
_NO_LINKS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class PathRule:
    """One rule: ``path`` is relative to the root; ``reason`` says why it is denied.

    ``folder``: the path is that of a folder, in the place of which nothing else may be.
    """

    path: str
    allow: bool
    reason: str = ""
    folder: bool = False

    @property
    def parts(self) -> Tuple[str, ...]:
        """The components of the path."""
        return tuple(self.path.split("/"))


@dataclass(frozen=True)
class RuleMatch:
    """A ``rule`` that applies to a path.

    ``place`` is the path of the rule, or a path to which links on it lead. ``above``: it is
    the path itself, which is on the way there, and is no folder.
    """

    rule: PathRule
    place: str
    above: bool = False

    @property
    def objection(self) -> str:
        """Why the path is denied, empty if it is allowed."""
        if self.rule.allow:
            return ""
        if self.above:
            return f"it is on the way to /{self.rule.path}; {self.rule.reason}"
        return self.rule.reason


def built_in(*, kernel_module: bool) -> List[PathRule]:
    """Return the built-in rules for a plugin, with or without kernel modules."""
    modules, own = (path_sets.KERNEL_MODULE, path_sets.KERNEL_OWN) if kernel_module else ((), ())
    return [*(PathRule(path, True, folder=True) for path in path_sets.ALLOWED),
            *(PathRule(path, False, reason) for reason, path in read_paths.denied()),
            *(PathRule(path, True, folder=True) for path in modules),
            *(PathRule(path, False, "it belongs to the kernel") for path in own)]


class PathPolicy:
    """The rules for the paths of a plugin; of equally long ``rules`` the last decides.

    A rule also applies to every path to which links on its path lead in ``root``, with the
    length of its path as written: a rule for ``var/lib/dnf`` applies to ``usr/share/dnf``
    where the first is a link to the second. A rule that denies follows also ``links`` that
    arrive (as in ``LinkPlaces``), and applies to whatever is no folder on the way to its
    paths.

    Raises OutsideRoot as ``LinkPlaces.of``.
    """

    def __init__(self, rules: Sequence[PathRule], *, root: Optional[Path] = None,
                 links: Mapping[str, str] = _NO_LINKS) -> None:
        self._ranks: Dict[int, int] = {}
        self._plain: Dict[Tuple[str, ...], List[RuleMatch]] = {}
        self._with_globs: Dict[str, List[RuleMatch]] = {}
        self._above: Dict[str, RuleMatch] = {}
        self._allowed: List[List[Pattern[str]]] = []
        self._now = LinkPlaces(root) if root is not None else None
        self._then = LinkPlaces(root, links) if root is not None and links else self._now
        self.add(rules)

    def add(self, rules: Iterable[PathRule]) -> None:
        """Add ``rules`` behind those that are there; raises as the class does."""
        for number, rule in enumerate(rules, len(self._ranks)):
            self._ranks[id(rule)] = number
            places = self._now if rule.allow else self._then
            for place in [rule.path] if places is None else places.of(rule.path):
                match = RuleMatch(rule, place)
                if "*" in place:
                    self._with_globs.setdefault(place, []).append(match)
                else:
                    self._plain.setdefault(tuple(place.split("/")), []).append(match)
                self._add_above(match)
        self._globs = [(below_pattern(place), matches)
                       for place, matches in self._with_globs.items()]
        self._any_glob = below_pattern(*self._with_globs)
        self._above_globs = [(part_pattern(place), match)
                             for place, match in self._above.items() if "*" in place]

    def _add_above(self, match: RuleMatch) -> None:
        """Add what is implied for the path of ``match`` and the folders above it."""
        rule, parts = match.rule, match.place.split("/")
        if rule.allow:
            self._allowed.append([part_pattern(part) for part in parts])
            if not rule.folder:
                return
            rule = PathRule(rule.path, False, "only a folder may be there", folder=True)
            self._ranks[id(rule)] = self._ranks[id(match.rule)]
        for count in range(1, len(parts) + rule.folder):
            above = RuleMatch(rule, "/".join(parts[:count]), above=True)
            self._above.setdefault(above.place, above)

    def objection(self, path: str, *, folder: bool = False, claimed: bool = False) -> str:
        """Return why a plugin's package may not have ``path``, empty if it may.

        ``path`` is relative to the root, with links resolved. ``folder``: it is or may be a
        folder; folders above allowed paths are allowed. ``claimed``: the package owns the
        name without content, such as a log.
        """
        path = _merged(path)
        if (folder or claimed) and is_inside_any(path, path_sets.NAMES_ONLY):
            return ""
        match = self.deciding(path, folder=folder)
        if match is not None and match.rule.allow or folder and self._leads_on(path):
            return ""
        return match.objection if match is not None else NOT_ALLOWED

    def deciding(self, path: str, *, folder: bool) -> Optional[RuleMatch]:
        """Return the match of the rule that decides about ``path``, None without one.

        The arguments are as in ``objection``.
        """
        path = _merged(path)
        parts = tuple(path.split("/"))
        prefixes = (parts[:count] for count in range(len(parts), 0, -1))
        matches = [match for prefix in prefixes for match in self._plain.get(prefix, ())]
        if self._any_glob.match(path):
            matches += [match for pattern, own in self._globs if pattern.match(path)
                        for match in own]
        if not folder:
            matches += self._on_the_way(path)
        return max(matches, key=self._rank, default=None)

    def _on_the_way(self, path: str) -> List[RuleMatch]:
        plain = self._above.get(path)
        return [*([plain] if plain else ()),
                *(match for pattern, match in self._above_globs if pattern.fullmatch(path))]

    def _rank(self, match: RuleMatch) -> Tuple[int, int, bool]:
        length = match.place.count("/") + 1 if match.above else len(match.rule.parts)
        return length, self._ranks[id(match.rule)], match.above

    def _leads_on(self, path: str) -> bool:
        """Return whether a path below ``path`` is allowed."""
        parts = path.split("/") if path != "." else []
        return any(len(allowed) > len(parts) and all(
            pattern.fullmatch(part) for pattern, part in zip(allowed, parts))
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
    return PathRule(_merged("/".join(parts)), word == "allow", f"{where} denies it")


def _merged(path: str) -> str:
    return f"usr/{path}" if path.partition("/")[0] in path_sets.MERGED else path
