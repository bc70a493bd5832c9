"""Users and groups that a plugin brings: created if declared, and detected afterwards."""
from __future__ import annotations

import os
from pathlib import Path
from typing import FrozenSet, Iterable, Iterator, Mapping, Optional, Sequence, Tuple

from ...errors import CommandError
from ...packages.contents import accounts_in_files, declared_accounts
from ...packages.session import PackageChange
from ...registry.inventory import SCRIPTLETS, Account
from ...settings.accounts import sysusers
from ...settings.accounts.account_ids import ID_NAMES, id_in
from ...settings.kit.model import Context
from ...system import account_files
from ...undo.changes import Applied, Change

_MEMBER = "group-member"


def present(root: Path) -> FrozenSet[Tuple[str, str]]:
    """Return kind and name of every account in ``root``, as ``Account`` has them."""
    groups = account_files.groups(root)
    return frozenset([*(("user", user.name) for user in account_files.users(root)),
                      *(("group", group.name) for group in groups),
                      *((_MEMBER, f"{group.name}:{user}") for group in groups
                        for user in group.members)])


def make_declared(packages: Sequence[PackageChange], files: Mapping[str, Path],
                  ctx: Context) -> Tuple[str, ...]:
    """Create the accounts that arriving packages declare, as rpm 4.19 and later does.

    ``files`` are the RPM files by NEVRA. To be called before the transaction: rpm gives files
    of unknown owners to root. Returns a line if those in files of sysusers.d(5), which a
    trigger of systemd reads later, cannot be created. Raises Refused or CommandError for others.
    """
    lines = declared_accounts(packages)
    if lines:
        sysusers.run_sysusers(ctx, "-", lines=lines)
    in_files = accounts_in_files(packages, files)
    try:
        if in_files:
            sysusers.run_sysusers(ctx, "-", lines=in_files)
    except CommandError as exc:
        return (f"accounts in sysusers.d files of packages were not created: {exc.message}",)
    return ()


def by_settings(settings: Iterable[Applied]) -> Iterator[Account]:
    """Yield the accounts that settings made, without those that the image had before."""
    for applied in settings:
        if applied.kind in (*ID_NAMES, _MEMBER) and applied.outcome.get("new") != "no":
            number = id_in(applied.outcome, ID_NAMES.get(applied.kind, ""))
            yield Account(kind=applied.kind, name=applied.key, number=number,
                          by=f"{applied.kind} {applied.key}")


def by_scriptlets(effects: Sequence[Change], root: Path) -> Iterator[Account]:
    """Yield the users and groups that ``effects`` added to passwd(5) and group(5) of ``root``."""
    now = {"etc/passwd": ("user", {user.name: user.uid for user in account_files.users(root)}),
           "etc/group": ("group", {group.name: group.gid
                                   for group in account_files.groups(root)})}
    for change in effects:
        if change.path in now and change.after is not None:
            before = _names(change.before.content if change.before is not None else b"")
            kind, accounts = now[change.path]
            for name, number in sorted(accounts.items()):
                if name not in before:
                    yield Account(kind, name, number, SCRIPTLETS)


def _names(content: Optional[bytes]) -> FrozenSet[str]:
    lines = (line.split(":") for line in os.fsdecode(content or b"").split("\n"))
    return frozenset(line[0] for line in lines if len(line) > 3)
