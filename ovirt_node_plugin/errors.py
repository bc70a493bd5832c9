"""Every error a user can meet, with its exit status and the next step."""
from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Tuple


class Status(enum.IntEnum):
    """Exit statuses of ``dnf node-plugin``; stable, listed in dnf-node-plugin(8).

    1 and 200 are dnf's own (dnf(8), "Exit Codes"): an error that dnf itself
    reports, and a lock that another process holds.
    """

    DONE = 0
    DNF = 1
    USAGE = 2
    UNMET = 4
    NEEDS_NEWER = 5
    REFUSED = 6
    BAD_BUNDLE = 7
    ROLLED_BACK = 8
    BROKEN = 9
    BAD_IMAGE = 10
    LOCKED = 200


class NodePluginError(Exception):
    """The base of them all: what failed, on which object, and what to do next.

    ``message`` is one or more lines of text without a trailing full stop rule;
    ``hint`` is the next step, empty if there is none.
    """

    status = Status.DNF

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(NodePluginError):
    """The command line names something that is not there or makes no sense."""

    status = Status.USAGE


class UnknownPlugin(UsageError):
    """A name that no path, library or enabled repository resolves, or of no installed plugin."""


class BadRoot(UsageError):
    """The installroot is missing, empty, or has no rpm database."""


class BadBundle(NodePluginError):
    """A bundle, an archive or what lies in it cannot be used."""

    status = Status.BAD_BUNDLE


class BadImage(NodePluginError):
    """An image file cannot be read, is of no known form, or is damaged."""

    status = Status.BAD_IMAGE


class DescriptorError(BadBundle):
    """A descriptor breaks its schema; the message names file, line and column."""


class UnmetDependency(NodePluginError):
    """A dependency that no repository of this run meets."""

    status = Status.UNMET


class NeedsNewerImage(NodePluginError):
    """A plugin needs core packages newer than, or other than, the image has.

    ``packages`` holds the NEVRA of every core package that would have to
    change to, sorted.
    """

    status = Status.NEEDS_NEWER

    def __init__(self, message: str, *, hint: str = "",
                 packages: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.packages: Tuple[str, ...] = tuple(packages)


class Refused(NodePluginError):
    """A policy says no: live node, core package, path, signature, changed file."""

    status = Status.REFUSED


class OutsideRoot(Refused):
    """A path leads out of the root that is being changed."""


class Drifted(Refused):
    """Somebody changed, since the install, what would have to be put back.

    ``paths`` are relative to the root, sorted.
    """

    def __init__(self, message: str, *, hint: str = "",
                 paths: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.paths: Tuple[str, ...] = tuple(paths)


@dataclass(frozen=True)
class DisputedFile:
    """A file of a package that has no place where it is to go.

    ``plugin`` is who brings the package, several names with commas; ``path`` is
    absolute, ``reason`` what is wrong with it.
    """

    plugin: str
    package: str
    path: str
    reason: str


class PathsRefused(Refused):
    """Packages of plugins bring files to where they may not, or where another has its own."""

    def __init__(self, message: str, *, hint: str = "",
                 files: Sequence[DisputedFile] = ()) -> None:
        super().__init__(message, hint=hint)
        self.files: Tuple[DisputedFile, ...] = tuple(files)


class RolledBack(NodePluginError):
    """A change failed half way and was undone: the root is as it was."""

    status = Status.ROLLED_BACK


class RecordError(NodePluginError):
    """A record or the undo data of a plugin cannot be read."""

    status = Status.BROKEN


class Locked(NodePluginError):
    """Another process is changing the same root."""

    status = Status.LOCKED


class CommandError(NodePluginError):
    """A program is missing, or ended with a status that is not accepted.

    ``argv`` is its argument list, ``returncode`` None if it never started, and
    ``output`` what it printed to standard error.
    """

    status = Status.ROLLED_BACK

    def __init__(self, message: str, *, argv: Sequence[str], returncode: int | None,
                 output: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.argv = tuple(argv)
        self.returncode = returncode
        self.output = output


def not_installed(name: str, root: Path, *,
                  hint: str = "dnf node-plugin list shows those that are.") -> UnknownPlugin:
    """Return the error for the name of a plugin that is not installed in ``root``."""
    return UnknownPlugin(f"plugin {name} is not installed in {root}", hint=hint)
