"""A root of another EL major than this machine's, and what its packages rely on in rpm."""
from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import List, Sequence, Tuple

from ...errors import Refused
from ...packages import rpmdb
from ...packages.session import PackageChange
from ...settings.accounts import sysusers
from ...settings.kit.model import Context
from ...target import Target, el_major

_ENFORCES = "sys/fs/selinux/enforce"


def check(target: Target, *, machine: Path = Path("/")) -> Tuple[str, ...]:
    """Return lines on a root of another EL major than that of ``machine``, which runs rpm.

    Raises Refused for a newer one where the machine enforces an SELinux policy: that
    does not know all labels of the root's packages, and rpm fails at those.
    """
    mine, theirs = el_major(machine), el_major(target.root)
    if target.live or mine is None or theirs is None or mine == theirs:
        return ()
    made_by = f"rpm {rpmdb.rpm_version()} of this machine, which is EL {mine}"
    if theirs < mine:
        return (f"{target.root} is EL {theirs}: its packages are installed by {made_by}. Its own"
                " rpm may not read all that a newer one writes.",)
    if _enforces(machine):
        raise Refused(
            f"{target.root} is EL {theirs} and this machine is EL {mine}, with SELinux enforcing:"
            f" the policy of EL {mine} does not know every label of EL {theirs}, and rpm fails"
            " where it has to set one",
            hint=f"Do this on a machine of EL {theirs}, or on one that does not enforce SELinux.")
    return (f"{target.root} is EL {theirs}: its packages are installed by {made_by}. What they"
            " need of a newer rpm, other than accounts, is not done.",)


def accounts(packages: Sequence[PackageChange]) -> Tuple[str, ...]:
    """Return lines of sysusers.d(5) that arriving packages declare and rpm here passes over."""
    if rpmdb.creates_accounts():
        return ()
    # systemd before 257 does not know "u!", which expires an account besides locking it
    return tuple(dict.fromkeys(
        re.sub("^u!", "u", line) for change in packages
        if change.action != "remove" and change.header is not None
        for line in change.header.accounts))


def account_notes(packages: Sequence[PackageChange], ctx: Context) -> List[str]:
    """Return a line on the accounts that are created before the transaction, if there are any.

    Raises as ``make_accounts`` would.
    """
    lines = accounts(packages)
    if not lines:
        return []
    sysusers.check_root(ctx)
    names = ", ".join(dict.fromkeys(map(_account, lines)))
    return ["Users and groups that packages declare are created by systemd-sysusers, since rpm"
            f" {rpmdb.rpm_version()} does not do that: {names}"]


def make_accounts(packages: Sequence[PackageChange], ctx: Context) -> None:
    """Create the accounts that arriving packages declare, as rpm 4.19 and later does.

    To be called before the transaction: rpm gives files of owners that it does not find to
    root. Raises Refused or CommandError where it cannot be done.
    """
    lines = accounts(packages)
    if lines:
        sysusers.run_sysusers(ctx, "-", lines=lines)


def _account(line: str) -> str:
    """Return what a line of sysusers.d(5) makes: a user, a group, or a user's being in one."""
    kind, *words = line.split()
    return " in ".join(words[:2] if kind == "m" else words[:1])


def _enforces(machine: Path) -> bool:
    """Return whether the kernel of ``machine`` enforces an SELinux policy, see selinux(8)."""
    with contextlib.suppress(OSError):
        return (machine / _ENFORCES).read_text().strip() == "1"
    return False
