"""The errors that this project reports, each with its exit status and a hint."""
from __future__ import annotations

import contextlib
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence, Set, Tuple, Type, TypeVar

E = TypeVar("E", bound="NodePluginError")


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


@dataclass(frozen=True)
class Problem:
    """An error at a line and column of a file, counted from 1: ``expected …, found …``.

    Both are 0 if it concerns the file as a whole. ``file`` is the file's name in messages, if the
    problem names it; ``code`` is as in ``NodePluginError``.
    """

    line: int
    column: int
    text: str
    file: str = ""
    code: str = ""


class NodePluginError(Exception):
    """The base class of all errors of this project.

    ``message`` says what failed and on which object, in one or more lines; ``hint`` is
    what the user can do next, or empty. ``code`` is the name of the kind of defect in a plugin,
    as ``ovirt-node-plugin lint`` reports it, such as ``repo-file/option``; ``problems`` are the
    defects in a file, each with its place, if the error is about such.
    """

    status = Status.DNF
    code = "other"
    problems: Tuple[Problem, ...] = ()

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.code

    def at(self: E, file: str, line: int = 0, column: int = 1) -> E:
        """Return this error with its place in a file; a ``line`` of 0 is the file as a whole.

        The message may begin with the place.
        """
        text = self.message
        for place in (f"{file}:{line}:{column}: ", f"{file}:{line}: ", f"{file}: "):
            if text.startswith(place):
                text = text[len(place):]
        self.problems = (Problem(line, column if line else 0, text, file=file),)
        return self

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(NodePluginError):
    """The command line names something that does not exist, or its options contradict."""

    status = Status.USAGE


class UnknownPlugin(UsageError):
    """A plugin name that no path, library, enabled repository or record has."""


class BadRoot(UsageError):
    """The installroot is missing, empty, or has no rpm database."""


class BadBundle(NodePluginError):
    """A bundle, an archive or a file in one cannot be used."""

    status = Status.BAD_BUNDLE
    code = "bundle/form"


class BadImage(NodePluginError):
    """An image file is unreadable, damaged or of an unknown format."""

    status = Status.BAD_IMAGE


class DescriptorError(BadBundle):
    """A descriptor does not match its schema; the message names file, line and column."""

    code = "descriptor/form"


class BadRepository(NodePluginError):
    """A repository, or a package in it, that cannot be read or downloaded."""

    code = "repository/metadata"


class UnmetDependency(NodePluginError):
    """A dependency that no package in the repositories of this run satisfies."""

    status = Status.UNMET
    code = "packages/unmet"


class NeedsNewerImage(NodePluginError):
    """A plugin needs core packages that differ from those of the image.

    ``packages`` are the NEVRAs that the image would have to have, sorted.
    """

    status = Status.NEEDS_NEWER
    code = "packages/core"

    def __init__(self, message: str, *, hint: str = "",
                 packages: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.packages: Tuple[str, ...] = tuple(packages)


class Refused(NodePluginError):
    """A policy refuses: live node, core package, path, signature, changed file.

    ``lines`` are the commands, or the lines of a Containerfile, that make the change offline;
    there are none if that is not what helps.
    """

    status = Status.REFUSED

    def __init__(self, message: str, *, hint: str = "", lines: Sequence[str] = (),
                 code: str = "") -> None:
        super().__init__(message, hint=hint, code=code)
        self.lines: Tuple[str, ...] = tuple(lines)


class OutsideRoot(Refused):
    """A path that leads out of its root."""


class Drifted(Refused):
    """Files that were to be restored have been changed since the install.

    ``paths`` are relative to the root, sorted.
    """

    def __init__(self, message: str, *, hint: str = "",
                 paths: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.paths: Tuple[str, ...] = tuple(paths)


@dataclass(frozen=True)
class DisputedFile:
    """A file of a package that its plugin may not install.

    ``plugin`` is the plugin that brings the package, or several, separated by commas;
    ``path`` is absolute; ``reason`` says why the file is refused.
    """

    plugin: str
    package: str
    path: str
    reason: str


class PathsRefused(Refused):
    """Packages of plugins contain files outside the allowed paths, or files of others."""

    code = "packages/path"

    def __init__(self, message: str, *, hint: str = "",
                 files: Sequence[DisputedFile] = ()) -> None:
        super().__init__(message, hint=hint)
        self.files: Tuple[DisputedFile, ...] = tuple(files)


class PlanChanged(Refused):
    """The plan of a change is not the one whose digest the command line has."""


class Interrupted(NodePluginError):
    """The user ended the command; what it had changed was undone."""


class RolledBack(NodePluginError):
    """A change failed and was undone; the root is as it was before."""

    status = Status.ROLLED_BACK


class RecordError(NodePluginError):
    """A record or the undo data of a plugin cannot be read."""

    status = Status.BROKEN


class Locked(NodePluginError):
    """Another process holds the lock of the root."""

    status = Status.LOCKED


class CommandError(NodePluginError):
    """A program that could not be started, or that ended with an unexpected status.

    ``argv`` is its argument list; ``returncode`` is None if it was not started; ``output``
    is its standard error.
    """

    status = Status.ROLLED_BACK

    def __init__(self, message: str, *, argv: Sequence[str], returncode: int | None,
                 output: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.argv = tuple(argv)
        self.returncode = returncode
        self.output = output


@dataclass(frozen=True)
class Reason:
    """One reason of several: the error, and the plugins that it is about, if that is known."""

    error: NodePluginError
    plugins: Tuple[str, ...] = ()

    @property
    def lines(self) -> List[str]:
        """The message as lines, with the plugins before the first and the others indented."""
        subject = f"{', '.join(self.plugins)}: " if self.plugins else ""
        first, *rest = self.error.message.splitlines() or [""]
        return [f"  {subject}{first}", *(f"    {line.strip()}" for line in rest)]


class SeveralReasons(NodePluginError):
    """More than one reason, or reasons by plugin; the exit status is that of the first.

    ``fitting`` are the plugins of the command against which there is none. ``title`` is the
    first line of the message.
    """

    def __init__(self, title: str, reasons: Sequence[Reason], *,
                 fitting: Sequence[str] = ()) -> None:
        hints = list(dict.fromkeys(reason.error.hint for reason in reasons if reason.error.hint))
        lines = [title, *(line for reason in reasons for line in reason.lines)]
        if fitting:
            subject = "plugin {} fits" if len(fitting) == 1 else "plugins {} fit"
            lines.append(f"There is nothing against the others: {subject}."
                         .format(", ".join(fitting)))
        super().__init__("\n".join(lines), hint="\n".join(hints))
        self.status = reasons[0].error.status
        self.reasons = tuple(reasons)
        self.fitting = tuple(fitting)


class Reasons:
    """Collects the errors of several checks, to report them together."""

    def __init__(self) -> None:
        self._reasons: List[Reason] = []
        self._known: Set[str] = set()

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error of the body, and go on after the ``with``."""
        try:
            yield
        except SeveralReasons as exc:
            self._add(exc.reasons)
        except NodePluginError as exc:
            self._add([Reason(exc)])

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Raise an error of the body together with those that were collected before."""
        try:
            yield
        except NodePluginError:
            with self.collected():
                raise
            self.raise_any()

    def raise_any(self) -> None:
        """Raise the errors that were collected, if there are any: a single one as it is."""
        if len(self._reasons) == 1:
            raise self._reasons[0].error
        if self._reasons:
            raise SeveralReasons(f"there are {len(self._reasons)} reasons against this:",
                                 self._reasons)

    def raise_first(self) -> None:
        """Raise the error that was collected first, if there is any."""
        for reason in self._reasons:
            raise reason.error

    @property
    def errors(self) -> Tuple[NodePluginError, ...]:
        """The errors that were collected, in order."""
        return tuple(reason.error for reason in self._reasons)

    def __len__(self) -> int:
        return len(self._reasons)

    def _add(self, reasons: Sequence[Reason]) -> None:
        for reason in reasons:
            if reason.error.message not in self._known:
                self._known.add(reason.error.message)
                self._reasons.append(reason)


def located(error: Type[NodePluginError], file: str, line: int, column: int, text: str, *,
            hint: str = "") -> NodePluginError:
    """Return ``error`` for one defect in a file: ``FILE:LINE:COLUMN: TEXT``."""
    return error(f"{file}:{line}:{column}: {text}", hint=hint).at(file, line, column)


def not_installed(name: str, root: Path, *,
                  hint: str = "dnf node-plugin list shows those that are.") -> UnknownPlugin:
    """Return the error for the name of a plugin that is not installed in ``root``."""
    return UnknownPlugin(f"plugin {name} is not installed in {root}", hint=hint)
