"""What the rpm database of a root holds after a transaction, compared with the plan."""
from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Collection, Iterable, List, Sequence, Tuple

import dnf.exceptions
import dnf.rpm.transaction
import dnf.util

from ..errors import RolledBack
from ..system.words import first_lines
from .dnf_types import DnfBase
from .headers import digest_of, nevra_of

Package = Tuple[str, str]
"""The NEVRA of a package, and the digest of its header."""

# An import of a key during the transaction adds one.
_KEY = "gpg-pubkey-"
_MOST_LINES = 10


def installed(root: Path) -> List[Package]:
    """Return every package in the rpm database of ``root``, but for keys."""
    transaction = dnf.rpm.transaction.initReadOnlyTransaction(str(root))
    packages = ((nevra_of(raw), digest_of(raw)) for raw in transaction.dbMatch())
    return [package for package in packages if not package[0].startswith(_KEY)]


def refuse_unplanned(base: DnfBase) -> None:
    """Raise dnf.exceptions.Error if rpm's transaction removes more than DNF's solved one.

    rpm removes by itself every package of the same name, for example for another architecture.
    Undoing would not restore its files.
    """
    planned = set(map(str, base.transaction or ()))
    unplanned = [nevra for nevra in map(dnf.util._te_nevra, base._ts) if nevra not in planned]
    if unplanned:
        raise dnf.exceptions.Error(
            f"rpm would also remove {', '.join(sorted(unplanned))}, which is not planned. Where"
            " packages of several architectures have one name, a new version has to come for all"
            " of them: ask the vendor.")


def differences(before: Iterable[Package], after: Iterable[Package], *,
                arriving: Collection[str], leaving: Collection[str]) -> List[str]:
    """Return a line for each package that is not as planned, sorted.

    ``before`` and ``after`` are the packages before and after the transaction, ``arriving`` and
    ``leaving`` the NEVRAs that it was to install and to remove.
    """
    was, now = Counter(nevra for nevra, _ in before), Counter(nevra for nevra, _ in after)
    planned = was - Counter(leaving) + Counter(arriving)
    lines = [f"{nevra} is missing, and was to be installed" if nevra in arriving else
             f"{nevra} is gone, and was to stay" for nevra in planned - now]
    lines += [f"{nevra} is still there, and was to be removed" if nevra in leaving else
              f"{nevra} is there, and was not to be installed" for nevra in now - planned]
    digests, changing = dict(before), {*arriving, *leaving}
    lines += [f"{nevra} is another build than before" for nevra, digest in after
              if nevra not in changing and digests.get(nevra, digest) != digest]
    return sorted(lines)


def refuse_other(lines: Sequence[str]) -> None:
    """Raise RolledBack if there are ``differences``."""
    if lines:
        raise RolledBack(
            "\n  ".join(["the rpm database is not as planned after the transaction:",
                         *first_lines(lines, _MOST_LINES)]),
            hint="Scriptlets of packages did this: ask their vendor.")
