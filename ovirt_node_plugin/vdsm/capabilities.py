"""Add the plugins of this machine to VDSM's capabilities; see ovirt.plugins.d(5).

VDSM waits for the hook that runs this: so it imports little (no lxml, no typing, no
dataclasses), and all work is limited.
"""
from __future__ import annotations

import itertools
import json
import os
import stat
import time

from ..registry.rules import UNKNOWN, is_plugin_name, trust_of
from ..system.limits import RECORDS
from ..system.path_sets import BOOT_PROBLEMS, IMAGE_MANIFESTS, IMAGE_REGISTRY, MANIFESTS, REGISTRY
from ..system.words import first_names
from .presence import missing_packages
from .record_scan import Damaged, Scanned, read_whole, scan_record

KEY = "nodePlugins"
FORMAT = 1
MAX_TEXT = 256
"""The longest text in the capabilities, in characters."""
_MAX_ENTRIES = 20_000  # in the registry's folder, plugins or not
_MAX_CAPABILITIES_BYTES = 64 << 20
_MAX_PROBLEMS_BYTES = 4 << 20
_READING_S = 2.0
_COMPARING_S = 2.0


def add_to(path: str) -> None:
    """Add the plugins of this machine to the capabilities, a JSON object, in a file.

    The file is replaced atomically. Raises OSError, ValueError or Damaged if it cannot be
    read or written, or is not a JSON object.
    """
    data = read_whole(path, _MAX_CAPABILITIES_BYTES, flags=os.O_RDWR)
    capabilities = json.loads(data.decode("utf-8"))
    if not isinstance(capabilities, dict):
        raise ValueError("the capabilities are not a JSON object")
    capabilities[KEY] = describe_plugins()
    _replace(path, json.dumps(capabilities).encode())


def describe_plugins(root: str = "/") -> dict[str, object]:
    """Return the entry for the capabilities: the plugins in the registry of ``root``.

    Their packages are looked up in the running system's rpm database. A damaged registry
    raises no error.
    """
    plugins: list[dict[str, object]] = []
    records: list[tuple[dict[str, object], Scanned]] = []
    deadline = time.monotonic() + _READING_S
    registry, manifests = _folders(root)
    names, truncated, problem = _names(registry)
    for name in names:
        if time.monotonic() > deadline:
            truncated = True
            break
        plugin, scanned = _plugin(registry, manifests, name)
        plugins.append(plugin)
        if scanned is not None:
            records.append((plugin, scanned))
    compared = _compare(records)
    _add_problems_of_boot(root, registry, plugins)
    return {"format": FORMAT, "plugins": plugins, "truncated": truncated, "problem": problem,
            "packagesCompared": compared}


def _folders(root: str) -> tuple[str, str]:
    """Return the folders of records and of undo data that count, as in ``registry.places``."""
    image = os.path.join(root, IMAGE_REGISTRY)
    if os.path.isdir(image):
        return image, os.path.join(root, IMAGE_MANIFESTS)
    return os.path.join(root, REGISTRY), os.path.join(root, MANIFESTS)


def _names(folder: str) -> tuple[list[str], bool, str]:
    """Return the first plugins in a folder, whether there are more, and any error."""
    try:
        return (*_first_names(folder), "")
    except (FileNotFoundError, NotADirectoryError):
        return [], False, ""  # the folder comes with the first plugin
    except OSError as exc:
        return [], False, f"{folder} cannot be read: {exc.strerror}"


def _first_names(folder: str) -> tuple[list[str], bool]:
    with os.scandir(folder) as entries:
        seen = [entry.name for entry in itertools.islice(entries, _MAX_ENTRIES + 1)]
    names = sorted(filter(is_plugin_name, seen))
    return names[:RECORDS], len(names) > RECORDS or len(seen) > _MAX_ENTRIES


def _plugin(registry: str, manifests: str, name: str) -> tuple[dict[str, object], Scanned | None]:
    """Return the entry of one plugin, and its record, None if that is damaged."""
    try:
        record = scan_record(registry, name)
    except Damaged as exc:
        return _entry(name, problem=f"its record is damaged: {exc}"), None
    trust = trust_of([(signer, checked) for _, signer, checked in record.packages])
    plugin = _entry(name, version=record.texts["version"], vendor=record.texts["vendor"],
                    date=record.installed_at, trust=trust, trust_level=record.trust_level)
    if not _has_undo_data(manifests, name):
        _break(plugin, "its manifest is missing")
    return plugin, record


def _entry(name: str, *, version: str = "", vendor: str = "", date: str = "",
           trust: str = UNKNOWN, trust_level: str = "", problem: str = "") -> dict[str, object]:
    plugin: dict[str, object] = {
        "name": name, "version": _cut(version), "vendor": _cut(vendor), "state": "installed",
        "installDate": date, "trust": trust, "trustLevel": trust_level,
        "problem": ""}
    if problem:
        _break(plugin, problem)
    return plugin


def _break(plugin: dict[str, object], problem: str) -> None:
    plugin.update(state="broken", problem=_cut(problem))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT - 1]}\u2026"


def _has_undo_data(manifests: str, name: str) -> bool:
    """Return whether the undo data is there; where only root may look, assume that it is."""
    try:
        info = os.lstat(os.path.join(manifests, f"{name}.xml"))
    except OSError as exc:
        return not isinstance(exc, (FileNotFoundError, NotADirectoryError))
    return stat.S_ISREG(info.st_mode)


def _compare(records: list[tuple[dict[str, object], Scanned]]) -> bool:
    """Mark plugins that lack a package as broken; return whether that was found out in time."""
    wanted = {nevra: None for _, record in records for nevra, _, _ in record.packages}
    if not wanted:
        return True
    missing = missing_packages(list(wanted), timeout_s=_COMPARING_S)
    for plugin, record in records if missing else ():
        lacking = [nevra for nevra, _, _ in record.packages if nevra in (missing or ())]
        if lacking and plugin["state"] != "broken":
            lacking[0] = lacking[0][:MAX_TEXT // 2]
            _break(plugin, f"not installed: {first_names(lacking, 1)}")
    return missing is not None


def _add_problems_of_boot(root: str, registry: str, plugins: list[dict[str, object]]) -> None:
    """Mark plugins as broken that were so at boot, unless their record was written since.

    ``cli.verify_at_boot`` writes the file. It is missing if all plugins were sound.
    """
    try:
        data = json.loads(read_whole(os.path.join(root, BOOT_PROBLEMS), _MAX_PROBLEMS_BYTES))
        for plugin in plugins:
            name = str(plugin["name"])
            mtime_ns, problem = data.get(name, (None, ""))
            if plugin["state"] != "broken" and mtime_ns == os.stat(
                    os.path.join(registry, name)).st_mtime_ns:
                _break(plugin, str(problem))
    except (Damaged, OSError, ValueError, TypeError, AttributeError):
        return


def _replace(path: str, data: bytes) -> None:
    """Replace a file atomically; its folder must be writable."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    temporary = f"{path}.{os.urandom(8).hex()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as stream:
            os.fchmod(handle, mode)
            stream.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
