"""Users and groups that a plugin brings: created where declared, and found afterwards."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ...packages.contents import declared_accounts
from ...packages.session import PackageChange
from ...registry.inventory import SCRIPTLETS, Account
from ...settings.accounts import account_files, sysusers
from ...settings.accounts.account_ids import id_in
from ...settings.kit.model import Context
from ...undo.changes import Applied, Change

_MEMBER = "group-member"
_NUMBERS = {"user": "uid", "group": "gid"}
_FILES = {"etc/passwd": "user", "etc/group": "group"}


class Present:
    """Says which accounts a root has, as it is when this is made."""

    def __init__(self, root: Path) -> None:
        self._users = {one.name for one in account_files.users(root)}
        self._groups = {one.name: one.members for one in account_files.groups(root)}

    def __call__(self, account: Account) -> bool:
        """Say if ``account`` is there."""
        if account.kind == _MEMBER:
            group, _, user = account.name.partition(":")
            return user in self._groups.get(group, ())
        return account.name in (self._users if account.kind == "user" else self._groups)


def make_accounts(packages: Sequence[PackageChange], ctx: Context) -> None:
    """Create the accounts that arriving packages declare, as rpm 4.19 and later does.

    To be called before the transaction: rpm gives files of owners that it does not find to
    root. Raises Refused or CommandError where it cannot be done.
    """
    lines = declared_accounts(packages)
    if lines:
        sysusers.run_sysusers(ctx, "-", lines=lines)


def by_settings(settings: Iterable[Applied]) -> Iterator[Account]:
    """Yield the accounts that settings made, without those that the image had before."""
    for applied in settings:
        if applied.kind in (*_NUMBERS, _MEMBER) and applied.outcome.get("new") != "no":
            number = id_in(applied.outcome, _NUMBERS.get(applied.kind, ""))
            yield Account(kind=applied.kind, name=applied.key, number=number,
                          by=f"{applied.kind} {applied.key}")


def by_scriptlets(effects: Sequence[Change], root: Path) -> Tuple[Account, ...]:
    """Return the users and groups that ``effects`` added to passwd(5) and group(5) of ``root``."""
    found: List[Account] = []
    for change in effects:
        kind = _FILES.get(change.path)
        if kind is not None and change.after is not None:
            before = _numbers(change.before.content if change.before is not None else b"")
            now: Dict[str, Optional[int]] = (
                {one.name: one.uid for one in account_files.users(root)} if kind == "user"
                else {one.name: one.gid for one in account_files.groups(root)})
            found.extend(Account(kind, name, number, SCRIPTLETS)
                         for name, number in sorted(now.items()) if name not in before)
    return tuple(found)


def _numbers(content: Optional[bytes]) -> Dict[str, str]:
    lines = (line.split(":") for line in os.fsdecode(content or b"").split("\n"))
    return {line[0]: line[2] for line in lines if len(line) > 3}
