"""What a plugin brought into a root, as data: packages, files, accounts, and when."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Dict, Iterator, Optional, Tuple

from ..undo.changes import Applied

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
SCRIPTLETS, PACKAGES = "scriptlets", "packages"
"""``by`` of what a package's scriptlet did, and of a folder that rpm made for a package's
file; else it is the kind and key of a setting."""
CONFIG, GHOST, LEFT_OUT = "config", "ghost", "left-out"
NOT_INSTALLED, REPLACED = "not-installed", "replaced"
ABSENT = frozenset((GHOST, LEFT_OUT, NOT_INSTALLED, REPLACED))
"""Marks of files that are not there, or not as their package has them."""

# A digest of what is there no more is for telling it apart, not for checking a file.
_SHORT_DIGEST = 16


@dataclass(frozen=True)
class File:
    """One file, link or folder as the plugin left it.

    ``path`` is absolute inside the root; ``kind`` is as in ``entries.Entry``, ``mode`` the
    permission bits; ``owner`` and ``group`` are names, or numbers where there is no name;
    ``digest`` is ``TYPE:HEX`` of a file's content, ``link`` where a link leads;
    ``capabilities`` are as cap_to_text(3) writes them, ``xattrs`` base64 by name.
    ``marks`` are of those above; ``unchecked`` is what its package says may change:
    ``size``, ``mode``, ``owner``, ``group``, ``link``. ``since`` is the number of the
    operation that brought it in this form, 0 if it was there before.

    Of what no package owns, ``by`` says what made it and ``change`` what it did:
    ADDED, CHANGED or REMOVED; of one that was removed nothing else is known.
    """

    path: str
    kind: str = ""
    mode: int = 0
    owner: str = ""
    group: str = ""
    size_bytes: int = 0
    digest: str = ""
    link: str = ""
    capabilities: str = ""
    xattrs: Tuple[Tuple[str, str], ...] = ()
    marks: Tuple[str, ...] = ()
    unchecked: Tuple[str, ...] = ()
    since: int = 0
    by: str = ""
    change: str = ""

    def same(self, other: Optional[File]) -> bool:
        """Say if both describe the same state of a file, whoever brought it, and when."""
        return other is not None and self._state() == other._state()

    def remembered(self) -> File:
        """Return this as it is kept of what is there no more: its digest shortened."""
        kind, _, digits = self.digest.partition(":")
        return dataclasses.replace(
            self, digest=f"{kind}:{digits[:_SHORT_DIGEST]}" if digits else "", since=0)

    def _state(self) -> File:
        return dataclasses.replace(self, since=0, by="", unchecked=())


@dataclass(frozen=True)
class InventoryPackage:
    """A package that the plugin brought or shares, with its files.

    ``header`` is the digest of the RPM's header, in hexadecimal; ``since`` as in ``File``.
    """

    nevra: str
    header: str
    since: int
    files: Tuple[File, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The sizes of its files that are there."""
        return sum(one.size_bytes for one in self.files if not ABSENT.intersection(one.marks))


@dataclass(frozen=True)
class Account:
    """A user or group that came or went, or somebody's membership in a group.

    ``kind`` is ``user``, ``group`` or ``group-member`` (then ``name`` is the group, a
    colon, and the user); ``number`` is the uid or gid, None if it is not known.
    """

    kind: str
    name: str
    number: Optional[int]
    by: str


@dataclass(frozen=True)
class Operation:
    """One install, upgrade or repair, and what it did, but for the files.

    ``at`` is the time as in a record; ``version_from`` is empty for an install.
    ``shared`` are packages that were there before, another plugin's. The last three are
    how many files it added, changed and removed.
    """

    operation: str
    at: str
    tool: str
    version_from: str
    version_to: str
    packages_added: Tuple[str, ...] = ()
    packages_removed: Tuple[str, ...] = ()
    packages_shared: Tuple[str, ...] = ()
    settings_on: Tuple[Applied, ...] = ()
    settings_again: Tuple[Applied, ...] = ()
    settings_off: Tuple[Applied, ...] = ()
    accounts_added: Tuple[Account, ...] = ()
    accounts_removed: Tuple[Account, ...] = ()
    files_added: int = 0
    files_changed: int = 0
    files_removed: int = 0


@dataclass(frozen=True)
class Delta:
    """What one operation changed. ``files_changed`` are pairs of before and after."""

    name: str
    operation: Operation
    files_added: Tuple[File, ...]
    files_changed: Tuple[Tuple[File, File], ...]
    files_removed: Tuple[File, ...]


@dataclass(frozen=True)
class Inventory:
    """All that is there of one plugin, but its settings.

    ``operations`` are in order, the last one made it what it is now; ``others`` are files
    that no package owns; ``before`` is what the last operation changed or removed, as it
    was before.
    """

    name: str
    operations: Tuple[Operation, ...]
    packages: Tuple[InventoryPackage, ...]
    others: Tuple[File, ...] = ()
    before: Tuple[File, ...] = ()

    def files(self) -> Dict[str, File]:
        """Return every file by its path; one that several packages have is told once."""
        found: Dict[str, File] = {}
        for one in self._every():
            found.setdefault(one.path, one)
        return found

    @property
    def accounts(self) -> Tuple[Account, ...]:
        """The accounts that operations brought, without those that they took away again."""
        found: Dict[Tuple[str, str], Account] = {}
        for operation in self.operations:
            for gone in operation.accounts_removed:
                found.pop((gone.kind, gone.name), None)
            found.update({(one.kind, one.name): one for one in operation.accounts_added})
        return tuple(found.values())

    def delta(self) -> Delta:
        """Return what the last operation changed."""
        old = {one.path: one for one in self.before}
        number = len(self.operations)
        now = {path: one for path, one in self.files().items() if one.change != REMOVED}
        fresh = {path: one for path, one in now.items() if one.since == number}
        gone = {one.path: one for one in self.others
                if one.since == number and one.change == REMOVED}
        gone.update((path, one) for path, one in old.items() if path not in now)
        known = {path for path, one in fresh.items() if path in old or one.change == CHANGED}
        return Delta(
            name=self.name, operation=self.operations[-1],
            files_added=tuple(one for path, one in sorted(fresh.items()) if path not in known),
            files_changed=tuple((old.get(path, File(path)), fresh[path]) for path in sorted(known)),
            files_removed=tuple(one for _, one in sorted(gone.items())))

    def _every(self) -> Iterator[File]:
        for package in self.packages:
            yield from package.files
        yield from self.others


def counted(inventory: Inventory) -> Inventory:
    """Return ``inventory`` with the numbers of files of its last operation set."""
    last = counted_delta(inventory.delta()).operation
    return dataclasses.replace(inventory, operations=(*inventory.operations[:-1], last))


def counted_delta(delta: Delta) -> Delta:
    """Return ``delta`` with the numbers of files in its operation set."""
    return dataclasses.replace(delta, operation=dataclasses.replace(
        delta.operation, files_added=len(delta.files_added),
        files_changed=len(delta.files_changed), files_removed=len(delta.files_removed)))
