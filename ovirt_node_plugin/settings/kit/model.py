"""The protocols of kinds of setting, and the data that they take and return."""
from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    Callable,
    FrozenSet,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    runtime_checkable,
)

from ...errors import Refused
from ...isolation import program
from ...plugin.settings import Setting
from ...system.differences import PropertyDifference
from ...system.entries import Entry, read_entry
from ...system.paths import relative_inside, resolve_inside
from ...system.run import Runner
from ...undo.changes import Applied, Change, Outcome, Watch, alike
from ...undo.entry_differences import of_entries

PartRemover = Callable[[bytes], Optional[bytes]]
"""Returns a file's content without the part of one setting, None if that part was changed."""


def _no_versions(name: str) -> Sequence[str]:
    return ()


def _nobody(path: str) -> str:
    return ""


@dataclass(frozen=True)
class Facts:
    """Facts about the root, for conditions and checks.

    ``kind`` is ``node`` or ``host``, ``version`` that of the Node or host, ``arch`` the
    base architecture; each is empty if unknown. ``versions`` returns the EVRs of a package
    after the transaction; ``owner`` returns the package of an installed file, by its path
    relative to the root, as text for messages, empty if no package owns it.
    """

    kind: str = ""
    version: str = ""
    arch: str = ""
    versions: Callable[[str], Sequence[str]] = _no_versions
    owner: Callable[[str], str] = _nobody


NO_FACTS = Facts()


@dataclass(frozen=True)
class KeepReason:
    """Why a file is not left out, as text to show, and the name of the package that has it."""

    reason: str
    package: str


@dataclass(frozen=True)
class Leavable:
    """The files that a plugin may leave out, by absolute path.

    ``sizes`` are their sizes in bytes, ``places`` their resolved paths relative to the
    root; ``kept`` has the reason for each file that matches but must stay. All are empty
    if the files are not ``known`` yet.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, KeepReason] = field(default_factory=dict)
    known: bool = False
    places: Mapping[str, str] = field(default_factory=dict)


NO_FILES = Leavable()


@dataclass(frozen=True)
class ModuleFit:
    """Which kernels of a root load a module of a plugin.

    ``kernels`` are the versions that load it from its own place, ``links`` those that load it
    through a link in their folder weak-updates; ``reasons`` say why the others do not.
    """

    kernels: Tuple[str, ...] = ()
    links: Tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def loads(self) -> bool:
        """Whether any kernel loads it."""
        return bool(self.kernels or self.links)

    @property
    def reasons_text(self) -> str:
        """Why the kernels do not load it, as text for messages."""
        return "; ".join(f"kernel {kernel}: {reason}" for kernel, reason in self.reasons.items()
                         ) or "it has none"


@dataclass(frozen=True)
class Context:
    """What a kind needs to know about the root and one plugin.

    ``files`` are all files of the plugin's packages except those that are left out, as
    absolute paths inside the root with their ``st_mode`` in the RPM header, 0 if unknown;
    ``leavable`` are the files that may be left out. ``held`` are the files placed by
    settings of installed plugins, by path relative to the root: the plugin that keeps it,
    or empty if it is given up in this transaction. ``live`` is true if the root is the
    running system, so that settings become live at once. ``modules`` tells which kernels load
    the modules among ``files``, as far as that is known. ``sealed`` is true if programs of
    a root that is not running are isolated from this machine. ``earlier`` are settings of the
    plugin in another root, whose accounts get the same numbers if they can. ``persistent`` are
    the absolute paths that the plugin keeps over new images. ``expected_units`` are those that
    scriptlets of its packages put into place. ``bundle_files`` are the files of
    its bundle, by ``files/NAME``, with the values of parameters; in ``shown_files`` no secret
    can be read; ``secret_files`` are the names of those that have one. ``package_files`` are the
    contents of files of its packages that a plan shows or checks, by absolute path, as far as
    they are known before the packages are installed.
    """

    root: Path
    plugin: str
    files: Mapping[str, int]
    run: Runner
    facts: Facts = NO_FACTS
    leavable: Leavable = NO_FILES
    held: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, ModuleFit] = field(default_factory=dict)
    live: bool = False
    sealed: bool = True
    earlier: Sequence[Applied] = ()
    persistent: Sequence[str] = ()
    expected_units: Sequence[str] = ()
    bundle_files: Mapping[str, bytes] = field(default_factory=dict)
    package_files: Mapping[str, bytes] = field(default_factory=dict)
    shown_files: Mapping[str, bytes] = field(default_factory=dict)
    secret_files: FrozenSet[str] = frozenset()

    def in_root(self, *words: str, stdin: bytes = b"", volatile: bool = False) -> str:
        """Run a program of the root in it, and return its standard output.

        With ``volatile``, a root that is not running has /run in memory. Raises CommandError, as
        ``run`` does.
        """
        argv = (program.argv(self.root, words, volatile=volatile)
                if self.sealed and not self.live else ["chroot", self.root, *words])
        return self.run(argv, stdin=stdin)

    def planned(self, source: str) -> Optional[bytes]:
        """Return what ``source`` of a setting has, None if the plan does not know that."""
        return self.bundle_files.get(source, self.package_files.get(source))

    def brings(self, path: str) -> Optional[int]:
        """Return the ``st_mode`` of a file among ``files``, None if it is not one.

        ``path`` is absolute or relative to the root. Two names of one path, such as
        ``/lib/x`` and ``/usr/lib/x`` where ``/lib`` is a link, are equal.
        """
        plain = "/" + path.lstrip("/")
        if plain in self.files:
            return self.files[plain]
        name = plain.rpartition("/")[2]
        wanted = relative_inside(self.root, plain)
        return next((mode for file, mode in self.files.items() if file.endswith("/" + name)
                     and relative_inside(self.root, file) == wanted), None)


@dataclass(frozen=True)
class Wanted:
    """One setting to be applied.

    ``key`` identifies it within its kind: a unit, ``isv_foo:options``,
    ``before_vm_start/50_storage``, a kernel version. ``value`` is the wanted value, ``text``
    the setting as a line of a plan. ``item`` is the setting in the descriptor, None for one
    that files or other settings imply; ``parts`` are then the names of these. With ``need``
    the setting only has to exist: another setting of the plugin with the same key takes
    precedence. ``wish`` are values of the outcome that the system should choose if it can;
    ``notes`` are lines for a plan, which names a setting with ``danger`` before others.
    """

    kind: str
    key: str
    value: str
    text: str
    item: Optional[Setting]
    parts: Tuple[str, ...] = ()
    need: bool = False
    wish: Outcome = field(default_factory=dict)
    notes: Tuple[str, ...] = ()
    danger: bool = False

    @property
    def identity(self) -> Tuple[str, str]:
        """The kind and the key."""
        return self.kind, self.key


@dataclass(frozen=True)
class Reader:
    """A part of the running system that reads its configuration only once.

    ``folders`` are where it reads, relative to the root. ``name`` is its name in the journal,
    ``doing`` says for people what ``read`` does: it makes the part read again, or raises
    CommandError.
    """

    name: str
    folders: Sequence[str]
    doing: str
    read: Callable[[Context], None]


@dataclass(frozen=True)
class DerivedRemoval:
    """A derived setting when plugins are removed.

    ``gone`` are their values; ``bases`` is each path that any plugin's setting of this kind and
    key changed, in its state before the first change; ``drifted`` are the paths among them
    that something else changed since. ``kept``, the values of the other plugins, is known
    when it is rebuilt.
    """

    kind: str
    key: str
    gone: Tuple[str, ...]
    bases: Mapping[str, Optional[Entry]]
    drifted: Tuple[str, ...]
    kept: Tuple[str, ...] = ()


@dataclass(frozen=True)
class SettingProblem:
    """One difference from an applied setting, which ``text`` describes.

    ``path`` is absolute, empty if the difference is in no file; ``differences`` are the
    properties that differ, as far as both states are known.
    """

    text: str
    path: str = ""
    differences: Tuple[PropertyDifference, ...] = ()

    def __str__(self) -> str:
        return self.text


class Kind(Protocol):
    """One kind of setting. The protocols below are for abilities that only some kinds have.

    ``shared``: equal settings of two plugins are one state of the system, which stays until
    the last of them is removed. ``follows_content``: the setting copies or derives from the
    content of packages, so it is applied again when packages change.
    """

    @property
    def name(self) -> str: ...
    @property
    def shared(self) -> bool: ...
    @property
    def follows_content(self) -> bool: ...

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        """Return the settings of this kind for ``item``, none if it is of another kind."""

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Raise if it cannot be applied; only reads. ``installed``: this plugin has it already."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        """Return whether it contradicts ``other``, a setting of this kind of another plugin."""

    def state(self, wanted: Wanted, ctx: Context) -> str:
        """Return the present state in one word."""

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        """Return the paths that ``apply`` may change."""

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Apply the setting; idempotent."""

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        """Return each difference from the applied state."""


@runtime_checkable
class Derived(Kind, Protocol):
    """A kind that is implied by other settings or by files, not by a descriptor.

    It is rebuilt instead of being restored. ``merged``: its value is what this plugin
    contributes, so it is never restored, as others may have written to the same files.
    """

    @property
    def merged(self) -> bool: ...

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the settings that ``wanted`` and the files of a plugin imply."""

    def rebuild_without(self, removal: DerivedRemoval, ctx: Context) -> None:
        """Rebuild it without the parts of removed plugins."""


@runtime_checkable
class CheckedAlone(Kind, Protocol):
    """A kind of which some errors are those of the plugin itself, whatever the root is."""

    def check_alone(self, wanted: Wanted, ctx: Context) -> None:
        """Raise if no root can have the setting; ``check`` is called only after that."""


@runtime_checkable
class PartWriter(Protocol):
    """A kind that writes parts of files of which other settings write other parts."""

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        """Return the values that the system chose, for ``part_remover`` and for the next image."""

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        """Return a function that removes its part of the file ``path``, None if it has none."""


@runtime_checkable
class Remembering(Protocol):
    """A kind for which the system chooses a value that has to stay the same, such as a uid."""

    def with_outcome(self, wanted: Wanted, applied: Applied, ctx: Context) -> Wanted:
        """Return ``wanted`` with the values that the system chose for ``applied``."""


@runtime_checkable
class Dependent(Protocol):
    """A kind of which a setting may rely on the change of another setting of the kind."""

    def relies_on(self, applied: Applied, gone: Applied) -> bool:
        """Return whether ``applied`` may rely on ``gone``, and is applied again without it."""


@runtime_checkable
class Overlapping(Protocol):
    """A kind of which a setting may also change the state that another setting wants."""

    def also_wants(self, applied: Applied, change: Change) -> bool:
        """Return whether ``change``, by another plugin, is one that ``applied`` also wants."""

    def contradicts(self, applied: Applied, change: Change) -> bool:
        """Return whether ``change``, by another setting, undid ``applied``."""

    def contradiction(self, applied: Applied, plugin: str, by: Wanted, ctx: Context) -> Refused:
        """Return the error that ``by`` undoes ``applied``, a setting of ``plugin``."""


@runtime_checkable
class Replacing(Protocol):
    """A kind whose program replaces files or folders that are too large for the undo data."""

    def replaced_files(self, root: Path) -> Sequence[str]:
        """Return files, relative to ``root``, that it replaces or removes."""

    def replaced_folders(self) -> Sequence[str]:
        """Return folders, relative to a root, that it replaces as a whole."""


@runtime_checkable
class Remarking(Protocol):
    """A kind of which an applied setting may deserve a remark that is no reason to refuse it."""

    def remarks(self, applied: Applied, ctx: Context) -> Sequence[str]:
        """Return lines to show after the change."""


@runtime_checkable
class Shown(Protocol):
    """A kind of which a plan shows the whole text that is written."""

    def content(self, wanted: Wanted, ctx: Context) -> str:
        """Return the text, empty if a package has it that is not installed yet."""


class Stage(enum.IntEnum):
    """The stages in which settings become live, in this order."""

    MODULES = 0
    PARAMETERS = 1
    FILES = 2
    BOOLEANS = 3
    LABELS = 4
    STOP = 5
    START = 6


@runtime_checkable
class Live(Protocol):
    """A kind whose settings become live at once if the root is the running system.

    States are texts without a line break, defined by the kind.
    """

    def goal(self, key: str, value: str) -> str:
        """Return the wanted state of the running system, empty if there is none."""

    def stage(self, goal: str) -> Stage:
        """Return the stage in which the running system is brought into the state ``goal``."""

    def running(self, key: str, ctx: Context) -> Optional[str]:
        """Return the present state of the running system, None if it does not have the key."""

    def doing(self, key: str, state: str) -> str:
        """Return the line of a plan for ``bring``."""

    def bring(self, key: str, state: str, ctx: Context) -> None:
        """Bring the running system into a state, or raise."""

    def leave(self, key: str, was: str, after: str, ctx: Context) -> Sequence[str]:
        """Restore the state ``was``; return lines to show if it is not restored.

        ``after`` is the state after ``bring``, empty if unknown.
        """


@runtime_checkable
class Switched(Live, Protocol):
    """A live kind whose settings run files of their plugin, such as a unit or a module.

    The system is brought into the state ``off``, that of a system booted without the files,
    while the files still exist; and back into the state ``on`` after the files from before
    are restored.
    """

    @property
    def on(self) -> str: ...
    @property
    def off(self) -> str: ...


@runtime_checkable
class Settling(Live, Protocol):
    """A live kind whose settings may fail shortly after they became live.

    ``leave`` then also clears a failure, even if the state is already the one before.
    """

    def settle(self, goals: Mapping[str, str], ctx: Context, *, settle_s: float) -> None:
        """Raise Refused if one of ``goals``, states by key, fails within ``settle_s``."""


def changed_since(applied: Applied, ctx: Context) -> Tuple[SettingProblem, ...]:
    """Return a problem for each path that differs from its state after ``applied``."""
    problems = []
    for change in {change.path: change for change in applied.changes}.values():  # the last
        now = read_entry(ctx.root, change.path, content=False)
        if change.after is not None and change.after.kind == "dir":
            same = now is not None and now.kind == "dir"
        else:
            same = alike(now, change.after)
        if not same:
            problems.append(SettingProblem(
                f"/{change.path} {'is missing' if now is None else 'was changed'}",
                f"/{change.path}", of_entries(ctx.root, change.path, change.after, now)))
    return tuple(problems)


def leads_inside(root: Path, path: str) -> bool:
    """Return whether ``path``, relative to ``root``, stays inside for a program not in a chroot.

    It does not if a link in it is absolute or has too many ``..``. Of a path that does not
    exist, the existing part is checked.
    """
    real_root = root.resolve()
    return (root / path).resolve() == real_root / resolve_inside(root, path).relative_to(root)
