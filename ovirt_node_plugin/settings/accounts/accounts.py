"""Users, groups and group members, created by systemd-sysusers(8).

A user becomes several settings that are undone separately: its group, the groups of which
it is a member, the user, and each membership. Plugins that want the same one share it, and
it is removed with the last of them.
"""
from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import Group, Setting, User
from ...system import account_files
from ...system.account_files import GroupEntry, UserEntry, find_group, find_user
from ...system.differences import MISSING, PropertyDifference
from ...system.entries import read_entry
from ...undo.changes import Applied, Change, Outcome, Watch
from ..kit.model import Context, PartRemover, SettingProblem, Wanted
from . import sysusers
from .account_ids import asked_of, id_in, id_problems, ids_clash, refuse_id, remembered, wrong_id

_ANY = "any"  # the value if the system chooses
# Groups whose members have rights of the superuser, or may read private files.
_POWERFUL = frozenset(("root", "wheel", "sudo", "disk", "kvm", "adm", "shadow", "sys", "kmem",
                       "docker", "libvirt", "systemd-journal"))


@dataclass(frozen=True)
class Groups:
    """The kind ``group``: key is the name, value ``gid=NUMBER`` or ``gid=any``."""

    name: str = "group"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if isinstance(item, Group):
            return (self._wanted(item.name, item.gid, item, ctx),)
        if not isinstance(item, User):
            return ()
        groups = [dataclasses.replace(self._wanted(name, "", item, ctx), need=True)
                  for name in dict.fromkeys([item.group or item.name, *item.groups])]
        if not item.group and item.uid:
            groups[0] = dataclasses.replace(groups[0], wish={"gid": item.uid})
        return groups

    def _wanted(self, name: str, gid: str, item: Setting, ctx: Context) -> Wanted:
        exists = find_group(ctx.root, name) is not None
        text = f"use group {name}" if exists else f"create group {name}"
        return Wanted(kind=self.name, key=name, value=f"gid={gid or _ANY}",
                      text=text + (f" (gid {gid})" if gid else ""), item=item)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse an id of another group, another id of this group, and an undeclared group."""
        sysusers.check_root(ctx)
        group = find_group(ctx.root, wanted.key)
        if group is None:
            _refuse_base(wanted, "group", account_files.base_names(ctx.root, "group"), ctx)
        user = wanted.item if isinstance(wanted.item, User) else None
        if group is None and wanted.need and user and (user.group or user.name != wanted.key):
            raise Refused(
                f"plugin {ctx.plugin} wants user {user.name} to be of group {wanted.key}, which"
                " is neither in the root nor in the descriptor",
                hint=f'Its vendor has to correct the name, or add <group name="{wanted.key}"/>.')
        gid = id_in(asked_of(wanted), "gid")
        if gid is not None and not (group and installed):
            refuse_id(wanted, "gid", gid, group.gid if group else None, ctx, [
                *(other.name for other in account_files.groups(ctx.root) if other.gid == gid),
                *account_files.base_names(ctx.root, "group", gid)])

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return ids_clash(wanted, other, "gid")

    def state(self, wanted: Wanted, ctx: Context) -> str:
        group = find_group(ctx.root, wanted.key)
        return "absent" if group is None else f"gid={group.gid}"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return sysusers.watches(ctx.root, sysusers.file_of(self.name, wanted.key))

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        file = sysusers.file_of(self.name, wanted.key)
        group = find_group(ctx.root, wanted.key)
        if group is None:
            gid = id_in(asked_of(wanted), "gid") or id_in(
                wanted.wish, "gid") or account_files.free_number(ctx.root)
            sysusers.place(ctx, file, f"g {wanted.key} {gid}")
            sysusers.run_sysusers(ctx, file)
            group = find_group(ctx.root, wanted.key)
        if group is None or id_in(asked_of(wanted), "gid") not in (None, group.gid):
            raise wrong_id(wanted, "gid", group.gid if group else None, ctx)
        sysusers.place(ctx, file, f"g {wanted.key} {group.gid}")

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        group = find_group(ctx.root, wanted.key)
        return {"gid": str(group.gid), **_novelty("group", changes)} if group else {}

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        file, gid = _file(path), id_in(applied.outcome, "gid")
        if file not in ("group", "gshadow") or gid is None:
            return None
        entry = GroupEntry(applied.key, gid, ())
        return _if_new(applied, lambda text: account_files.without_group(text, file, entry))

    def with_outcome(self, wanted: Wanted, applied: Applied, ctx: Context) -> Wanted:
        return remembered(wanted, applied, ctx)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        group = find_group(ctx.root, applied.key)
        if group is None:
            return (SettingProblem(f"group {applied.key} is missing", differences=(MISSING,)),)
        return id_problems(applied, "gid", group.gid)


@dataclass(frozen=True)
class Users:
    """The kind ``user``: key is the name, value ``uid=… group=… home=… shell=…``."""

    name: str = "user"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, User):
            return ()
        asked = {"uid": item.uid, "group": item.group or item.name, "home": item.home,
                 "shell": item.shell}
        value = " ".join(f"{name}={text or _ANY}" for name, text in asked.items())
        shown = ", ".join(f"{name} {text}" for name, text in asked.items() if text)
        verb = "create" if find_user(ctx.root, item.name) is None else "use"
        return (Wanted(kind=self.name, key=item.name, value=value,
                       text=f"{verb} user {item.name} ({shown})", item=item,
                       notes=_of_the_root(item.name, ctx)),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse an id of another user, and an existing user with other values."""
        sysusers.check_root(ctx)
        user = find_user(ctx.root, wanted.key)
        uid = id_in(asked_of(wanted), "uid")
        if installed and user is not None:
            return
        if uid is not None:
            refuse_id(wanted, "uid", uid, user.uid if user else None, ctx, [
                *(other.name for other in account_files.users(ctx.root) if other.uid == uid),
                *account_files.base_names(ctx.root, "passwd", uid)])
        if user is not None:
            self._refuse_other(wanted, user, ctx)
        else:
            _refuse_base(wanted, "passwd", account_files.base_names(ctx.root, "passwd"), ctx)

    def _refuse_other(self, wanted: Wanted, user: UserEntry, ctx: Context) -> None:
        asked, group = asked_of(wanted), find_group(ctx.root, asked_of(wanted)["group"])
        present = {"home": user.home, "shell": user.shell}
        wrong = [f"{name} {text}" for name, text in present.items()
                 if asked[name] not in (_ANY, text)]
        if group is None or group.gid != user.gid:
            wrong.append(f"gid {user.gid}")
        if wrong:
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but that user is in the"
                          f" root, with {' and '.join(wrong)}",
                          hint="Its vendor has to take another name, or what is there.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        asked, others = asked_of(wanted), asked_of(other)
        return ids_clash(wanted, other, "uid") or wanted.key == other.key and any(
            len({asked[name], others.get(name, _ANY)} - {_ANY}) == 2
            for name in ("group", "home", "shell"))

    def state(self, wanted: Wanted, ctx: Context) -> str:
        user = find_user(ctx.root, wanted.key)
        return "absent" if user is None else f"uid={user.uid}"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return sysusers.watches(ctx.root, sysusers.file_of(self.name, wanted.key))

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        user = find_user(ctx.root, wanted.key)
        if user is None:
            uid = id_in(asked_of(wanted), "uid") or id_in(wanted.wish, "uid")
            group = find_group(ctx.root, wanted.key)  # of the user's name, just created
            self._place(wanted, str(uid or account_files.free_number(
                ctx.root, group.gid if group else None)), ctx)
            sysusers.run_sysusers(ctx, sysusers.file_of(self.name, wanted.key))
            user = find_user(ctx.root, wanted.key)
        elif not wanted.wish and wanted.item is not None:
            self._refuse_other(wanted, user, ctx)
        if user is None or id_in(asked_of(wanted), "uid") not in (None, user.uid):
            raise wrong_id(wanted, "uid", user.uid if user else None, ctx)
        self._place(wanted, str(user.uid), ctx)

    def _place(self, wanted: Wanted, uid: str, ctx: Context) -> None:
        asked = asked_of(wanted)
        gecos = wanted.item.gecos.replace("%", "%%") if isinstance(wanted.item, User) else ""
        home, shell = ("-" if asked[name] == _ANY else asked[name] for name in ("home", "shell"))
        about = f'"{gecos}"' if gecos else "-"
        sysusers.place(ctx, sysusers.file_of(self.name, wanted.key),
                       f"u {wanted.key} {uid}:{asked['group']} {about} {home} {shell}")

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        user = find_user(ctx.root, wanted.key)
        if user is None:
            return {}
        return {"uid": str(user.uid), "gid": str(user.gid), "home": user.home,
                "shell": user.shell, **_novelty("passwd", changes)}

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        file, outcome = _file(path), applied.outcome
        uid, gid = id_in(outcome, "uid"), id_in(outcome, "gid")
        if file not in ("passwd", "shadow") or uid is None or gid is None:
            return None
        entry = UserEntry(name=applied.key, uid=uid, gid=gid, home=outcome.get("home") or "",
                          shell=outcome.get("shell") or "")
        return _if_new(applied, lambda text: account_files.without_user(text, file, entry))

    def with_outcome(self, wanted: Wanted, applied: Applied, ctx: Context) -> Wanted:
        return remembered(wanted, applied, ctx)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        user = find_user(ctx.root, applied.key)
        if user is None:
            return (SettingProblem(f"user {applied.key} is missing", differences=(MISSING,)),)
        asked = asked_of(applied)
        problems = [*id_problems(applied, "uid", user.uid)]
        for name, text in (("home", user.home), ("shell", user.shell)):
            if asked.get(name, _ANY) not in (_ANY, text):
                problems.append(SettingProblem(
                    f"user {applied.key} has {name} {text}, not {asked[name]}",
                    differences=(PropertyDifference(name, asked[name], text),)))
        return problems


@dataclass(frozen=True)
class Members:
    """The kind ``group-member``: key is ``GROUP:USER``, value ``yes``."""

    name: str = "group-member"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, User):
            return ()
        return [Wanted(kind=self.name, key=f"{group}:{item.name}", value="yes",
                       text=f"add user {item.name} to group {group}", item=item,
                       notes=_rights(group))
                for group in dict.fromkeys(item.groups)]

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse links out of the root; group and user are settings of their own."""
        sysusers.check_root(ctx)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "present" if _is_member(wanted.key, ctx) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return sysusers.watches(ctx.root, self._file_of(wanted.key))

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        group, _, user = wanted.key.partition(":")
        # with the line of the user: else a group of its name would be created too
        about = sysusers.lines_of(ctx, sysusers.file_of("user", user))
        sysusers.place(ctx, self._file_of(wanted.key), *about, f"m {user} {group}")
        if not _is_member(wanted.key, ctx):
            sysusers.run_sysusers(ctx, self._file_of(wanted.key))
        if not _is_member(wanted.key, ctx):
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but systemd-sysusers"
                          " did not do it", hint="Look at /etc/group in the root.")

    def _file_of(self, key: str) -> str:
        return sysusers.file_of("member", key.replace(":", "@"))

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        return _novelty("group", changes)

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        file, (group, _, user) = _file(path), applied.key.partition(":")
        if file not in ("group", "gshadow"):
            return None
        return _if_new(applied, lambda text: account_files.without_member(
            text, file, group, user))

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        group, _, user = applied.key.partition(":")
        return () if _is_member(applied.key, ctx) else (
            SettingProblem(f"user {user} is not in group {group}", differences=(MISSING,)),)


KINDS = (Groups(), Users(), Members())


class Step(enum.IntEnum):
    """The steps in which accounts are created: a user needs its group, a member both."""

    NUMBERED_GROUPS = 0
    OTHER_GROUPS = 1
    NUMBERED_USERS = 2
    OTHER_USERS = 3
    MEMBERS = 4


def step_of(wanted: Wanted) -> Step:
    """Return the step in which an account is created; those with a number precede others."""
    if wanted.kind == "group-member":
        return Step.MEMBERS
    id_name, steps = ("gid", (Step.NUMBERED_GROUPS, Step.OTHER_GROUPS)) \
        if wanted.kind == "group" else ("uid", (Step.NUMBERED_USERS, Step.OTHER_USERS))
    number = id_in(asked_of(wanted), id_name) or id_in(wanted.wish, id_name)
    return steps[number is None]


def _refuse_base(wanted: Wanted, file: str, names: Sequence[str], ctx: Context) -> None:
    """Raise Refused for an account of the base image, of which sysusers would make a second one."""
    if wanted.key in names:
        raise Refused(
            f"plugin {ctx.plugin} wants to {wanted.text}, but that name is in /usr/lib/{file} of"
            " the base image, which systemd-sysusers does not read",
            hint="Copy its line in the Containerfile, before the plugins:"
                 f" grep '^{wanted.key}:' /usr/lib/{file} >> /etc/{file}")


def _of_the_root(user: str, ctx: Context) -> Tuple[str, ...]:
    """Return a note for a user that exists and that no plugin made or uses."""
    line = f"{sysusers.folder_in(ctx.root)}/{sysusers.file_of('user', user)}"
    if find_user(ctx.root, user) is None or read_entry(ctx.root, line, content=False):
        return ()
    return (f"user {user} is the root's own account: what it is given here is given to all"
            " that runs as that user",)


def _rights(group: str) -> Tuple[str, ...]:
    return (f"group {group} gives its members rights over the system",) \
        if group in _POWERFUL else ()


def _novelty(file: str, changes: Sequence[Change]) -> Outcome:
    return {"new": "yes" if any(_file(change.path) == file for change in changes) else "no"}


def _if_new(applied: Applied, remover: PartRemover) -> PartRemover:
    """Return ``remover`` if the plugin made the account, else a function that removes nothing."""
    return remover if applied.outcome.get("new") == "yes" else lambda content: content


def _file(path: str) -> str:
    return path.rpartition("/")[2]


def _is_member(key: str, ctx: Context) -> bool:
    group, _, user = key.partition(":")
    entry = find_group(ctx.root, group)
    return entry is not None and user in entry.members
