"""What the command line of a DNF run says, whatever the command is.

``options`` are the arguments as DNF parsed them, None where DNF runs as a library. Each
command has options of its own.
"""
from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from .dnf_types import DnfBase

_UPGRADES = ("upgrade", "update", "up", "distro-sync", "distrosync", "dsync", "downgrade")
_REMOVALS = ("remove", "erase", "rm", "autoremove", "autoerase", "swap", "history", "hist")


def words_of(base: DnfBase) -> Sequence[str]:
    """Return the command line of ``base`` as words, none where DNF runs as a library."""
    return getattr(base, "args", None) or ()


def named_repos(options: object) -> Tuple[str, ...]:
    """Return the patterns of ``--enablerepo``, ``--repo`` and their aliases in this run."""
    patterns = [pattern for pattern, operation in getattr(options, "repos_ed", ())
                if operation == "enable"]
    patterns.extend(getattr(options, "repo", None) or ())
    return tuple(dict.fromkeys(patterns))


def sets_gpgcheck(options: object) -> bool:
    """Return whether the command line says whether to check signatures: --nogpgcheck."""
    return getattr(options, "gpgcheck", None) is not None


def allows_erasing(options: object) -> bool:
    """Return whether the solver may remove packages: --allowerasing."""
    return bool(getattr(options, "allowerasing", False))


def upgrades(options: object) -> bool:
    """Return whether the command upgrades packages."""
    return _command(options).startswith(_UPGRADES)


def removes(options: object) -> bool:
    """Return whether the command removes packages."""
    return (_command(options).startswith(_REMOVALS)
            or "remove" in str(getattr(options, "subcmd", "")))


def is_programmed(options: object) -> bool:
    """Return whether a program or ``dnf shell`` enables repositories without an option."""
    return options is None or _command(options) == "shell"


def recorded_upgrades(base: DnfBase) -> List[str]:
    """Return a list that gets what the program asks ``base`` to upgrade from now on.

    DNF does not tell a hook what was asked for if it finds nothing to do.
    """
    requested: List[str] = []
    upgrade = base.upgrade

    def recorded(pkg_spec: str, reponame: Optional[str] = None) -> int:
        requested.append(pkg_spec)
        return upgrade(pkg_spec, reponame)

    base.upgrade = recorded  # type: ignore[method-assign]
    return requested


def _command(options: object) -> str:
    return str(getattr(options, "command", ""))
