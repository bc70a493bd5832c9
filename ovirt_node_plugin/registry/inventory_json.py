"""The file format of an inventory: JSON, compressed by gzip; see ovirt.plugins.d(5).

Each package, file and operation is on a line of its own, for zgrep(1). Empty values, 0 and
false are left out, which keeps inventories of thousands of files small.
"""
from __future__ import annotations

import dataclasses
import json
import re
import zlib
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ..errors import RecordError
from ..undo.changes import Applied
from .inventory import Account, File, Inventory, InventoryPackage, Operation

FORMAT = 1
MAX_PACKED_BYTES = 64 << 20
_MAX_BYTES = 512 << 20  # unpacked; limits a damaged inventory
_HINT = "It is damaged, or was written by another version of this tool."
_MODE = re.compile("[0-7]{4}")
_GZIP = 16 + zlib.MAX_WBITS  # zlib(3), inflateInit2: the form of gzip(1) only

Data = Dict[str, Any]


def dump(inventory: Inventory) -> bytes:
    """Return the file of an inventory; equal inventories give equal bytes."""
    parts = [("operations", [json.dumps(operation(one)) for one in inventory.operations]),
             ("packages", [_package(one) for one in inventory.packages]),
             ("others", [_line(file(one)) for one in inventory.others]),
             ("before", [_line(file(one)) for one in inventory.before])]
    head = f'{{"format":{FORMAT},"name":{json.dumps(inventory.name)}'
    text = ",\n".join([head, *(f'"{name}":{_listed(lines)}' for name, lines in parts)])
    return _packed(f"{text}}}\n".encode("ascii"))


def load(data: bytes, *, origin: str) -> Inventory:
    """Return the inventory in ``data``; ``origin`` is its name in messages.

    Raises RecordError for invalid data.
    """
    try:
        whole = json.loads(_unpacked(data))
        if not isinstance(whole, dict) or whole.get("format") != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        inventory = Inventory(
            name=_text(whole, "name"),
            operations=tuple(map(_load_operation, _list(whole, "operations"))),
            packages=tuple(map(_load_package, _list(whole, "packages"))),
            others=tuple(map(_load_file, _list(whole, "others"))),
            before=tuple(map(_load_file, _list(whole, "before"))))
        if not inventory.operations:
            raise ValueError("it has no operation")
        return inventory
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error) as exc:
        raise RecordError(f"{origin} cannot be read: {exc}", hint=_HINT) from exc


def file(one: File) -> Data:
    """Return a file as data; empty values except ``since`` are left out."""
    data: Data = {"path": one.path}
    if one.kind:
        data.update(kind=one.kind, mode=f"{one.mode:04o}", owner=one.owner, group=one.group)
    for name in ("size_bytes", "digest", "link", "capabilities", "by", "change"):
        if getattr(one, name):
            data[name] = getattr(one, name)
    for name in ("marks", "unchecked"):
        if getattr(one, name):
            data[name] = list(getattr(one, name))
    if one.xattrs:
        data["xattrs"] = dict(one.xattrs)
    data["since"] = one.since
    return data


def operation(one: Operation) -> Data:
    """Return an operation as data, with every field."""
    data: Data = {}
    for field in dataclasses.fields(one):
        value = getattr(one, field.name)
        if field.name.startswith("packages_"):
            value = list(value)
        elif field.name.startswith("settings_"):
            value = [setting(item) for item in value]
        elif field.name.startswith("accounts_"):
            value = [dataclasses.asdict(item) for item in value]
        data[field.name] = value
    return data


def setting(one: Applied) -> Dict[str, str]:
    """Return a setting as data, without its changes."""
    return {name: getattr(one, name) for name in ("kind", "key", "value", "before", "outcome")}


def _line(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _listed(lines: Sequence[str]) -> str:
    return "[\n" + ",\n".join(lines) + "]" if lines else "[]"


def _package(one: InventoryPackage) -> str:
    head = _line({"nevra": one.nevra, "header": one.header, "since": one.since})
    return f'{head[:-1]},"files":{_listed([_line(file(item)) for item in one.files])}}}'


def _packed(data: bytes) -> bytes:
    """Return ``data`` compressed like gzip(1), without a time.

    zlib's strategy for random data, such as digests, saves a tenth.
    """
    machine = zlib.compressobj(9, zlib.DEFLATED, _GZIP, 9, zlib.Z_FILTERED)
    return machine.compress(data) + machine.flush()


def _unpacked(data: bytes) -> bytes:
    machine = zlib.decompressobj(_GZIP)
    text = machine.decompress(data, _MAX_BYTES)
    if not machine.eof:
        raise ValueError("it is cut off or too large")
    return text


def _load_operation(data: Any) -> Operation:
    values: Data = {}
    for field in dataclasses.fields(Operation):
        name = field.name
        if name.startswith("packages_"):
            values[name] = _texts(data, name)
        elif name.startswith("settings_"):
            values[name] = tuple(map(_load_setting, _list(data, name)))
        elif name.startswith("accounts_"):
            values[name] = tuple(map(_load_account, _list(data, name)))
        else:
            values[name] = (_number(data, name) if name.startswith("files_")
                            else _text(data, name))
    return Operation(**values)


def _load_setting(data: Any) -> Applied:
    return Applied(kind=_text(data, "kind"), key=_text(data, "key"), value=_text(data, "value"),
                   before=_text(data, "before"), changes=(), outcome=_text(data, "outcome"))


def _load_account(data: Any) -> Account:
    number = None if data.get("number") is None else _number(data, "number")
    return Account(_text(data, "kind"), _text(data, "name"), number, _text(data, "by"))


def _load_package(data: Any) -> InventoryPackage:
    return InventoryPackage(_text(data, "nevra"), _text(data, "header"), _number(data, "since"),
                            tuple(map(_load_file, _list(data, "files"))))


def _load_file(data: Any) -> File:
    path, mode = _text(data, "path"), _text(data, "mode", "0000")
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise ValueError(f"{path!r} is not an absolute path")
    if not _MODE.fullmatch(mode):
        raise ValueError(f"{mode!r} is not the mode of a file")
    xattrs = data.get("xattrs", {})
    return File(
        path=path, kind=_text(data, "kind", ""), mode=int(mode, 8), owner=_text(data, "owner", ""),
        group=_text(data, "group", ""), size_bytes=_number(data, "size_bytes", 0),
        digest=_text(data, "digest", ""), link=_text(data, "link", ""),
        capabilities=_text(data, "capabilities", ""),
        xattrs=tuple((name, _text(xattrs, name)) for name in xattrs),
        marks=_texts(data, "marks", ()), unchecked=_texts(data, "unchecked", ()),
        since=_number(data, "since", 0), by=_text(data, "by", ""),
        change=_text(data, "change", ""))


def _text(data: Any, name: str, *default: str) -> str:
    value = data.get(name, *default) if default else data[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value


def _number(data: Any, name: str, *default: int) -> int:
    value = data.get(name, *default) if default else data[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError(f"{name} is not a whole number from 0")
    return value


def _list(data: Any, name: str) -> List[Any]:
    value = data[name]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{name} is not a list of objects")
    return value


def _texts(data: Any, name: str, *default: Iterable[str]) -> Tuple[str, ...]:
    value = data.get(name, *default) if default else data[name]
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} is not a list of texts")
    return tuple(value)
