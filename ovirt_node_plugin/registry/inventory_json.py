"""The file format of an inventory: JSON, compressed by gzip; see ovirt.plugins.d(5).

Each package, file and operation is on a line of its own, for zgrep(1). Empty values, 0 and
false are left out, which keeps inventories of thousands of files small.
"""
from __future__ import annotations

import dataclasses
import json
import re
import zlib
from typing import Dict, Mapping, Sequence

from ..errors import RecordError, Refused
from ..system.json_data import (
    Data,
    check_size,
    number_of,
    object_of,
    objects_of,
    of_format,
    parse_json,
    text_of,
    texts_of,
)
from ..system.limits import INVENTORY_BYTES
from ..undo.changes import Applied
from .inventory import Account, File, Inventory, InventoryPackage, Operation
from .outcomes import from_text, to_text

FORMAT = 1
_HINT = "It is damaged, or was written by another version of this tool."
_MODE = re.compile("[0-7]{4}")
_GZIP = 16 + zlib.MAX_WBITS  # zlib(3), inflateInit2: the form of gzip(1) only


def dump(inventory: Inventory) -> bytes:
    """Return the file of an inventory; equal inventories give equal bytes.

    Raises Refused for one that ``load`` would refuse as too large.
    """
    parts = [("operations", [json.dumps(operation(item)) for item in inventory.operations]),
             ("packages", [_package(package) for package in inventory.packages]),
             ("others", [_line(file(other)) for other in inventory.others]),
             ("before", [_line(file(before)) for before in inventory.before])]
    head = f'{{"format":{FORMAT},"name":{json.dumps(inventory.name)}'
    text = ",\n".join([head, *(f'"{name}":{_listed(lines)}' for name, lines in parts)])
    data = f"{text}}}\n".encode("ascii")
    try:
        check_size(data, most_bytes=INVENTORY_BYTES)
    except ValueError as exc:
        raise Refused(f"plugin {inventory.name} has too many files for an inventory: {exc}",
                      hint="Ask the vendor for packages with fewer files.") from exc
    return _packed(data)


def load(data: bytes, *, origin: str) -> Inventory:
    """Return the inventory in ``data``; ``origin`` is its name in messages.

    Raises RecordError for invalid data.
    """
    try:
        whole = of_format(FORMAT, parse_json(_unpacked(data)))
        inventory = Inventory(
            name=text_of(whole, "name"),
            operations=tuple(map(_load_operation, objects_of(whole, "operations"))),
            packages=tuple(map(_load_package, objects_of(whole, "packages"))),
            others=tuple(map(_load_file, objects_of(whole, "others"))),
            before=tuple(map(_load_file, objects_of(whole, "before"))))
        if not inventory.operations:
            raise ValueError("it has no operation")
        return inventory
    except (ValueError, KeyError, TypeError, zlib.error) as exc:
        raise RecordError(f"{origin} cannot be read: {exc}", hint=_HINT) from exc


def file(item: File) -> Data:
    """Return a file as data; empty values except ``since`` are left out."""
    data: Data = {"path": item.path}
    if item.kind:
        data.update(kind=item.kind, mode=f"{item.mode:04o}", owner=item.owner, group=item.group)
    for name in ("size_bytes", "digest", "link", "capabilities", "by", "change"):
        if getattr(item, name):
            data[name] = getattr(item, name)
    for name in ("marks", "unchecked"):
        if getattr(item, name):
            data[name] = list(getattr(item, name))
    if item.xattrs:
        data["xattrs"] = dict(item.xattrs)
    data["since"] = item.since
    return data


def operation(item: Operation) -> Data:
    """Return an operation as data, with every field."""
    data: Data = {}
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if field.name.startswith(("packages_", "scriptlets_")):
            value = list(value)
        elif field.name.startswith("settings_"):
            value = list(map(setting, value))
        elif field.name.startswith("accounts_"):
            value = list(map(dataclasses.asdict, value))
        data[field.name] = value
    return data


def setting(applied: Applied) -> Dict[str, str]:
    """Return a setting as data, without its changes."""
    return {"kind": applied.kind, "key": applied.key, "value": applied.value,
            "before": applied.before, "outcome": to_text(applied.outcome)}


def _line(data: Mapping[str, object]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _listed(lines: Sequence[str]) -> str:
    return "[\n" + ",\n".join(lines) + "]" if lines else "[]"


def _package(package: InventoryPackage) -> str:
    head = _line({"nevra": package.nevra, "header": package.header, "since": package.since})
    return f'{head[:-1]},"files":{_listed([_line(file(item)) for item in package.files])}}}'


def _packed(data: bytes) -> bytes:
    """Return ``data`` compressed like gzip(1), without a time.

    zlib's strategy for random data, such as digests, saves a tenth.
    """
    machine = zlib.compressobj(9, zlib.DEFLATED, _GZIP, 9, zlib.Z_FILTERED)
    return machine.compress(data) + machine.flush()


def _unpacked(data: bytes) -> bytes:
    machine = zlib.decompressobj(_GZIP)
    unpacked = machine.decompress(data, INVENTORY_BYTES)
    if not machine.eof:
        raise ValueError(f"it is cut off, or larger than {INVENTORY_BYTES} bytes")
    return unpacked


def _load_operation(data: Data) -> Operation:
    settings = {name: tuple(map(_load_setting, objects_of(data, f"settings_{name}")))
                for name in ("on", "again", "off")}
    return Operation(
        operation=text_of(data, "operation"), at=text_of(data, "at"),
        tool=text_of(data, "tool"), version_from=text_of(data, "version_from"),
        version_to=text_of(data, "version_to"),
        packages_added=texts_of(data, "packages_added"),
        packages_removed=texts_of(data, "packages_removed"),
        packages_shared=texts_of(data, "packages_shared"),
        packages_replaced=texts_of(data, "packages_replaced", ()),
        settings_on=settings["on"], settings_again=settings["again"],
        settings_off=settings["off"],
        accounts_added=tuple(map(_load_account, objects_of(data, "accounts_added"))),
        accounts_removed=tuple(map(_load_account, objects_of(data, "accounts_removed"))),
        files_added=number_of(data, "files_added"),
        files_changed=number_of(data, "files_changed"),
        files_removed=number_of(data, "files_removed"),
        scriptlets_skipped=texts_of(data, "scriptlets_skipped", ()))


def _load_setting(data: Data) -> Applied:
    return Applied(kind=text_of(data, "kind"), key=text_of(data, "key"),
                   value=text_of(data, "value"), before=text_of(data, "before"), changes=(),
                   outcome=from_text(text_of(data, "outcome")))


def _load_account(data: Data) -> Account:
    return Account(
        kind=text_of(data, "kind"), name=text_of(data, "name"),
        number=None if data.get("number") is None else number_of(data, "number"),
        by=text_of(data, "by"))


def _load_package(data: Data) -> InventoryPackage:
    return InventoryPackage(
        nevra=text_of(data, "nevra"), header=text_of(data, "header"),
        since=number_of(data, "since"), files=tuple(map(_load_file, objects_of(data, "files"))))


def _load_file(data: Data) -> File:
    path, mode = text_of(data, "path"), text_of(data, "mode", "0000")
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise ValueError(f"{path[:200]!r} is not an absolute path")
    if not _MODE.fullmatch(mode):
        raise ValueError(f"{mode[:200]!r} is not the mode of a file")
    xattrs = object_of(data, "xattrs")
    return File(
        path=path, kind=text_of(data, "kind", ""), mode=int(mode, 8),
        owner=text_of(data, "owner", ""), group=text_of(data, "group", ""),
        size_bytes=number_of(data, "size_bytes", 0), digest=text_of(data, "digest", ""),
        link=text_of(data, "link", ""), capabilities=text_of(data, "capabilities", ""),
        xattrs=tuple((name, text_of(xattrs, name)) for name in xattrs),
        marks=texts_of(data, "marks", ()), unchecked=texts_of(data, "unchecked", ()),
        since=number_of(data, "since", 0), by=text_of(data, "by", ""),
        change=text_of(data, "change", ""))
