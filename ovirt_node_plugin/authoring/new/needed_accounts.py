"""Accounts that packages need, as owners of files or users of services, and do not declare."""
from __future__ import annotations

import re
from typing import AbstractSet, Dict, Iterator, Sequence, Tuple

from ...packages.described import DescribedPackage
from . import file_contents
from .file_roles import meaning
from .suggestions import Suggestion, setting

# Accounts that every system has: setup's list, and those of VDSM's packages.
_KNOWN = frozenset((
    "root", "bin", "daemon", "adm", "lp", "mail", "sys", "tty", "disk", "nobody", "users", "utmp",
    "wheel", "kvm", "qemu", "vdsm", "sanlock", "systemd-journal", "mem", "kmem", "dialout"))
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")


def suggestions(packages: Sequence[DescribedPackage]) -> Iterator[Suggestion]:
    """Yield a user or a group for each account that no file of a package declares."""
    known = {*_KNOWN, *_declared(packages)}
    for package in packages:
        created = set(_NAME.findall("\n".join(package.scripts.values())))
        users, groups = _needed(package)
        for element, names in (("user", users), ("group", groups)):
            for name in sorted(set(names) - known):
                known.add(name)  # a user has a group of its own
                how = ("a scriptlet of the package seems to create it" if name in created else
                       "no package here declares it")
                yield setting(element, {"name": name},
                              f"{names[name]} {element} {name}; {how}, and {package.name} needs it"
                              " before its files are unpacked.")


def _needed(package: DescribedPackage) -> Tuple[Dict[str, str], Dict[str, str]]:
    """Return users and groups, each with the beginning of a sentence about it."""
    users = {file.owner: f"Files of {package.name} belong to" for file in package.header.files}
    groups = {file.group: f"Files of {package.name} belong to" for file in package.header.files}
    for path, content in package.contents.items():
        found = meaning(path)
        if found is None or found.role.element != "service":
            continue
        service = file_contents.sections(content).get("Service", {})
        if service.get("DynamicUser", [""])[-1] in ("yes", "true", "on", "1"):
            continue
        for option, names in (("User", users), ("Group", groups)):
            for name in service.get(option, ()):
                if _NAME.fullmatch(name):
                    names.setdefault(name, f"The unit {found.values['name']} runs as")
    return users, groups


def _declared(packages: Sequence[DescribedPackage]) -> AbstractSet[str]:
    names = {values["name"] for package in packages for path, content in package.contents.items()
             if "/sysusers.d/" in path for _, values in file_contents.accounts(content)}
    lines = (line.split() for package in packages for line in package.header.accounts)
    return names | {words[1] for words in lines if len(words) > 1}
