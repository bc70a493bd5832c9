"""The permanent configuration of firewalld, changed by firewall-offline-cmd(1).

Only the ports of a range that are closed are opened, so that no two plugins share an
element of a zone, and each plugin's can be removed separately.
"""
from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Tuple

from ...errors import CommandError, NodePluginError, Refused
from ...plugin.settings import FirewallPort, FirewallService, Setting
from ...system.differences import MISSING, PropertyDifference
from ...system.entries import read_entry
from ...system.paths import relative_inside, resolve_inside
from ...system.trees import walk
from ...undo.changes import Applied, Change, Outcome, Watch, capture, difference, put_back
from ..kit.model import Context, PartRemover, SettingProblem, Wanted, leads_inside
from . import firewall_files
from .firewall_files import DEFAULT, SYSTEM, Range, missing, overlap, parse_ranges

_FAILED = "Look at firewalld's configuration in the root, or ask the plugin's vendor."

_CLOSED = PropertyDifference("state", "open", "closed")


@dataclass(frozen=True)
class FirewallPorts:
    """The kind ``firewall-port``: key is ``ZONE:PORT/PROTOCOL``, value ``open``."""

    name: str = "firewall-port"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, FirewallPort):
            return ()
        zone = item.zone or firewall_files.default_zone(ctx.root)
        ports = f"{item.port}/{item.protocol}"
        return (Wanted(kind=self.name, key=f"{zone}:{ports}", value="open",
                       text=f"open firewall port {ports} in zone {zone}", item=item),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a root without firewalld, and zones or ports that firewalld refuses."""
        _refuse_root(wanted, ctx)
        zone, ports = _split(wanted.key)
        _ask(wanted, ctx, f"--zone={zone}", f"--query-port={ports}")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "closed" if _closed(wanted.key, ctx) else "open"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return _watches("zones", _split(wanted.key)[0])

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        zone, _ = _split(wanted.key)
        closed = _closed(wanted.key, ctx)
        if closed:
            _change(wanted, ctx, "zones", zone, f"--zone={zone}",
                    *(f"--add-port={port_range}" for port_range in closed))

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        """Return the parts of the range that were not open before, as names."""
        zone, ports = _split(wanted.key)
        path = f"{SYSTEM}/zones/{zone}.xml"
        change = next((change for change in changes if change.path.endswith(f"/{zone}.xml")), None)
        if change is None:
            return {}
        before = change.before.content if change.before is not None else None
        if before is None:  # the zone was that of the default configuration
            entry = read_entry(ctx.root, path.replace(SYSTEM, DEFAULT))
            before = (entry.content if entry else None) or b""
        open_before = firewall_files.ports(before.decode(errors="replace"))
        return dict.fromkeys(map(str, missing(parse_ranges(ports), open_before)))

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        if not path.endswith(f"/{_split(applied.key)[0]}.xml"):
            return None
        ranges = parse_ranges(" ".join(applied.outcome))
        return lambda content: firewall_files.without_ports(content, ranges)

    def relies_on(self, applied: Applied, gone: Applied) -> bool:
        (zone, ports), (gone_zone, gone_ports) = _split(applied.key), _split(gone.key)
        return zone == gone_zone and any(overlap(first, second) for first in parse_ranges(ports)
                                         for second in parse_ranges(gone_ports))

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        zone, _ = _split(applied.key)
        return tuple(SettingProblem(f"firewall port {port_range} is not open in zone {zone}",
                                    differences=(_CLOSED,))
                     for port_range in _closed(applied.key, ctx))


@dataclass(frozen=True)
class Definitions:
    """The kind ``firewall-definition``: key is the service, value its ports in order.

    The value ``any`` is for a service that must exist, with any ports.
    """

    name: str = "firewall-definition"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, FirewallService):
            return ()
        if not item.ports:
            return (Wanted(kind=self.name, key=item.name, value="any",
                           text=f"use firewall service {item.name}", item=item, need=True),)
        value = _value(item)
        return (Wanted(kind=self.name, key=item.name, value=value,
                       text=f"define firewall service {item.name} ({value.replace(' ', ', ')})",
                       item=item),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse an unknown service, and the definition of an existing one with other ports."""
        _refuse_root(wanted, ctx)
        if wanted.need:
            if all(ctx.brings(f"{base}/services/{wanted.key}.xml") is None
                   for base in (SYSTEM, DEFAULT)):
                _ask(wanted, ctx, f"--info-service={wanted.key}")
            return
        zone = firewall_files.default_zone(ctx.root)
        for ports in wanted.value.split():
            _ask(wanted, ctx, f"--zone={zone}", f"--query-port={ports}")
        defined = _defined(wanted.key, ctx)
        if defined is not None and not installed and defined != _ranges(wanted):
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but the root has a service"
                          " of that name already",
                          hint="Its vendor has to take another name, or the service as it is.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return (wanted.key == other.key and wanted.value != other.value
                and "any" not in (wanted.value, other.value))

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "absent" if _defined(wanted.key, ctx) is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return _watches("services", wanted.key)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        if wanted.value == "any":
            return
        defined, asked = _defined(wanted.key, ctx), _ranges(wanted)
        if defined is None:
            _change(wanted, ctx, "services", wanted.key, f"--new-service={wanted.key}")
        extra = [ports for ports in defined or () if ports not in asked]
        fresh = [ports for ports in asked if ports not in (defined or ())]
        for verb, ranges in (("remove", extra), ("add", fresh)):
            if ranges:
                _change(wanted, ctx, "services", wanted.key, f"--service={wanted.key}",
                        *(f"--{verb}-port={ports}" for ports in ranges))

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        defined = _defined(applied.key, ctx)
        if defined is None:
            return (SettingProblem(f"firewall service {applied.key} is not defined",
                                   differences=(MISSING,)),)
        asked = "" if applied.value == "any" else applied.value
        if asked and sorted(map(str, defined)) != sorted(asked.split()):
            return (SettingProblem(f"firewall service {applied.key} has other ports than {asked}",
                                   differences=(PropertyDifference("value", asked, " ".join(
                                       map(str, defined))),)),)
        return ()


@dataclass(frozen=True)
class FirewallServices:
    """The kind ``firewall-service``: key is ``ZONE:SERVICE``, value its ports or ``open``."""

    name: str = "firewall-service"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, FirewallService):
            return ()
        zone = item.zone or firewall_files.default_zone(ctx.root)
        # the value has the ports, so that the service is opened again when they change:
        # firewalld reads no zone with a service that is not defined
        return (Wanted(kind=self.name, key=f"{zone}:{item.name}", value=_value(item) or "open",
                       text=f"open firewall service {item.name} in zone {zone}", item=item),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a root without firewalld, and an unknown zone."""
        _refuse_root(wanted, ctx)
        zone, service = _split(wanted.key)
        _ask(wanted, ctx, f"--zone={zone}", f"--query-service={service}")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False  # the definitions clash

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "open" if _lets_in(wanted.key, ctx) else "closed"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return _watches("zones", _split(wanted.key)[0])

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        zone, service = _split(wanted.key)
        if not _lets_in(wanted.key, ctx):
            _change(wanted, ctx, "zones", zone, f"--zone={zone}", f"--add-service={service}")

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        return {}

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        zone, service = _split(applied.key)
        if not path.endswith(f"/{zone}.xml"):
            return None
        return lambda content: firewall_files.without_service(content, service)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        zone, service = _split(applied.key)
        return () if _lets_in(applied.key, ctx) else (
            SettingProblem(f"firewall service {service} is not open in zone {zone}",
                           differences=(_CLOSED,)),)


KINDS = (FirewallPorts(), Definitions(), FirewallServices())


def _value(item: FirewallService) -> str:
    return " ".join(f"{port}/{protocol}" for port, protocol in item.ports)


def _ranges(wanted: Wanted) -> Tuple[Range, ...]:
    return parse_ranges(wanted.value)


def _split(key: str) -> Tuple[str, str]:
    zone, _, rest = key.partition(":")
    return zone, rest


def _closed(key: str, ctx: Context) -> Tuple[Range, ...]:
    zone, ports = _split(key)
    text = firewall_files.read_config(ctx.root, "zones", zone) or ""
    return missing(parse_ranges(ports), firewall_files.ports(text))


def _lets_in(key: str, ctx: Context) -> bool:
    zone, service = _split(key)
    text = firewall_files.read_config(ctx.root, "zones", zone) or ""
    return service in firewall_files.services(text)


def _defined(service: str, ctx: Context) -> Optional[Tuple[Range, ...]]:
    text = firewall_files.read_config(ctx.root, "services", service)
    return None if text is None else firewall_files.ports(text)


def _watches(folder: str, name: str) -> Tuple[Watch, ...]:
    return (Watch(f"{SYSTEM}/{folder}", f"{name}.xml"),)


def _program(ctx: Context) -> List[str]:
    return ["firewall-offline-cmd", f"--system-config={ctx.root / SYSTEM}",
            f"--default-config={ctx.root / DEFAULT}"]


def _ask(wanted: Wanted, ctx: Context, *options: str) -> None:
    """Run a query; raise Refused, with the message of firewalld, if it fails."""
    try:
        ctx.run([*_program(ctx), *options], ok=(0, 1))
    except CommandError as exc:
        raise _refusal(wanted, ctx, exc) from exc


def _change(wanted: Wanted, ctx: Context, folder: str, name: str, *options: str) -> None:
    """Run a change of one file, and restore all other files that it changes.

    firewalld makes a backup of the file, which would keep settings that are undone later. It
    also writes the default zone to ``/etc`` for changes that are not of zones, which would
    hide updates of its package.
    """
    _refuse_root(wanted, ctx)
    path = relative_inside(ctx.root, f"{SYSTEM}/{folder}/{name}.xml")
    watches = [Watch(SYSTEM, "*", deep=True)]
    before = capture(ctx.root, watches)
    try:
        ctx.run([*_program(ctx), *options])
    except CommandError as exc:
        raise _refusal(wanted, ctx, exc) from exc
    changes = difference(before, capture(ctx.root, watches, content=False))
    put_back(ctx.root, [change for change in changes if change.path != path])
    if path not in before and (ctx.root / path).is_file():
        os.chmod(ctx.root / path, 0o644)  # whatever the umask


def _refusal(wanted: Wanted, ctx: Context, exc: CommandError) -> NodePluginError:
    if exc.returncode is None:  # the program is missing
        return exc
    errors = exc.output.strip().splitlines() or [f"status {exc.returncode}"]
    return Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but firewalld refuses it:"
                   f" {errors[-1].replace('Error: ', '', 1)}", hint=_FAILED)


def _refuse_root(wanted: Wanted, ctx: Context) -> None:
    """Refuse a root without firewalld, or with firewalld files that lead out of it."""
    for folder in (SYSTEM, DEFAULT):
        target = resolve_inside(ctx.root, folder)
        if target == ctx.root or not leads_inside(ctx.root, folder):
            raise _leads_out(folder, ctx)
        if not target.is_dir():
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but the root has no"
                          f" firewalld: /{folder} is not there",
                          hint="Install firewalld in it first, or limit the setting by <when>.")
        for path in _unsafe_entries(ctx, folder):
            raise _leads_out(path, ctx)


def _unsafe_entries(ctx: Context, folder: str) -> Iterator[str]:
    """Yield links out of the root, and other entries than files, folders and links."""
    for entry in walk(resolve_inside(ctx.root, folder)):
        path = os.path.relpath(entry.path, ctx.root)
        mode = entry.stat(follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
                and leads_inside(ctx.root, path)):
            yield path


def _leads_out(path: str, ctx: Context) -> Refused:
    return Refused(f"/{path} in {ctx.root} leads elsewhere, or is not a regular file;"
                   " firewall-offline-cmd is not confined to the root",
                   hint="Replace it by the real thing.")
