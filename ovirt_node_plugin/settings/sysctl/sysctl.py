"""Kernel parameters, each set at boot by a file of sysctl.d(5)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from ...plugin.settings import Setting, Sysctl
from ...plugin.sysctl_names import dotted
from ...system.differences import MISSING, PropertyDifference
from ...system.entries import read_entry
from ...undo import live_log
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Stage, Wanted, changed_since
from ..kit.placing import place_file, refuse_others
from .sysctl_files import LAST, Assignment, assignments, file_name

_FOLDER = "etc/sysctl.d"


@dataclass(frozen=True)
class Sysctls:
    """The kind ``sysctl``: key is the parameter with dots, value its value."""

    name: str = "sysctl"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, Sysctl):
            return ()
        key, value = dotted(item.name), " ".join(item.value.split())
        text = f"set sysctl {key} to {value}"
        earlier, later = _around(key, ctx)
        if earlier:
            text += f" (now {earlier[-1].value} by /{earlier[-1].path})"
        notes = tuple(f"sysctl {key} will not be {value}: {_reason(assignment)}"
                      for assignment in later[-1:] if assignment.value != value)
        return (Wanted(kind=self.name, key=key, value=value, text=text, item=item, notes=notes),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a file of that name with another content."""
        path = f"{_FOLDER}/{file_name(wanted.key)}"
        entry = read_entry(ctx.root, path)
        if entry is not None and not installed and entry.content != _content(wanted):
            refuse_others(wanted, path, ctx)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key and wanted.value != other.value

    def state(self, wanted: Wanted, ctx: Context) -> str:
        earlier, later = _around(wanted.key, ctx)
        in_order = [*earlier, *later]
        return in_order[-1].value if in_order else "unset"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(_FOLDER, file_name(wanted.key)),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        place_file(ctx.root, _FOLDER, file_name(wanted.key), _content(wanted), mode=0o644)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        path = f"{_FOLDER}/{file_name(applied.key)}"
        entry = read_entry(ctx.root, path)
        if entry is None:
            return (SettingProblem(f"/{path} is missing", f"/{path}", (MISSING,)),)
        drifted = changed_since(applied, ctx)
        if drifted:
            return drifted
        if entry.content != _content(Wanted(kind=self.name, key=applied.key, value=applied.value,
                                            text="", item=None)):
            return (SettingProblem(f"/{path} was changed", f"/{path}"),)
        _, later = _around(applied.key, ctx)
        problems = [
            SettingProblem(f"sysctl {applied.key} is not {applied.value}: {_reason(assignment)}",
                           differences=(PropertyDifference(
                               "value", applied.value, assignment.value),))
            for assignment in later[-1:] if assignment.value != applied.value]
        live = applied.outcome.get(live_log.LEFT)
        if ctx.live and live is not None:
            now = self.running(applied.key, ctx)
            if now not in (live, None):  # None: only root may read some of them
                problems.append(SettingProblem(
                    f"sysctl {applied.key} is {now or 'empty'} now, not {live}",
                    differences=(PropertyDifference("live", live, now or ""),)))
        return tuple(problems)

    def goal(self, key: str, value: str) -> str:
        return value

    def stage(self, goal: str) -> Stage:
        return Stage.PARAMETERS

    def running(self, key: str, ctx: Context) -> Optional[str]:
        # sysctl(8): --ignore is for parameters of modules that are not loaded; some can
        # only be written
        output = ctx.run(["sysctl", "--values", "--ignore", "--", key], ok=(0, 1, 255))
        return " ".join(output.split()) if output else None

    def doing(self, key: str, state: str) -> str:
        return f"set sysctl {key} to {state or 'an empty value'}"

    def bring(self, key: str, state: str, ctx: Context) -> None:
        ctx.run(["sysctl", "--quiet", "--write", "--", f"{key}={state}"])

    def leave(self, key: str, was: str, after: str, ctx: Context) -> Sequence[str]:
        """Restore the value, unless it was changed since."""
        now = self.running(key, ctx)
        if after and now != after:
            return (f"sysctl {key} is left as it is, {now or 'empty'}: it was changed since",)
        self.bring(key, was, ctx)
        return ()


KIND = Sysctls()


def _around(key: str, ctx: Context) -> Tuple[Sequence[Assignment], Sequence[Assignment]]:
    """Return the assignments of ``key`` in other files, those read before ours and after.

    A pattern never overrides a full name (sysctl.d(5)).
    """
    own_name = file_name(key)
    others = [other for other in assignments(ctx.root, key) if other.name != own_name]
    return ([other for other in others if other.pattern or not other.comes_after(own_name)],
            [other for other in others if not other.pattern and other.comes_after(own_name)])


def _reason(other: Assignment) -> str:
    when = "last by sysctl --system" if other.path == LAST else "later"
    return f"/{other.path} is read {when} and sets it to {other.value}"


def _content(wanted: Wanted) -> bytes:
    return ("# Of a Node plugin; dnf node-plugin remove takes it away.\n"
            f"{wanted.key} = {wanted.value}\n").encode()
