"""The SELinux policy, rebuilt by the root's own semanage(8) and semodule(8).

It is implied by booleans, port types, file contexts and modules of plugins. Those of one
plugin are added by one call of either program, as each call rebuilds the policy. The
programs run in the root and load no policy; a running system reloads it once at the end. Of
the store from before, only the small files of local values are kept: a removal takes the
plugin's values out and rebuilds the policy from the store, with the same bytes as before.
"""
from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence

from ...errors import CommandError, Refused
from ...plugin.bundle_files import is_bundle_file
from ...plugin.settings import Setting
from ...system.entries import Entry, read_entry
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Change, Watch, put_back
from ..kit.model import Context, DerivedRemoval, Reader, SettingProblem, Wanted
from . import selinux_labels, selinux_store
from .selinux_store import (
    BOOLEAN,
    CONTEXT,
    LOCAL,
    MODULE,
    PORT,
    PRIORITY,
    PolicyRule,
    Store,
    decode,
    overlap,
)

_KEY = "store"
_PROGRAMS = {"semanage": "policycoreutils-python-utils", "semodule": "policycoreutils"}
_FOLDERS = ("usr/sbin", "sbin", "usr/bin", "bin")
_KINDS = {f"selinux-{kind}": kind for kind in (BOOLEAN, PORT, CONTEXT, MODULE)}
# semanage-fcontext(8), -f
_LETTERS = {"": "a", "regular": "f", "directory": "d", "character-device": "c",
            "block-device": "b", "socket": "s", "symlink": "l", "pipe": "p"}
Bases = Mapping[str, Optional[Entry]]
_LOCAL_CONTEXTS = ("file_contexts.local", "file_contexts.local.bin")


@dataclass(frozen=True)
class SelinuxPolicy:
    """The kind ``selinux-policy``: key is ``store``, value the plugin's rules as codes."""

    name: str = "selinux-policy"
    shared: bool = True
    follows_content: bool = True
    merged: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the policy if there are SELinux settings among ``wanted``."""
        rules = [PolicyRule(_KINDS[setting.kind], setting.key, setting.value)
                 for setting in wanted if setting.kind in _KINDS]
        if not rules:
            return ()
        return (Wanted(kind=self.name, key=_KEY, value=" ".join(rule.code for rule in rules),
                       text="make the SELinux policy again", item=None),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a root without a store or its programs, and names unknown to the policy."""
        store = _store(wanted, ctx)
        rules = decode(wanted.value)
        if not any(rule.kind == MODULE for rule in rules):
            _refuse_unknown(wanted, rules, store, ctx)
        if not installed:
            _refuse_overlaps(rules, store, ctx)
        for rule in rules:
            regex = selinux_store.context_of(rule.key)[0]
            same = store.equivalent(regex) if rule.kind == CONTEXT else None
            if same:
                raise Refused(
                    f"plugin {ctx.plugin} wants a SELinux file context for {regex}, but the"
                    f" root's policy knows {same[0]} as {same[1]} only",
                    hint=f"Its vendor has to write {same[1]}{regex[len(same[0]):]}.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        store = selinux_store.find(ctx.root)
        return store.policy if _is_there(store) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        """Return the small files of local values; the large files are derived from them."""
        store = selinux_store.find(ctx.root)
        if not _is_there(store):
            return ()
        return (*(Watch(store.active, name) for name in (*LOCAL.values(), "commit_num")),
                Watch(f"{store.active}/modules", PRIORITY),
                Watch(f"{selinux_store.STORES}/{store.policy}", "semanage.*.LOCK"),
                *(Watch(f"{store.built}/contexts/files", name) for name in _LOCAL_CONTEXTS))

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        store, rules = _store(wanted, ctx), decode(wanted.value)
        missing = [rule for rule in rules if rule.kind == MODULE and not _is_in(rule, store, ctx)]
        with selinux_labels.kept(_written(store)):
            if missing:
                with _module_files(missing, store, ctx) as files:
                    _semodule(ctx, *(word for file in files for word in ("-i", file)),
                              priority=True)
            _semanage(ctx, _adding(rules, store, ctx))
        missing_keys = [rule.key for rule in rules if not _is_in(rule, store, ctx)]
        if missing_keys:
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but the store did not take in"
                f" {', '.join(missing_keys)}",
                hint="A module's name has to be the one in its file.")

    def rebuild_without(self, removal: DerivedRemoval, ctx: Context) -> None:
        """Remove the rules that no plugin wants any more, and restore the values from before."""
        store = selinux_store.find(ctx.root)
        kept = [rule for codes in removal.kept for rule in decode(codes)]
        known = {rule.about for rule in kept}
        gone = {rule.about: rule for codes in removal.gone for rule in decode(codes)
                if rule.about not in known}
        rules = tuple(gone.values())
        with selinux_labels.kept(_written(store)):
            changed = _take_out(rules, removal.bases, store, ctx, all_gone=not kept)
            if not kept:
                _restore(removal.bases, store, ctx)
        if ctx.live and changed:
            selinux_labels.restore([rule.key for rule in gone.values()
                                    if rule.kind == CONTEXT], ctx)

    def replaced_files(self, root: Path) -> Sequence[str]:
        return ()

    def replaced_folders(self) -> Sequence[str]:
        return (selinux_store.STORES,)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return ()  # each kind of rule verifies its own


def _load_policy(ctx: Context) -> None:
    # The status of selinuxenabled(8) is 1 without SELinux; then nothing can be loaded
    try:
        ctx.run(["selinuxenabled"])
    except CommandError:
        return
    ctx.run(["load_policy"])


READER = Reader("policy", (selinux_store.STORES,), "load the SELinux policy", _load_policy)
KIND = SelinuxPolicy()


def _store(wanted: Wanted, ctx: Context) -> Store:
    """Return the root's store. Raises Refused, with what is missing, for an incomplete one."""
    store = selinux_store.find(ctx.root)
    subject = f"plugin {ctx.plugin} has SELinux settings, but the root {ctx.root}"
    if not _is_there(store):
        missing = f"no policy store /{store.active}" if store.policy else (
            "no SELINUXTYPE in /etc/selinux/config")
        raise Refused(f"{subject} has {missing}", hint="Its package of a policy, such as"
                      " selinux-policy-targeted, has to be there first.")
    for program, package in _PROGRAMS.items():
        if not any(resolve_inside(ctx.root, f"{folder}/{program}").is_file()
                   for folder in _FOLDERS):
            raise Refused(f"{subject} has no {program}",
                          hint=f"Its package {package} has to be there first.")
    if store.compiled() is None:
        raise Refused(f"{subject} has no compiled policy in /{store.built}/policy",
                      hint="Have the root's own semodule -B make it.")
    return store


def _is_there(store: Store) -> bool:
    return bool(store.policy) and resolve_inside(store.root, store.active).is_dir()


def _refuse_unknown(wanted: Wanted, rules: Sequence[PolicyRule], store: Store,
                    ctx: Context) -> None:
    """Refuse names that are not in the policy. Not for a plugin with modules, which add names."""
    policy = store.compiled()
    for rule in rules:
        name = rule.key if rule.kind == BOOLEAN else rule.value
        if policy is None or (policy.boolean(name) if rule.kind == BOOLEAN
                              else policy.type(name)):
            continue
        name_kind = "boolean" if rule.kind == BOOLEAN else "type"
        raise Refused(
            f"plugin {ctx.plugin} wants the SELinux {rule.kind} {rule.key} to be {rule.value},"
            f" but the root's policy has no {name_kind} {name}",
            hint="Its vendor has to correct the name, or bring it in a <selinux-module>.")


def _refuse_overlaps(rules: Sequence[PolicyRule], store: Store, ctx: Context) -> None:
    """Refuse ports that overlap those of the administrator, as semanage does."""
    for rule in rules:
        for key in store.local(PORT) if rule.kind == PORT else ():
            if key != rule.key and overlap(key, rule.key):
                raise Refused(
                    f"plugin {ctx.plugin} wants the SELinux port {rule.key} to be {rule.value},"
                    f" but {key} has a type of its own in the root already",
                    hint="Local port types of SELinux must not overlap. semanage port -l -C"
                         " lists them.")


@contextlib.contextmanager
def _module_files(rules: Sequence[PolicyRule], store: Store, ctx: Context) -> Iterator[List[str]]:
    """Yield the absolute path, in the root, of the module of each of ``rules``.

    A file of the bundle is written into the store's folder meanwhile, where SELinux lets semodule
    read it, under its own name: semodule takes the name of a .cil module from that.
    """
    paths = []
    with contextlib.ExitStack() as stack:
        for rule in rules:
            if not is_bundle_file(rule.value):
                paths.append(rule.value)
                continue
            folder = resolve_inside(store.root, f"{selinux_store.STORES}/{store.policy}")
            work = stack.enter_context(tempfile.TemporaryDirectory(prefix="node-plugin-",
                                                                   dir=folder))
            path = Path(work, os.path.basename(rule.value))
            path.write_bytes(ctx.bundle_files[rule.value])
            paths.append(f"/{path.relative_to(store.root).as_posix()}")
        yield paths


def _content(source: str, store: Store, ctx: Context) -> Optional[bytes]:
    """Return the content of the file of a module, None without one."""
    if is_bundle_file(source):
        return ctx.bundle_files.get(source)
    entry = read_entry(store.root, source)
    return entry.content if entry is not None else None


def _is_in(rule: PolicyRule, store: Store, ctx: Context) -> bool:
    """Return whether a rule is in the store with its value."""
    if rule.kind != MODULE:
        value = store.local(rule.kind).get(rule.key)
        return value is not None and value in (rule.value, _real(rule, store))
    module, source = store.module(rule.key), _content(rule.value, store, ctx)
    return (module is not None and source is not None
            and module == selinux_store.unpacked(source))


def _real(rule: PolicyRule, store: Store) -> str:
    """Return the value as semanage writes it, with the name of a type instead of an alias."""
    policy = store.compiled() if rule.kind in (PORT, CONTEXT) else None
    return policy.type(rule.value) or rule.value if policy is not None else rule.value


def _adding(rules: Sequence[PolicyRule], store: Store, ctx: Context) -> List[str]:
    """Return the lines for ``semanage import`` that add missing ``rules`` to the store."""
    missing = [rule for rule in rules if rule.kind != MODULE and not _is_in(rule, store, ctx)]
    known: Dict[str, Mapping[str, str]] = {BOOLEAN: {}}
    if any(rule.kind == PORT for rule in missing):
        known[PORT] = _ports(ctx)
    if any(rule.kind == CONTEXT for rule in missing):
        known[CONTEXT] = store.contexts()
    return [_line("-m" if rule.kind == BOOLEAN or rule.key in known[rule.kind] else "-a", rule)
            for rule in missing]


def _removing(gone: Sequence[PolicyRule], bases: Bases, store: Store) -> List[str]:
    """Return the lines for ``semanage import`` that restore the local values from before.

    Values that were changed since stay.
    """
    lines: List[str] = []
    for kind in (PORT, CONTEXT, BOOLEAN):
        now, before = dict(store.local(kind)), _before(kind, bases, store)
        to_undo = [rule for rule in gone if rule.kind == kind
               and now.get(rule.key) == _real(rule, store)
               and before.get(rule.key) != now[rule.key]]
        if kind == BOOLEAN and any(rule.key not in before for rule in to_undo):
            # semanage can only remove all local booleans, not one
            for rule in to_undo:
                now.pop(rule.key)
            now.update((rule.key, before[rule.key]) for rule in to_undo if rule.key in before)
            lines += ["boolean -D", *(_line("-m", PolicyRule(kind, key, value))
                                         for key, value in now.items())]
            continue
        lines += [_line("-m", PolicyRule(kind, rule.key, before[rule.key])) if rule.key in before
                  else _line("-d", rule) for rule in to_undo]
    return lines


def _take_out(gone: Sequence[PolicyRule], bases: Bases, store: Store, ctx: Context, *,
              all_gone: bool) -> bool:
    """Remove rules from the store, and return whether any was in it.

    With ``all_gone``, no plugin has a rule any more, and the policy is rebuilt from the
    store, which takes several seconds. If that restores all local values, their files are
    restored directly, as semanage would rebuild the policy once more.
    """
    lines = _removing(gone, bases, store)
    if all_gone and _leads_back(gone, bases, store):
        put_back(ctx.root, _local_files(bases, store))
    else:
        _semanage(ctx, lines)
    modules = [rule.key for rule in gone
               if rule.kind == MODULE and store.module(rule.key) is not None]
    if modules:
        _semodule(ctx, *(word for name in modules for word in ("-r", name)), priority=True)
    elif lines and all_gone:
        _semodule(ctx, "-B")
    return bool(lines or modules)


def _written(store: Store) -> List[Path]:
    """Return the folders to which the programs write."""
    return [resolve_inside(store.root, folder)
            for folder in (f"{selinux_store.STORES}/{store.policy}", store.built)]


def _leads_back(gone: Sequence[PolicyRule], bases: Bases, store: Store) -> bool:
    """Return whether all local values are those from before after ``gone`` are removed."""
    for kind in LOCAL:
        now, before = dict(store.local(kind)), _before(kind, bases, store)
        for rule in gone:
            if rule.kind == kind and now.get(rule.key) == _real(rule, store):
                del now[rule.key]
                now.update({rule.key: before[rule.key]} if rule.key in before else {})
        if now != before:
            return False
    return True


def _local_files(bases: Bases, store: Store) -> List[Change]:
    """Return the changes that restore the store's files of local values."""
    folder = resolve_inside(store.root, store.active).relative_to(store.root).as_posix()
    return [Change(path, bases[path], None)
            for path in (f"{folder}/{name}" for name in LOCAL.values()) if path in bases]


def _before(kind: str, bases: Bases, store: Store) -> Mapping[str, str]:
    path = resolve_inside(store.root, store.active).relative_to(store.root).as_posix()
    base = bases.get(f"{path}/{LOCAL[kind]}")
    if base is None or base.content is None:
        return store.local(kind) if f"{path}/{LOCAL[kind]}" not in bases else {}
    return selinux_store.parse(kind, base.content.decode(errors="replace"))


def _line(how: str, rule: PolicyRule) -> str:
    """Return one line for ``semanage import``."""
    if rule.kind == BOOLEAN:
        return f"boolean {how} {'-1' if rule.value == 'on' else '-0'} {rule.key}"
    of_type = "" if how == "-d" else f" -t {rule.value}"
    if rule.kind == PORT:
        protocol, _, port = rule.key.partition("/")
        return f"port {how}{of_type} -p {protocol} {port}"
    regex, file_type = selinux_store.context_of(rule.key)
    return f"fcontext {how} -f {_LETTERS[file_type]}{of_type} '{regex}'"


def _ports(ctx: Context) -> Mapping[str, str]:
    """Return the types of all ports by key; semanage needs -m for known ones, else -a."""
    types: Dict[str, str] = {}
    for line in ctx.in_root("semanage", "port", "-l", "-n").splitlines():
        words = line.replace(",", " ").split()
        types.update((f"{words[1]}/{port}", words[0]) for port in words[2:])
    return types


def _semanage(ctx: Context, lines: Sequence[str]) -> None:
    """Run all lines as one transaction, which rebuilds the policy once."""
    if lines:
        ctx.in_root("semanage", "import", "-N",
                    stdin="".join(f"{line}\n" for line in lines).encode())


def _semodule(ctx: Context, *words: str, priority: bool = False) -> None:
    ctx.in_root("semodule", "-n", *(["-X", PRIORITY] * priority), *words)


def _restore(bases: Bases, store: Store, ctx: Context) -> None:
    """Restore the bytes of the small files if all local values are those from before."""
    if all(store.local(kind) == _before(kind, bases, store) for kind in LOCAL):
        put_back(ctx.root, [Change(path, entry, None) for path, entry in bases.items()])
