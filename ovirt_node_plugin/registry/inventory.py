"""The inventory of a plugin: its operations, packages, files and accounts."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Collection, Dict, FrozenSet, Iterable, Iterator, Mapping, Optional, Tuple

from ..undo.changes import Applied

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
SCRIPTLETS, PACKAGES = "scriptlets", "packages"
"""Values of ``by``: changed by a scriptlet, or a folder that rpm made for a package's file.
Other values are the kind and key of a setting."""
CONFIG, GHOST, LEFT_OUT = "config", "ghost", "left-out"
NOT_INSTALLED, REPLACED = "not-installed", "replaced"
ABSENT = frozenset((GHOST, LEFT_OUT, NOT_INSTALLED, REPLACED))
"""Marks of files that are missing, or not as their package has them."""

# The digest of a removed file only tells versions apart, it verifies nothing.
_SHORT_DIGEST = 16


@dataclass(frozen=True)
class File:
    """One file, link or folder as the plugin left it.

    ``path`` is absolute inside the root; ``kind`` is as in ``entries.Entry``; ``mode`` are
    the permission bits; ``owner`` and ``group`` are names, or ids that have no name;
    ``digest`` is ``TYPE:HEX`` of a file's content; ``link`` is the target of a link;
    ``capabilities`` are as cap_to_text(3) writes them; ``xattrs`` are base64 by name.
    ``marks`` are constants above; ``unchecked`` are the properties that its package lets
    change: ``size``, ``mode``, ``owner``, ``group``, ``link``. ``since`` is the number of
    the operation that brought it in this form, 0 if it existed before.

    For files that no package owns, ``by`` says what changed it and ``change`` how: ADDED,
    CHANGED or REMOVED; for REMOVED nothing else is known.
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
        """Return whether both describe the same state of a file, apart from its origin."""
        return other is not None and self._state() == other._state()

    def remembered(self) -> File:
        """Return this as kept for a removed file: without ``since``, its digest shortened."""
        kind, _, digits = self.digest.partition(":")
        return dataclasses.replace(
            self, digest=f"{kind}:{digits[:_SHORT_DIGEST]}" if digits else "", since=0)

    def _state(self) -> File:
        return dataclasses.replace(self, since=0, by="", unchecked=())


@dataclass(frozen=True)
class InventoryPackage:
    """A package that the plugin brought or shares, with its files.

    ``header`` is the digest of the RPM's header, in hexadecimal; ``since`` is as in ``File``.
    """

    nevra: str
    header: str
    since: int
    files: Tuple[File, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The total size of its files that exist."""
        return sum(file.size_bytes for file in self.files if not ABSENT.intersection(file.marks))


@dataclass(frozen=True)
class Account:
    """A user, group or membership that was added or removed.

    ``kind`` is ``user``, ``group``, or ``group-member`` with the name ``GROUP:USER``;
    ``number`` is the uid or gid, None if unknown; ``by`` is as in ``File``.
    """

    kind: str
    name: str
    number: Optional[int]
    by: str


@dataclass(frozen=True)
class Operation:
    """One install, upgrade or repair, and its changes, with files only counted.

    ``at`` is the time as in a record; ``version_from`` is empty for an install.
    ``packages_shared`` are packages of other plugins that were installed before,
    ``packages_replaced`` those of no plugin that were replaced or removed, all NEVRAs.
    ``scriptlets_skipped`` are scriptlets of leaving packages that were not run, each as
    ``NEVRA:SECTION``, where the section is that of a spec file, such as ``preun``.
    """

    operation: str
    at: str
    tool: str
    version_from: str
    version_to: str
    packages_added: Tuple[str, ...] = ()
    packages_removed: Tuple[str, ...] = ()
    packages_shared: Tuple[str, ...] = ()
    packages_replaced: Tuple[str, ...] = ()
    settings_on: Tuple[Applied, ...] = ()
    settings_again: Tuple[Applied, ...] = ()
    settings_off: Tuple[Applied, ...] = ()
    accounts_added: Tuple[Account, ...] = ()
    accounts_removed: Tuple[Account, ...] = ()
    files_added: int = 0
    files_changed: int = 0
    files_removed: int = 0
    scriptlets_skipped: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Delta:
    """The changes of one operation; ``files_changed`` are pairs of before and after."""

    name: str
    operation: Operation
    files_added: Tuple[File, ...]
    files_changed: Tuple[Tuple[File, File], ...]
    files_removed: Tuple[File, ...]


@dataclass(frozen=True)
class Inventory:
    """The packages, files and accounts of one plugin, and its operations.

    ``operations`` are in order; the last one made the present state. ``others`` are files
    that no package owns; ``before`` are the files that the last operation changed or
    removed, in their state before.
    """

    name: str
    operations: Tuple[Operation, ...]
    packages: Tuple[InventoryPackage, ...]
    others: Tuple[File, ...] = ()
    before: Tuple[File, ...] = ()

    def files(self) -> Dict[str, File]:
        """Return every file by its path; of several packages with one path, the first's."""
        files: Dict[str, File] = {}
        for file in self._every():
            files.setdefault(file.path, file)
        return files

    def files_of(self, nevras: Collection[str]) -> Dict[str, File]:
        """Return the files of those packages that are among ``nevras``; as ``files``."""
        return dataclasses.replace(self, others=(), packages=tuple(
            package for package in self.packages if package.nevra in nevras)).files()

    @property
    def nevras(self) -> FrozenSet[str]:
        """The NEVRAs of the packages."""
        return frozenset(package.nevra for package in self.packages)

    @property
    def accounts(self) -> Tuple[Account, ...]:
        """The accounts that operations added and no later one removed."""
        accounts: Dict[Tuple[str, str], Account] = {}
        for operation in self.operations:
            for removed in operation.accounts_removed:
                accounts.pop((removed.kind, removed.name), None)
            accounts.update({(added.kind, added.name): added
                             for added in operation.accounts_added})
        return tuple(accounts.values())

    def delta(self) -> Delta:
        """Return the changes of the last operation."""
        old = {file.path: file for file in self.before}
        number = len(self.operations)
        now = {path: file for path, file in self.files().items() if file.change != REMOVED}
        fresh = {path: file for path, file in now.items() if file.since == number}
        removed = {file.path: file for file in self.others
                   if file.since == number and file.change == REMOVED}
        removed.update((path, file) for path, file in old.items() if path not in now)
        changed = {path for path, file in fresh.items()
                   if path in old or file.change == CHANGED}
        return Delta(
            name=self.name, operation=self.operations[-1],
            files_added=tuple(file for path, file in sorted(fresh.items())
                              if path not in changed),
            files_changed=tuple((old.get(path, File(path)), fresh[path])
                                for path in sorted(changed)),
            files_removed=tuple(file for _, file in sorted(removed.items())))

    def _every(self) -> Iterator[File]:
        for package in self.packages:
            yield from package.files
        yield from self.others


def numbered(files: Iterable[File], known: Mapping[str, File], number: int,
             fresh: Optional[int] = None) -> Tuple[File, ...]:
    """Return ``files`` with ``since`` set by the operation of that ``number``.

    A file that is the same in ``known``, the files of the operation before by path, keeps
    its ``since``. One that is not in ``known`` gets ``fresh``, by default ``number``.
    """
    def since(file: File) -> int:
        old = known.get(file.path)
        if old is None:
            return number if fresh is None else fresh
        return old.since if file.same(old) else number

    return tuple(dataclasses.replace(file, since=since(file)) for file in files)


def counted(inventory: Inventory) -> Inventory:
    """Return ``inventory`` with the file counts of its last operation set."""
    last = counted_delta(inventory.delta()).operation
    return dataclasses.replace(inventory, operations=(*inventory.operations[:-1], last))


def counted_delta(delta: Delta) -> Delta:
    """Return ``delta`` with the file counts of its operation set."""
    return dataclasses.replace(delta, operation=dataclasses.replace(
        delta.operation, files_added=len(delta.files_added),
        files_changed=len(delta.files_changed), files_removed=len(delta.files_removed)))
