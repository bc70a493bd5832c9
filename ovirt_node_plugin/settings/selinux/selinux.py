"""Settings of the SELinux policy: booleans, types of ports and files, modules.

These kinds change no file: the kind ``selinux-policy`` writes the settings of all plugins to
the policy store. Equal settings of two plugins are shared.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

from ...errors import Refused
from ...plugin.bundle_files import is_bundle_file
from ...plugin.settings import (
    SelinuxBoolean,
    SelinuxFileContext,
    SelinuxModule,
    SelinuxPort,
    Setting,
)
from ...system.differences import MISSING, PropertyDifference
from ...undo import live_log
from ...undo.changes import Applied, Change, Outcome, Watch
from ..kit.model import Context, PartRemover, SettingProblem, Stage, Wanted
from ..kit.placing import check_source, unsigned
from . import selinux_labels, selinux_store
from .selinux_store import BOOLEAN, CONTEXT, MODULE, PORT, Store

_OFF_NOTE = ("SELinux is switched off by /etc/selinux/config in this root: its settings take"
             " effect when it is switched on")


@dataclass(frozen=True)
class SelinuxKind:
    """The base class of the four kinds."""

    name: str
    rule_kind: str
    shared: bool = True
    follows_content: bool = False

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Check nothing: the kind ``selinux-policy`` checks all of them together."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key and wanted.value != other.value

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return self._local(wanted.key, ctx) or "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return ()

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Change nothing: the kind ``selinux-policy`` does."""

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        value = self._local(applied.key, ctx)
        if value is None:
            return (SettingProblem(f"SELinux {self.rule_kind} {applied.key} is no longer set",
                                   differences=(MISSING,)),)
        if value != applied.value and value != _real(applied.value, ctx):
            return (SettingProblem(
                f"SELinux {self.rule_kind} {applied.key} is {value}, not {applied.value}",
                differences=(PropertyDifference("value", applied.value, value),)),)
        return ()

    def _local(self, key: str, ctx: Context) -> Optional[str]:
        return selinux_store.find(ctx.root).local(self.rule_kind).get(key)

    def _wanted(self, key: str, value: str, text: str, item: Setting, ctx: Context) -> Wanted:
        present = self._local(key, ctx)
        if present is not None and present != value:
            text += f" (now {present})"
        notes = (_OFF_NOTE,) if selinux_store.is_disabled(ctx.root) else ()
        return Wanted(kind=self.name, key=key, value=value, text=text, item=item, notes=notes)


class Booleans(SelinuxKind):
    """The kind ``selinux-boolean``: key is its name, value ``on`` or ``off``."""

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, SelinuxBoolean):
            return ()
        return (self._wanted(item.name, item.value, f"switch SELinux boolean {item.name}"
                             f" {item.value}", item, ctx),)

    def state(self, wanted: Wanted, ctx: Context) -> str:
        """Return the value in the compiled policy, local or not."""
        policy = _store(ctx).compiled()
        return policy.boolean(wanted.key) if policy is not None else ""

    def goal(self, key: str, value: str) -> str:
        return value

    def stage(self, goal: str) -> Stage:
        return Stage.BOOLEANS

    def running(self, key: str, ctx: Context) -> Optional[str]:
        # getsebool(8): "NAME --> on"; it fails where SELinux does not run
        words = ctx.run(["getsebool", key], ok=range(256)).split()
        return words[2] if len(words) > 2 and words[2] in ("on", "off") else None

    def doing(self, key: str, state: str) -> str:
        return f"switch SELinux boolean {key} {state}"

    def bring(self, key: str, state: str, ctx: Context) -> None:
        ctx.run(["setsebool", key, state])

    def leave(self, key: str, was: str, after: str, ctx: Context) -> Sequence[str]:
        if self.running(key, ctx) is not None:  # it may have been removed with its module
            self.bring(key, was, ctx)
        return ()

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Log the live value: semanage also switches it when it writes the store."""
        was = self.running(wanted.key, ctx) if ctx.live else None
        if was not in (None, wanted.value):
            live_log.write_deed(ctx.root, live_log.Deed(self.name, wanted.key, was or ""))

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        was = self.running(wanted.key, ctx) if ctx.live else None
        return {live_log.WAS: was} if was is not None else {}

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        return None


class SelinuxPorts(SelinuxKind):
    """The kind ``selinux-port``: key is ``tcp/80`` or ``tcp/80-90``, value the type."""

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, SelinuxPort):
            return ()
        low, _, high = item.port.partition("-")
        key = selinux_store.port_key(item.protocol, low, high)
        value = _real(item.type, ctx)
        return (self._wanted(key, value, f"give port {key} the SELinux type {value}", item,
                             ctx),)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        """Return whether they share a port: semanage refuses overlapping ranges."""
        return (wanted.key, wanted.value) != (other.key, other.value) and selinux_store.overlap(
            wanted.key, other.key)


class FileContexts(SelinuxKind):
    """The kind ``selinux-file-context``: key is ``REGEX`` or ``REGEX#FILE-TYPE``, value a type."""

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, SelinuxFileContext):
            return ()
        key = selinux_store.context_key(item.path, item.file_type)
        value = _real(item.type, ctx)
        which = f" ({item.file_type})" if item.file_type else ""
        return (self._wanted(key, value, f"give files {item.path}{which} the SELinux type"
                             f" {value}", item, ctx),)

    def goal(self, key: str, value: str) -> str:
        return "labelled"

    def stage(self, goal: str) -> Stage:
        return Stage.LABELS

    def running(self, key: str, ctx: Context) -> Optional[str]:
        return "otherwise" if selinux_labels.wrong([key], ctx) else "labelled"

    def doing(self, key: str, state: str) -> str:
        return f"label the files {selinux_store.context_of(key)[0]}"

    def bring(self, key: str, state: str, ctx: Context) -> None:
        selinux_labels.restore([key], ctx)

    def leave(self, key: str, was: str, after: str, ctx: Context) -> Sequence[str]:
        self.bring(key, was, ctx)  # by the policy of that time
        return ()


class Modules(SelinuxKind):
    """The kind ``selinux-module``: key is its name, value its source."""

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, SelinuxModule):
            return ()
        return (Wanted(kind=self.name, key=item.name, value=item.source,
                       text=f"put SELinux module {item.name} of {item.source}"
                            f"{unsigned(item.source)} into the policy",
                       item=item, danger=is_bundle_file(item.source)),)

    def check_alone(self, wanted: Wanted, ctx: Context) -> None:
        """Refuse a file that no package has."""
        check_source(wanted, wanted.value, ctx)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse an existing module of that name."""
        priorities = _store(ctx).priorities(wanted.key)
        if priorities and not installed:
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but the policy has a module of"
                f" that name, at priority {' and '.join(priorities)}",
                hint="Its vendor has to give it a name of its own.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "absent" if _store(ctx).module(wanted.key) is None else "present"

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        store = _store(ctx)
        if store.module(applied.key) is None:
            return (SettingProblem(f"SELinux module {applied.key} is no longer in the policy",
                                   differences=(MISSING,)),)
        if store.is_off(applied.key):
            return (SettingProblem(f"SELinux module {applied.key} is switched off",
                                   differences=(PropertyDifference("state", "on", "off"),)),)
        return ()


KINDS = (Modules("selinux-module", MODULE, shared=False), Booleans("selinux-boolean", BOOLEAN),
         SelinuxPorts("selinux-port", PORT), FileContexts("selinux-file-context", CONTEXT))


def _store(ctx: Context) -> Store:
    return selinux_store.find(ctx.root)


def _real(name: str, ctx: Context) -> str:
    """Return the name of a type in the root's policy, in which ``name`` may be an alias."""
    policy = _store(ctx).compiled()
    return policy.type(name) or name if policy is not None else name
