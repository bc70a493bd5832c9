"""Which of EL's packages has which path of the tree."""
from __future__ import annotations

import collections
import os
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Set

from ..rpms import FixtureError
from .debian import MERGED, DebianPackage, merged
from .edited import EditedTree
from .names import DROPPED, el_name

# What no package of Debian has, for its scripts make it: by the beginning of the path.
_MADE_BY_SCRIPTS: Mapping[str, str] = {
    "/etc/binfmt.d": "systemd", "/etc/chrony": "chrony", "/etc/dbus-1": "dbus",
    "/etc/default": "setup", "/etc/dnf": "dnf", "/etc/hosts.allow": "setup",
    "/etc/hosts.deny": "setup", "/etc/inputrc": "setup", "/etc/lvm": "lvm2",
    "/etc/motd": "setup", "/etc/networks": "setup", "/etc/pam.d": "pam",
    "/etc/python3": "python3", "/etc/security": "pam", "/etc/selinux": "selinux-policy-targeted",
    "/etc/skel": "setup", "/etc/ssh": "openssh-server", "/etc/systemd": "systemd",
    "/etc/zabbix": "zabbix-agent", "/root": "filesystem", "/usr/lib/gcc": "libgcc",
    "/usr/lib/modules": "kernel-core", "/usr/lib/udev": "systemd-udev",
    "/usr/lib/x86_64-linux-gnu/gio": "glib2", "/usr/share/mime": "filesystem",
    "/usr/share/selinux": "selinux-policy-targeted", "/var/lib/chrony": "chrony",
    "/var/lib/dbus": "dbus", "/var/lib/logrotate": "logrotate",
    "/var/lib/python": "python3", "/var/lib/selinux": "selinux-policy-targeted",
    "/var/lib/sepolgen": "policycoreutils-devel", "/var/lib/systemd": "systemd",
    "/var/spool/cron": "cronie"}
_SHARED = "filesystem"
_LINKS = 5  # of alternatives, two in a row


def owned_paths(tree: EditedTree, packages: Mapping[str, DebianPackage]) -> Dict[str, List[str]]:
    """Return the absolute paths of each of EL's packages, sorted: all that are in the tree.

    Raises FixtureError, with their paths, for those that nobody has.
    """
    owners = _Owners(tree, packages)
    found: Dict[str, List[str]] = collections.defaultdict(list)
    nobodys = []
    for path in _walk(tree.root):
        name = owners.owner(path)
        if name is None:
            nobodys.append(path)
        else:
            found[name].append(path)
    if nobodys:
        raise FixtureError(f"paths of the Debian tree without a package: {', '.join(nobodys)}",
                           hint="Add them to _MADE_BY_SCRIPTS or _GONE in full_node/.")
    return {name: sorted(paths) for name, paths in found.items()}


def _walk(root: Path) -> Iterator[str]:
    todo = [""]
    while todo:
        folder = todo.pop()
        for name in sorted(os.listdir(f"{root}{folder}")):
            path = f"{folder}/{name}"
            yield path
            if _is_folder(root, path):
                todo.append(path)


def _is_folder(root: Path, path: str) -> bool:
    where = f"{root}{path}"
    return os.path.isdir(where) and not os.path.islink(where)


class _Owners:
    """What is known of owners: by the tree's editing, and by dpkg's lists."""

    def __init__(self, tree: EditedTree, packages: Mapping[str, DebianPackage]) -> None:
        self._root = tree.root
        self._claimed = tree.owners
        self._files: Dict[str, str] = {}
        self._folders: Dict[str, Set[str]] = collections.defaultdict(set)
        for package in packages.values():
            if package.name not in DROPPED:
                for path in package.paths:
                    self._listed(path.replace("/usr/share/selinux/default",
                                              "/usr/share/selinux/targeted"),
                                 el_name(package.name))

    def _listed(self, path: str, name: str) -> None:
        if _is_folder(self._root, path):
            self._folders[path].add(name)
        else:
            self._files.setdefault(path, name)

    def owner(self, path: str) -> Optional[str]:
        """Return the package that has ``path``, or None for a file that nobody has."""
        if path in self._claimed:
            return self._claimed[path]
        if path.lstrip("/") in MERGED:
            return _SHARED
        if _is_folder(self._root, path):
            return self._of_folder(path)
        return (self._files.get(path) or self._of_bytecode(path) or self._of_target(path)
                or self._by_beginning(path))

    def _of_folder(self, path: str) -> str:
        names = self._folders.get(path, set())
        if len(names) == 1 and path.count("/") > 2:
            return next(iter(names))
        if names:
            return _SHARED
        if os.path.basename(path) == "__pycache__":
            return self._of_folder(os.path.dirname(path))
        return self._by_beginning(path) or _SHARED

    def _of_bytecode(self, path: str) -> Optional[str]:
        folder, name = os.path.split(path)
        if os.path.basename(folder) != "__pycache__":
            return None
        source = f"{os.path.dirname(folder)}/{name.split('.')[0]}.py"
        return self._claimed.get(source) or self._files.get(source)

    def _of_target(self, path: str) -> Optional[str]:
        for _ in range(_LINKS):
            where = f"{self._root}{path}"
            if not os.path.islink(where):
                return None
            path = merged(os.path.normpath(os.path.join(
                os.path.dirname(path), os.readlink(where))))
            if path in self._files:
                return self._files[path]
        return None

    def _by_beginning(self, path: str) -> Optional[str]:
        for table in (self._claimed, _MADE_BY_SCRIPTS):
            above = path
            while above != "/":
                name = table.get(above)
                if name is not None and (name != _SHARED or table is _MADE_BY_SCRIPTS):
                    return name
                above = os.path.dirname(above)
        return None
