"""The command ``ovirt-node-plugin catalog``."""
from __future__ import annotations

import configparser
import contextlib
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..authoring.catalogs import catalog_files
from ..catalog import editing
from ..catalog.catalogs import OpenedCatalog, accepted, read_catalogs
from ..catalog.model import Catalog
from ..catalog.places import CatalogPlace
from ..config import Config, read_config
from ..errors import Status, UnknownPlugin, UsageError
from ..plugin.bundle import opened as opened_bundle
from ..report import catalog_data, catalog_text
from ..report.catalog_data import Row
from ..system.limits import CATALOG_BYTES, KEY_BYTES, SIGNATURE_BYTES
from ..system.openpgp import PublicKey, read_keys
from ..system.regular_files import read_regular
from .catalog_arguments import NAMES, OPTIONS, USAGE
from .program import Invocation

_CONFIGURATION = "/etc/dnf/plugins"
_FILE_NAME = "node-plugin.conf"


def catalog(invocation: Invocation) -> int:
    """Carry out one action of ``catalog``."""
    options = invocation.options
    given = vars(options)
    for name, option in NAMES.items():
        if given[name] not in (None, "", False, []) and name not in OPTIONS[options.action]:
            raise _usage(f"catalog {options.action} has no option {option}")
    actions: Mapping[str, Callable[[Invocation], int]] = {
        "create": _create, "add": _add, "set": _set, "drop": _drop, "sign": _sign,
        "verify": _verify, "list": _list, "show": _show, "refresh": _refresh}
    return actions[options.action](invocation)


def _create(invocation: Invocation) -> int:
    path = _file(invocation, operands=1)
    if not invocation.options.title:
        raise _usage("catalog create needs the title of the catalog: --title TEXT")
    made = catalog_files.create(path, invocation.options.title)
    return _changed(invocation, path, made, (), [f"Created {path}."])


def _add(invocation: Invocation) -> int:
    from ..authoring.catalogs.catalog_entries import entry_of  # the libraries of DNF and rpm

    options = invocation.options
    path = _file(invocation)
    old, keys = catalog_files.read(path), _keys(options.key_file)
    new: List[editing.NewVersion] = []
    for word in options.operands[1:]:
        with opened_bundle(Path(word), run=invocation.run) as bundle:
            new.append(entry_of(bundle, keys))
    made = catalog_files.write(path, editing.added(old, new, _said(invocation)))
    names = [(each.descriptor.name, each.descriptor.version) for each in new]
    rows = [(made, made.plugins[name], said) for name, version in names
            for said in [made.plugins[name].version(version)] if said is not None]
    return _changed(invocation, path, made, rows, [
        f"Added {name} {version}." for name, version in names])


def _set(invocation: Invocation) -> int:
    path, said = _file(invocation), _said(invocation)
    words = invocation.options.operands[1:]
    if said.is_empty:
        raise _usage("catalog set needs what to say: --status, --note, --node-from, --node-until")
    made = catalog_files.write(path, editing.changed(catalog_files.read(path), words, said))
    return _changed(invocation, path, made, _rows(made, [word.partition("=")[0] for word in words]),
                    [f"Changed {word}." for word in words])


def _drop(invocation: Invocation) -> int:
    path, words = _file(invocation), invocation.options.operands[1:]
    made = catalog_files.write(path, editing.dropped(catalog_files.read(path), words))
    return _changed(invocation, path, made, (), [f"Dropped {word}." for word in words])


def _sign(invocation: Invocation) -> int:
    path, options = _file(invocation, operands=1), invocation.options
    if not options.sign:
        raise _usage("catalog sign needs a secret key of GnuPG: --sign KEY")
    made = catalog_files.sign(path, options.sign, valid_days=options.valid_days or 0,
                              run=invocation.run)
    signature = catalog_files.signature(path)
    invocation.answer(catalog_data.answer([_as_opened(path, made)], ()), [
        f"Signed {path} with the serial {made.serial}. Publish it together with {signature}."])
    return Status.DONE


def _verify(invocation: Invocation) -> int:
    path, key = _file(invocation, operands=1), invocation.options.key_file
    if key is None:
        raise _usage("catalog verify needs the public keys that may have signed it: --key FILE")
    place = CatalogPlace(str(path), key.absolute())
    data, signature = _content(path, CATALOG_BYTES), _content(
        catalog_files.signature(path), SIGNATURE_BYTES)
    found, signer = accepted(place, data, signature, None, run=invocation.run)
    opened = [OpenedCatalog(place, catalog=found, signer=signer)]
    invocation.answer(catalog_data.answer(opened, ()), catalog_text.catalogs(opened))
    return Status.DONE


def _list(invocation: Invocation) -> int:
    options, opened = invocation.options, _opened(invocation)
    rows = [row for row in _selected(opened, options.operands)
            if options.status in (None, row[2].status)]
    invocation.answer(catalog_data.answer(opened, rows), catalog_text.listing(opened, rows))
    return Status.DONE


def _show(invocation: Invocation) -> int:
    if not invocation.options.operands:
        raise _usage("catalog show needs the name of a plugin")
    opened = _opened(invocation)
    rows = _selected(opened, invocation.options.operands)
    invocation.answer(catalog_data.answer(opened, rows), [
        *catalog_text.shown(rows), *catalog_text.problems(opened)])
    return Status.DONE


def _refresh(invocation: Invocation) -> int:
    from ..operations.catalog_copies import refresh
    from ..packages.downloads import download, main_conf  # the libraries of DNF

    options = invocation.options
    if options.operands:
        raise _usage("catalog refresh takes no names: it fetches all catalogs of the site")
    config, conf = _config(options.setopt), main_conf(options.setopt)
    opened = refresh(config, lambda url, most: download(url, conf, max_bytes=most),
                     run=invocation.run, allow_older=options.allow_older)
    invocation.answer(catalog_data.answer(opened, ()), catalog_text.catalogs(opened))
    return next((int(each.problem.status) for each in opened if each.problem is not None),
                int(Status.DONE))


def _changed(invocation: Invocation, path: Path, made: Catalog, rows: Sequence[Row],
             lines: Sequence[str]) -> int:
    invocation.answer(catalog_data.answer([_as_opened(path, made)], rows), [
        *lines, f"Sign it: ovirt-node-plugin catalog sign {path} --sign KEY"])
    return Status.DONE


def _opened(invocation: Invocation) -> Sequence[OpenedCatalog]:
    """Return the catalogs to list: the named file, or those of the site."""
    options = invocation.options
    if options.catalog_file is not None:
        return [_as_opened(options.catalog_file, catalog_files.read(options.catalog_file))]
    opened = read_catalogs(_config(options.setopt), run=invocation.run).opened
    if not opened:
        raise UsageError("no catalog is configured",
                         hint="Set catalog and catalog_key in /etc/dnf/plugins/node-plugin.conf,"
                              " or name a file with --file.")
    return opened


def _selected(opened: Sequence[OpenedCatalog], names: Sequence[str]) -> List[Row]:
    """Return the versions of the plugins ``names``, of each the one that decides; all without.

    Raises UnknownPlugin for a name that no catalog lists.
    """
    rows: Dict[Tuple[str, str], Row] = {}
    for each in opened:
        for row in _rows(each.catalog, names) if each.catalog is not None else ():
            rows.setdefault((row[1].name, row[2].version), row)
    found = {name for name, _ in rows}
    missing = [name for name in names if name not in found]
    if missing:
        raise UnknownPlugin(f"no catalog lists {', '.join(missing)}",
                            hint="ovirt-node-plugin catalog list shows all names.")
    return sorted(rows.values(), key=lambda row: row[1].name)


def _rows(made: Catalog, names: Sequence[str]) -> List[Row]:
    plugins = ([made.plugins[name] for name in dict.fromkeys(names) if name in made.plugins]
               if names else made.plugins.values())
    return [(made, plugin, version) for plugin in plugins for version in plugin.versions]


def _as_opened(path: Path, made: Catalog) -> OpenedCatalog:
    return OpenedCatalog(CatalogPlace(str(path), Path()), catalog=made)


def _file(invocation: Invocation, *, operands: int = 0) -> Path:
    """Return the file of the catalog, the first operand; ``operands`` is their number, 0 for more.

    Raises UsageError for another number.
    """
    words = invocation.options.operands
    if not words or (len(words) != operands if operands else len(words) < 2):
        raise _usage(f"catalog {invocation.options.action} needs the file of the catalog"
                     + (" and nothing else" if operands else ", then what it is about"))
    return Path(words[0])


def _said(invocation: Invocation) -> editing.Said:
    options = invocation.options
    return editing.Said(status=options.status, note=options.note, node_from=options.node_from,
                        node_until=options.node_until)


def _keys(path: Optional[Path]) -> List[PublicKey]:
    if path is None:
        return []
    keys = read_keys(_content(path, KEY_BYTES))
    if not keys:
        raise UsageError(f"{path} contains no OpenPGP public key")
    return keys


def _content(path: Path, max_bytes: int) -> bytes:
    try:
        return read_regular(path, max_bytes=max_bytes, follow=True)
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc


def _config(setopts: Sequence[str]) -> Config:
    """Return this machine's node-plugin.conf, without the libraries of DNF, which load slowly."""
    folders = [word.partition("=")[2] for word in setopts
               if word.partition("=")[0] == "pluginconfpath"] or [_CONFIGURATION]
    parser = configparser.RawConfigParser(strict=False)
    with contextlib.suppress(FileNotFoundError):
        parser.read([str(Path(folder, _FILE_NAME)) for folder in folders], encoding="utf-8")
    return read_config(dict(parser["main"]) if parser.has_section("main") else {})


def _usage(message: str) -> UsageError:
    usage = USAGE % {"prog": "ovirt-node-plugin catalog"}
    return UsageError(message, hint=f"usage: {usage}")
