"""What every kind of setting has in common: the words, and the form of a kind."""
from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Mapping, Optional, Protocol, Sequence, Tuple, runtime_checkable

from ...errors import Refused
from ...plugin.settings import Setting
from ...system.entries import Entry, read_entry
from ...system.paths import relative_inside, resolve_inside
from ...system.run import Runner
from ...undo.changes import Applied, Change, Watch, alike

Taker = Callable[[bytes], Optional[bytes]]
"""Returns a content without one setting's part; None if that part was changed since."""


def _no_versions(name: str) -> Sequence[str]:
    return ()


def _nobody(path: str) -> str:
    return ""


@dataclass(frozen=True)
class Facts:
    """What conditions ask about the root.

    ``kind`` is ``node`` or ``host``, ``version`` that of the Node or the host, ``arch``
    the base architecture; empty where it is not known. ``versions`` returns the EVRs in
    which a package is there when the transaction is done, ``owner`` whose an installed file
    is, by its path relative to the root: in words, empty if it is no package's.
    """

    kind: str = ""
    version: str = ""
    arch: str = ""
    versions: Callable[[str], Sequence[str]] = _no_versions
    owner: Callable[[str], str] = _nobody


NO_FACTS = Facts()


@dataclass(frozen=True)
class KeepReason:
    """Why a file is not left out, in words for people, and the package's name that has it."""

    reason: str
    package: str


@dataclass(frozen=True)
class Leavable:
    """Which of the files that a plugin wants left out may be, by absolute path.

    ``sizes``, in bytes, are of those that may, ``places`` where they are, relative to the
    root with links followed; ``kept`` says of the others why not. None has any where they
    are not ``known``.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, KeepReason] = field(default_factory=dict)
    known: bool = False
    places: Mapping[str, str] = field(default_factory=dict)


NO_FILES = Leavable()


@dataclass(frozen=True)
class Context:
    """What a kind may look at and use for one plugin.

    ``files`` are all the files that the plugin's packages bring, as absolute
    paths inside the root with their ``st_mode`` of the RPM header, 0 where it is
    not known, without those that are left out; ``leavable`` are the files that may be.
    ``held`` are the files that installed plugins' settings put there, by path relative to
    the root: which plugin keeps it, empty if those that have it give it up before this
    plugin's settings come on. ``live`` says that the root is the system that runs, and so
    that settings take effect at once.
    """

    root: Path
    plugin: str
    files: Mapping[str, int]
    run: Runner
    facts: Facts = NO_FACTS
    leavable: Leavable = NO_FILES
    held: Mapping[str, str] = field(default_factory=dict)
    live: bool = False

    def brings(self, path: str) -> Optional[int]:
        """Return the ``st_mode`` of a file among ``files``, None if it is not there.

        ``path`` is absolute or relative to the root; two names of one place, such as
        ``/lib/x`` and ``/usr/lib/x`` in a root where one is a link to the other, are
        the same.
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
    """One setting as it is to be.

    ``key`` says what it is about, within its kind: a unit, ``isv_foo:options``,
    ``before_vm_start/50_storage``, a kernel version. ``value`` is what that is to
    be, ``text`` the whole in one line for a plan. ``item`` is the descriptor's, None
    for what the plugin's files or other settings imply; ``parts`` are then names of
    what it is made of. ``need`` says that it only has to be there: what another
    setting of the plugin says of the same key goes first. ``wish`` is what the system
    may choose if it can, in the words of an outcome; ``notes`` are lines for a plan.
    """

    kind: str
    key: str
    value: str
    text: str
    item: Optional[Setting]
    parts: Tuple[str, ...] = ()
    need: bool = False
    wish: str = ""
    notes: Tuple[str, ...] = ()


class Kind(Protocol):
    """One kind of setting. What only some kinds do is in the protocols below.

    ``shared``: settings of two plugins that are alike are one state of the system, which
    stays as long as one of the plugins is there. ``follows_content``: it copies or sums up
    what packages contain, so it is applied again when the packages change.
    """

    @property
    def name(self) -> str: ...
    @property
    def shared(self) -> bool: ...
    @property
    def follows_content(self) -> bool: ...

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        """Return what ``item`` asks of this kind; nothing if it belongs to another kind."""

    def check(self, wanted: Wanted, ctx: Context, *, mine: bool) -> None:
        """Raise if it could not be applied; only reads. ``mine``: this plugin has it already."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        """Return whether both cannot be true; ``other`` is another plugin's, of this kind."""

    def state(self, wanted: Wanted, ctx: Context) -> str:
        """Return the present state in one word."""

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        """Return where ``apply`` may change something."""

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Make it so; a second time changes nothing."""

    def verify(self, applied: Applied, ctx: Context) -> Sequence[str]:
        """Return what is not, or no longer, as it was applied, each in one line."""


@runtime_checkable
class Derived(Kind, Protocol):
    """A kind that no descriptor asks for: it follows from other settings or from files.

    It is made again rather than put back. ``merged``: the value says what this plugin wants
    of it, so it is never simply put back, as others may have written to the same files.
    """

    @property
    def merged(self) -> bool: ...

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return what the settings ``wanted`` and the files of a plugin make necessary."""

    def remake(self, last: Remnant, ctx: Context) -> None:
        """Make it again when a plugin's part of it goes."""


@runtime_checkable
class Woven(Protocol):
    """A kind that writes lines into files which hold those of others as well."""

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> str:
        """Return in words what came of it, for ``taker`` and for the next image."""

    def taker(self, applied: Applied, path: str) -> Optional[Taker]:
        """Return what takes its lines out of the file ``path``; None if that is its own."""


@runtime_checkable
class Remembering(Protocol):
    """A kind of which the system chooses a part, which has to stay the same."""

    def again(self, wanted: Wanted, applied: Applied, ctx: Context) -> Wanted:
        """Return ``wanted`` as it is to be where ``applied`` is what it was so far."""


@runtime_checkable
class Leaning(Protocol):
    """A kind of which one setting may have done nothing, as another had done it."""

    def leans(self, applied: Applied, gone: Applied) -> bool:
        """Return whether ``applied`` has to be verified, and applied again, when ``gone`` goes."""


@runtime_checkable
class Overlapping(Protocol):
    """A kind of which one setting may also change what another setting asks for."""

    def upholds(self, applied: Applied, change: Change) -> bool:
        """Return whether ``change``, another plugin's, is what ``applied`` asks for as well."""

    def undone(self, applied: Applied, change: Change) -> bool:
        """Return whether ``change``, another setting's, undid what ``applied`` asked for."""

    def undoing(self, applied: Applied, plugin: str, by: Wanted, ctx: Context) -> Refused:
        """Return the error that ``by`` undoes ``applied``, a setting of ``plugin``."""


@runtime_checkable
class Replacing(Protocol):
    """A kind whose program replaces files or folders that are too large for the undo data."""

    def replaced_files(self, root: Path) -> Sequence[str]:
        """Return files, relative to ``root``, that it replaces or removes."""

    def replaced_folders(self) -> Sequence[str]:
        """Return folders, relative to a root, that it replaces as a whole."""


class Stage(enum.IntEnum):
    """When a setting takes effect in the running system: stage by stage, in this order."""

    MODULES = 0
    PARAMETERS = 1
    FILES = 2
    BOOLEANS = 3
    LABELS = 4
    STOP = 5
    START = 6


@runtime_checkable
class Live(Protocol):
    """A kind of which a setting takes effect at once where the root is the running system.

    States are words, or texts without a line break, of the kind's own.
    """

    def goal(self, key: str, value: str) -> str:
        """Return the state that the running system is to be in; empty: it does not matter."""

    def stage(self, goal: str) -> Stage:
        """Return when the running system is brought into the state ``goal``."""

    def running(self, key: str, ctx: Context) -> Optional[str]:
        """Return the state that the running system is in, None if it knows no such thing."""

    def doing(self, key: str, state: str) -> str:
        """Return what ``bring`` does, in words for a plan."""

    def bring(self, key: str, state: str, ctx: Context) -> None:
        """Bring the running system into a state; raise if it cannot be."""

    def leave(self, key: str, was: str, left: str, ctx: Context) -> Sequence[str]:
        """Bring it back into the state before; return lines for people where it is not.

        ``left`` is the state in which it was left, empty if that is not known.
        """


@runtime_checkable
class Switched(Live, Protocol):
    """A live kind whose settings run files of their plugin, such as a unit or a module.

    The state ``off`` is reached while those files are there, and is that of a system that
    was booted without them; the state ``on`` is returned to when the files from before are
    there again.
    """

    @property
    def on(self) -> str: ...
    @property
    def off(self) -> str: ...


@runtime_checkable
class Settling(Live, Protocol):
    """A live kind whose settings may fail shortly after the running system has them.

    ``leave`` then also clears a failure, even if the state is already the one before.
    """

    def settle(self, goals: Mapping[str, str], ctx: Context, *, settle_s: float) -> None:
        """Raise Refused if one of ``goals``, states by key, fails within ``settle_s``."""


@dataclass(frozen=True)
class Remnant:
    """What is left of a derived setting when plugins go.

    ``gone`` are their values, ``kept`` those of the plugins that stay; ``bases`` is
    each path that any of them changed, as it was before the first; ``drifted`` are
    those of them that something else changed since.
    """

    key: str
    gone: Tuple[str, ...]
    kept: Tuple[str, ...]
    bases: Mapping[str, Optional[Entry]]
    drifted: Tuple[str, ...] = ()


def changed_since(applied: Applied, ctx: Context) -> Tuple[str, ...]:
    """Return a line for each path that is not as ``applied`` left it."""
    found = []
    for change in {one.path: one for one in applied.changes}.values():  # the last of each
        now = read_entry(ctx.root, change.path, content=False)
        if change.after is not None and change.after.kind == "dir":
            same = now is not None and now.kind == "dir"
        else:
            same = alike(now, change.after)
        if not same:
            found.append(f"/{change.path} is missing" if now is None
                         else f"/{change.path} was changed")
    return tuple(found)


def leads_inside(root: Path, path: str) -> bool:
    """Return whether a program of this machine that opens ``path`` in ``root`` stays in it.

    ``path`` is relative. False where a link in it is absolute, or climbs: a program
    that is not chrooted would follow it to this machine's own files. A path that is
    not there is judged by the part of it that is.
    """
    real_root = root.resolve()
    return (root / path).resolve() == real_root / resolve_inside(root, path).relative_to(root)
