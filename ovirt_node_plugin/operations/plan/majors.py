"""A root of another EL major version than this machine, and what its packages need of rpm."""
from __future__ import annotations

import contextlib
from pathlib import Path
from typing import List, Sequence, Tuple

from ...errors import Refused
from ...packages import rpmdb
from ...packages.contents import declared_accounts
from ...packages.session import PackageChange
from ...settings.accounts import sysusers
from ...settings.kit.model import Context
from ...target import Target, el_major

_ENFORCES = "sys/fs/selinux/enforce"


def check(target: Target, *, machine: Path = Path("/")) -> Tuple[str, ...]:
    """Return lines about a root of another EL major version than ``machine``, which runs rpm.

    Raises Refused for a newer root if the machine enforces an SELinux policy: that does not
    know all labels of the root's packages, and rpm fails to set them.
    """
    own, major = el_major(machine), el_major(target.root)
    if target.live or own is None or major is None or own == major:
        return ()
    made_by = f"rpm {rpmdb.rpm_version()} of this machine, which is EL {own}"
    if major < own:
        return (f"{target.root} is EL {major}: its packages are installed by {made_by}. Its own"
                " rpm may not read all that a newer one writes.",)
    if _enforces(machine):
        raise Refused(
            f"{target.root} is EL {major} and this machine is EL {own}, with SELinux enforcing:"
            f" the policy of EL {own} does not know every label of EL {major}, and rpm fails"
            " where it has to set one",
            hint=f"Do this on a machine of EL {major}, or on one that does not enforce SELinux.")
    return (f"{target.root} is EL {major}: its packages are installed by {made_by}. What they"
            " need of a newer rpm, other than accounts, is not done.",)


def account_notes(packages: Sequence[PackageChange], ctx: Context) -> List[str]:
    """Return a line about the accounts that are created before the transaction, if any.

    Raises the errors that creating them would raise.
    """
    lines = declared_accounts(packages)
    if not lines:
        return []
    sysusers.check_root(ctx)
    names = ", ".join(dict.fromkeys(map(_account, lines)))
    return ["Users and groups that packages declare are created by systemd-sysusers, since rpm"
            f" {rpmdb.rpm_version()} does not do that: {names}"]


def _account(line: str) -> str:
    """Return the account in a line of sysusers.d(5): a user, a group, or ``USER in GROUP``."""
    kind, *words = line.split()
    return " in ".join(words[:2] if kind == "m" else words[:1])


def _enforces(machine: Path) -> bool:
    """Return whether the kernel of ``machine`` enforces an SELinux policy, see selinux(8)."""
    with contextlib.suppress(OSError):
        return (machine / _ENFORCES).read_text().strip() == "1"
    return False
