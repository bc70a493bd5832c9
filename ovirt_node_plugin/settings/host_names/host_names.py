"""Names of hosts in /etc/hosts, each entry a marked line of its own."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import HostsEntry, Setting
from ...system import kernel
from ...system.differences import MISSING, PropertyDifference
from ...system.entries import Entry, read_entry, write_entry
from ...system.limits import HOSTS_BYTES
from ...undo.changes import Applied, Change, Outcome, Watch
from ..kit.model import Context, PartRemover, SettingProblem, Wanted
from ..kit.placing import place_file

_FOLDER, _FILE = "etc", "hosts"
_PATH = f"{_FOLDER}/{_FILE}"
_MARK = "# node-plugin"


@dataclass(frozen=True)
class HostNames:
    """The kind ``hosts-entry``: key is the first name, value the address and all names."""

    name: str = "hosts-entry"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, HostsEntry):
            return ()
        return (Wanted(kind=self.name, key=item.names[0],
                       value=" ".join((item.address, *item.names)),
                       text=f"give {', '.join(item.names)} the address {item.address} in"
                            f" /{_PATH}, before DNS", item=item, danger=True),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a name that the root has, and a file that cannot be edited."""
        subject = f"plugin {ctx.plugin} wants to {wanted.text}, but"
        if any(mount.path == str(ctx.root / _PATH) for mount in kernel.mounts_below(
                str(ctx.root / _FOLDER))):
            raise Refused(f"{subject} something else is mounted at /{_PATH}, as container tools do",
                          hint="A container build cannot change that file of its image.")
        taken = {name: f"/{_PATH} has it already, for {address}"
                 for line, address, names in _entries(_text(ctx)) if not line.endswith(_MARK)
                 for name in names}
        taken[_own_name(ctx)] = "it is the name of the root in /etc/hostname"
        for name in _names(wanted.value):
            if name in taken:
                raise Refused(f"{subject} {name} cannot be changed: {taken[name]}",
                              hint="Use another name, or remove that line first.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.value != other.value and not {*_names(wanted.value)}.isdisjoint(
            _names(other.value))

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "present" if _line(wanted.value) in _lines(_text(ctx)) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(_FOLDER, _FILE),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        text, line = _text(ctx), _line(wanted.value)
        if line in _lines(text):
            return
        end = "" if text.endswith("\n") or not text else "\n"
        _write(ctx, f"{text}{end}{line}\n")

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        return {}

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        if path.rpartition("/")[2] != _FILE:
            return None
        line = _line(applied.value)

        def without(content: bytes) -> Optional[bytes]:
            lines = _lines(content.decode("utf-8", "surrogateescape"))
            if line in lines:
                lines.remove(line)
            elif any(name in names for _, _, names in _entries("\n".join(lines))
                     for name in _names(applied.value)):
                return None
            return "\n".join(lines).encode("utf-8", "surrogateescape")
        return without

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        """Return a name that is missing, or that an earlier line gives another address."""
        address = applied.value.partition(" ")[0]
        found = _addresses(_text(ctx))
        problems: List[SettingProblem] = []
        for name in _names(applied.value):
            now = found.get(name)
            if now is None:
                problems.append(SettingProblem(f"/{_PATH} does not have {name}", f"/{_PATH}",
                                               (MISSING,)))
            elif now != address:
                problems.append(SettingProblem(
                    f"/{_PATH} gives {name} the address {now}, not {address}", f"/{_PATH}",
                    (PropertyDifference("value", address, now),)))
        return problems


KIND = HostNames()


def _line(value: str) -> str:
    return f"{value} {_MARK}"


def _names(value: str) -> List[str]:
    """Return the names of a value, in lower case: they are compared without case."""
    return value.lower().split(" ")[1:]


def _own_name(ctx: Context) -> str:
    entry = read_entry(ctx.root, f"{_FOLDER}/hostname")
    content = entry.content if entry is not None else None
    return (content or b"").decode(errors="replace").strip().lower()


def _text(ctx: Context) -> str:
    entry = _entry(ctx)
    return (entry.content or b"").decode("utf-8", "surrogateescape") if entry is not None else ""


def _entry(ctx: Context) -> Optional[Entry]:
    entry = read_entry(ctx.root, _PATH, max_bytes=HOSTS_BYTES)
    if entry is not None and (entry.kind != "file" or entry.content is None):
        raise Refused(f"/{_PATH} is not a regular file, so plugin {ctx.plugin} cannot have names"
                      " there", hint="Make it a regular file first.")
    return entry


def _write(ctx: Context, text: str) -> None:
    data, entry = text.encode("utf-8", "surrogateescape"), _entry(ctx)
    if entry is None:
        place_file(ctx.root, _FOLDER, _FILE, data, mode=0o644)
    else:
        write_entry(ctx.root, _PATH, dataclasses.replace(entry, content=data))


def _lines(text: str) -> List[str]:
    return text.split("\n")


def _entries(text: str) -> Iterator[Tuple[str, str, List[str]]]:
    """Yield each line with an entry, its address, and its names in lower case; hosts(5)."""
    for line in _lines(text):
        words = line.partition("#")[0].lower().split()
        if len(words) > 1:
            yield line, words[0], words[1:]


def _addresses(text: str) -> Dict[str, str]:
    """Return the address of each name, that of its first line."""
    found: Dict[str, str] = {}
    for _, address, names in _entries(text):
        for name in names:
            found.setdefault(name, address)
    return found
