"""The registry of a root: the record, undo data and inventory of each plugin.

XML is imported only to read or write it, so that DNF runs without plugins stay fast.
"""
from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Iterator, Mapping, Optional, Sequence, Tuple

from ..errors import NodePluginError, RecordError
from ..system import source_date
from ..system.entries import sync_dir, write_atomic
from ..system.limits import INVENTORY_BYTES, RECORD_BYTES, RECORDS, RECORDS_BYTES, UNDO_DATA_BYTES
from ..system.paths import read_inside, resolve_inside
from ..system.regular_files import NotRegular
from .inventory import Inventory
from .places import (
    ETC,
    IMAGE,
    PRISTINE,
    Place,
    counting,
    has_factory,
    has_image_copy,
    make_folders,
    written,
)
from .record import Record
from .rules import is_plugin_name
from .undo_data import UndoData


@dataclass(frozen=True)
class Registry:
    """All records of a root by plugin name, sorted.

    ``damaged`` has the reason for each record that cannot be read.
    """

    records: Mapping[str, Record]
    damaged: Mapping[str, str]


def names(root: Path) -> Tuple[str, ...]:
    """Return the names of the plugins that have a record in ``root``, sorted.

    Other files, such as temporary ones, are ignored. Raises RecordError for more than RECORDS.
    """
    return names_in(root, counting(root).registry)


def names_in(root: Path, folder: str) -> Tuple[str, ...]:
    """Return the names of plugins in ``folder``, relative to the root; as ``names``."""
    try:
        entries = os.listdir(resolve_inside(root, folder))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    plugins = tuple(sorted(name for name in entries if is_plugin_name(name)))
    if len(plugins) > RECORDS:
        raise RecordError(f"/{folder} in {root} has more than {RECORDS} records",
                          hint="Find out what made them, and move them away.")
    return plugins


def read_registry(root: Path) -> Registry:
    """Return every record of ``root``; damaged ones raise no error.

    Those beyond RECORDS_BYTES in sum count as damaged.
    """
    records: Dict[str, Record] = {}
    damaged: Dict[str, str] = {}
    remaining_bytes = RECORDS_BYTES
    for name in names(root):
        try:
            if remaining_bytes <= 0:
                raise RecordError(f"/{record_path(root, name)} has more than {RECORDS_BYTES} bytes"
                                  " of records before it, and is not read")
            data = _record_data(root, name)
            remaining_bytes -= len(data)
            records[name] = _record(root, name, data)
        except NodePluginError as exc:
            damaged[name] = exc.message
    return Registry(records, damaged)


def read_record(root: Path, name: str) -> Record:
    """Return the record of the plugin ``name``.

    Raises RecordError if it is missing, damaged, or of another plugin.
    """
    return _record(root, name, _record_data(root, name))


def read_undo_data(root: Path, name: str, *, place: Optional[Place] = None) -> UndoData:
    """Return the undo data of the plugin ``name``; errors as in ``read_record``.

    It is that of ``place``, by default the one that counts.
    """
    from . import xml

    path = (place or counting(root)).undo_data(_safe(name))
    undo_data = xml.load_undo_data(_read(root, path, UNDO_DATA_BYTES),
                                   origin=f"/{path}")
    _same_name(name, undo_data.name, path)
    return undo_data


def read_inventory(root: Path, name: str) -> Optional[Inventory]:
    """Return the inventory of the plugin ``name``; errors as in ``read_record``.

    It is None for plugins installed by the first versions of this tool.
    """
    from . import inventory_json

    path = inventory_path(root, _safe(name))
    if not os.path.lexists(resolve_inside(root, path, follow_last=False)):
        return None
    inventory = inventory_json.load(_read(root, path, INVENTORY_BYTES),
                                    origin=f"/{path}")
    _same_name(name, inventory.name, path)
    return inventory


def record_path(root: Path, name: str) -> str:
    """Return the path of a plugin's record that counts, relative to the root."""
    return counting(root).record(name)


def inventory_path(root: Path, name: str) -> str:
    """Return the path of a plugin's inventory that counts, relative to the root."""
    return counting(root).inventory(name)


def paths_of(name: str) -> Tuple[str, ...]:
    """Return the paths of everything that is kept of a plugin, relative to the root."""
    return (*ETC.files(name), *IMAGE.files(name), *PRISTINE.files(name))


def copy_records(root: Path, plugins: Iterable[str], copy: Path) -> None:
    """Copy the records and inventories of ``plugins`` in ``root`` to /etc in ``copy``."""
    place = counting(root)
    for name in plugins:
        for source, path, limit in ((place.record(name), ETC.record(name), RECORD_BYTES),
                                    (place.inventory(name), ETC.inventory(name),
                                     INVENTORY_BYTES)):
            with contextlib.suppress(FileNotFoundError):
                data = read_inside(root, source, max_bytes=limit)
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                (copy / path).write_bytes(data)


def claims(root: Path) -> FrozenSet[str]:
    """Return the NEVRA of every package in a readable record."""
    return frozenset(nevra for record in read_registry(root).records.values()
                     for nevra in record.nevras)


def repo_owners(root: Path) -> Dict[str, str]:
    """Return the plugin of each repo id in a readable record."""
    owners: Dict[str, str] = {}
    for name, record in read_registry(root).records.items():
        for repo_id in record.repos:
            owners.setdefault(repo_id, name)
    return owners


def save(root: Path, record: Record, undo_data: UndoData,
         inventory: Optional[Inventory] = None) -> None:
    """Write a plugin's inventory, its undo data, then its record, each atomically.

    The files have mode 0644; undo data with the content of a file that not every user may
    read, such as ``/etc/shadow``, has 0600. Missing folders are made, and recorded in the
    undo data. Without ``inventory``, an existing one is kept. The image's own copy, if there
    is one, is written too.
    """
    from . import xml

    new_folders = make_folders(root, ETC)
    if has_image_copy(root) and has_factory(root):
        new_folders += make_folders(root, PRISTINE)
    kept = _known_folders(root, record.name)
    undo_data = dataclasses.replace(
        undo_data, folders=tuple(sorted({*undo_data.folders, *new_folders, *kept})))
    if inventory is not None:
        save_inventory(root, inventory)
        undo_data = dataclasses.replace(undo_data, inventory=True)
    record = dataclasses.replace(
        record, settings=tuple(applied.without_changes() for applied in record.settings))
    _write_undo_data(root, undo_data)
    for place in written(root):
        write_atomic(resolve_inside(root, place.record(_safe(record.name)), follow_last=False),
                     xml.dump_record(record))


def save_inventory(root: Path, inventory: Inventory) -> None:
    """Write the inventory of a plugin that has a record, atomically."""
    from . import inventory_json

    for place in written(root):
        write_atomic(resolve_inside(root, place.inventory(_safe(inventory.name)),
                                    follow_last=False), inventory_json.dump(inventory))


def forget(root: Path, name: str) -> None:
    """Remove a plugin's record, then its undo data and its inventory.

    The registry's folders are removed if they were made for a plugin and are empty; while
    there is another plugin, its undo data takes them over. Idempotent.
    """
    folders = _known_folders(root, _safe(name))
    for place in written(root):
        _unlink(root, place.record(name))
    inherited = bool(folders) and _inherit(root, name, folders)
    for place in written(root):
        for path in place.files(name)[1:]:
            _unlink(root, path)
    # records that remain in /etc are no plugins while the image has its own copy
    if has_image_copy(root) and not (names(root) or names_in(root, ETC.registry)):
        _remove_folders(root, (IMAGE.registry, IMAGE.manifests))
    if not inherited:
        _remove_folders(root, folders)


def installed_now() -> str:
    """Return the present time for a record, or that in SOURCE_DATE_EPOCH if it is set."""
    now = datetime.datetime.fromtimestamp(source_date.now(), datetime.timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _record_data(root: Path, name: str) -> bytes:
    return _read(root, record_path(root, _safe(name)), RECORD_BYTES)


def _record(root: Path, name: str, data: bytes) -> Record:
    from . import xml

    path = record_path(root, name)
    record = xml.load_record(data, origin=f"/{path}")
    _same_name(name, record.name, path)
    return record


def _safe(name: str) -> str:
    if not is_plugin_name(name):
        raise RecordError(f"{name!r} is no plugin name", hint="")
    return name


def _same_name(name: str, written: str, path: str) -> None:
    if written != name:
        raise RecordError(f"/{path} says that it is of the plugin {written}",
                          hint="The file was copied or renamed. Move it away.")


def _read(root: Path, path: str, max_bytes: int) -> bytes:
    try:
        return read_inside(root, path, max_bytes=max_bytes, follow_last=False)
    except NotRegular:
        raise RecordError(f"/{path} is not a regular file", hint="Move it away.") from None
    except OSError as exc:
        raise RecordError(f"/{path} cannot be read: {exc.strerror}",
                          hint=_reason_hint(exc)) from exc


def _reason_hint(exc: OSError) -> str:
    if isinstance(exc, PermissionError):
        return "Only root may read it: it has the content of files that only root may read."
    return ""


def _known_folders(root: Path, name: str) -> Tuple[str, ...]:
    try:
        return read_undo_data(root, name).folders
    except NodePluginError:
        return ()


def _write_undo_data(root: Path, undo_data: UndoData) -> None:
    from . import xml

    for place in written(root):
        write_atomic(
            resolve_inside(root, place.undo_data(_safe(undo_data.name)), follow_last=False),
            xml.dump_undo_data(undo_data), mode=0o600 if undo_data.private else 0o644)


def _inherit(root: Path, name: str, folders: Sequence[str]) -> bool:
    """Record ``folders`` in the undo data of another plugin; return whether there is one."""
    for other in _readable_undo_data(root, but=name):
        _write_undo_data(root, dataclasses.replace(
            other, folders=tuple(sorted({*other.folders, *folders}))))
        return True
    return False


def _readable_undo_data(root: Path, *, but: str) -> Iterator[UndoData]:
    for other in names(root):
        if other != but:
            with contextlib.suppress(NodePluginError):
                yield read_undo_data(root, other)


def _unlink(root: Path, path: str) -> None:
    target = resolve_inside(root, path, follow_last=False)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        target.unlink()
        sync_dir(target.parent)


def _remove_folders(root: Path, folders: Sequence[str]) -> None:
    for folder in sorted(folders, reverse=True):
        target = resolve_inside(root, folder, follow_last=False)
        with contextlib.suppress(OSError):  # not empty: still in use
            target.rmdir()
            sync_dir(target.parent)
