"""The XML of records and undo data, as in schema/record.rng and schema/manifest.rng."""
from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import urllib.parse
import zlib
from typing import Dict, Mapping, Optional, Tuple

from lxml import etree

from ..errors import RecordError, Refused
from ..system.entries import Entry
from ..system.limits import RECORD_BYTES, UNDO_CONTENT_BYTES, UNDO_DATA_BYTES, XML_ITEMS
from ..system.relaxng import raise_problems, schema_problems
from ..system.xml import XmlElement, parse_xml
from ..undo.changes import Applied, AppliedState, Change
from .origin import Origin
from .outcomes import from_text, to_text
from .record import InstalledPackage, Record, RecordedParameter
from .trust_level import InstalledTrust
from .undo_data import UndoData

_MAX_ID = (1 << 32) - 2  # for chown(2), the next number means no change
_FORMAT = "1"
_HINT = "It is damaged, or was written by another version of this tool."
# Characters that XML 1.0 does not allow, and lone surrogates.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Source:
    """The document that is read: its name in messages, and the limit of its contents."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.remaining_bytes = UNDO_CONTENT_BYTES


def dump_record(record: Record) -> bytes:
    """Return the XML of a record; repos and packages are sorted."""
    root = etree.Element("plugin-record", format=_FORMAT)
    for name in ("name", "version", "vendor", "summary"):
        etree.SubElement(root, name).text = _fit(getattr(record, name))
    _element(root, "installed", at=record.installed_at, tool=record.tool, mode=record.mode,
             source=record.source)
    _element(root, "target", kind=record.target_kind, version=record.target_version)
    if record.recorded_origin is not None:
        origin = _element(root, "origin", vendor=record.recorded_origin.vendor,
                          location=record.recorded_origin.location)
        for key in record.recorded_origin.keys:
            _element(origin, "key", id=key)
    _dump_trust(root, record.installed_trust)
    repos = etree.SubElement(root, "repos")
    for repo_id in sorted(set(record.repos)):
        _element(repos, "repo", id=repo_id)
    packages = etree.SubElement(root, "packages")
    for package in sorted(record.packages, key=lambda p: p.nevra):
        signed = {"signer": package.signer} if package.signer else {}
        checked = {"checked": "yes"} if package.checked else {}
        _element(packages, "package", nevra=package.nevra, checksum=package.checksum,
                 reason=package.reason, repo=package.repo, **signed, **checked)
    if record.together:
        together = etree.SubElement(root, "together")
        for name in sorted(set(record.together)):
            _element(together, "plugin", name=name)
    if record.parameters:
        _parameters(root, record)
    settings = etree.SubElement(root, "settings")
    for applied in record.settings:
        _setting(settings, applied)
    return _document(root)


def load_record(data: bytes, *, origin: str) -> Record:
    """Return the record in ``data``; ``origin`` is its name in messages.

    Raises RecordError for an invalid document.
    """
    root = _valid(data, origin, "record.rng", RECORD_BYTES)
    source = _Source(origin)
    installed, target = root.all("installed")[0], root.all("target")[0]
    return Record(
        **{name: root.all(name)[0].text for name in ("name", "version", "vendor", "summary")},
        installed_at=_get(installed, "at"), tool=_get(installed, "tool"),
        mode=_get(installed, "mode"), source=_get(installed, "source"),
        target_kind=_get(target, "kind"), target_version=_get(target, "version"),
        repos=tuple(_get(node, "id") for node in _inside(root, "repos")),
        packages=tuple(
            InstalledPackage(nevra=_get(node, "nevra"), checksum=_get(node, "checksum"),
                             reason=_get(node, "reason"), repo=_get(node, "repo"),
                             signer=_get(node, "signer"), checked=_get(node, "checked") == "yes")
            for node in _inside(root, "packages")),
        settings=tuple(_load_setting(node, source) for node in _inside(root, "settings")),
        together=tuple(_get(node, "name") for node in _inside(root, "together")),
        recorded_origin=_load_origin(root.first("origin")),
        installed_trust=_load_trust(root.first("trust")),
        parameters=tuple(RecordedParameter(
            name=_get(node, "name"), type=_get(node, "type"), value=_get(node, "value"),
            digest=_get(node, "digest"), default=_get(node, "default") == "yes")
            for parameters in root.all("parameters") for node in parameters.children))


def _parameters(root: etree._Element, record: Record) -> None:
    parameters = etree.SubElement(root, "parameters")
    for parameter in sorted(record.parameters, key=lambda each: each.name):
        _element(parameters, "parameter", name=parameter.name, type=parameter.type,
                 **({"digest": parameter.digest} if parameter.digest
                    else {"value": parameter.value}),
                 **({"default": "yes"} if parameter.default else {}))


def _load_origin(node: Optional[XmlElement]) -> Optional[Origin]:
    if node is None:
        return None
    return Origin(vendor=_get(node, "vendor"), location=_get(node, "location"),
                  keys=tuple(sorted(_get(key, "id") for key in node.all("key"))))


def _dump_trust(root: etree._Element, trust: InstalledTrust) -> None:
    if trust != InstalledTrust():
        _element(root, "trust", level=trust.level, floor=trust.floor,
                 **({"nogpgcheck": "yes"} if trust.nogpgcheck else {}),
                 **({"signed-by": trust.signed_by} if trust.signed_by else {}))


def _load_trust(node: Optional[XmlElement]) -> InstalledTrust:
    if node is None:
        return InstalledTrust()
    return InstalledTrust(level=_get(node, "level"), floor=_get(node, "floor"),
                          nogpgcheck=_get(node, "nogpgcheck") == "yes",
                          signed_by=_get(node, "signed-by"))


def dump_undo_data(undo_data: UndoData) -> bytes:
    """Return the XML of undo data; file contents are zlib in base64.

    Raises Refused for undo data that ``load_undo_data`` would refuse as too large.
    """
    root = etree.Element("plugin-manifest", format=_FORMAT, name=undo_data.name)
    if undo_data.inventory:
        root.set("inventory", "yes")
    etree.SubElement(root, "descriptor").text = _pack(undo_data.descriptor)
    _dump_files(root, undo_data.files)
    folders = etree.SubElement(root, "folders")
    for path in sorted(set(undo_data.folders)):
        _element(folders, "folder", path=_quote(path))
    settings = etree.SubElement(root, "settings")
    for applied in undo_data.state.settings:
        node = _setting(settings, applied)
        for change in applied.changes:
            _dump_change(node, change)
    effects = etree.SubElement(root, "effects")
    for change in undo_data.state.effects:
        _dump_change(effects, change)
    if undo_data.state.factory:
        factory = etree.SubElement(root, "factory")
        for change in undo_data.state.factory:
            _dump_change(factory, change)
    data = _document(root)
    content_bytes = len(undo_data.descriptor) + sum(map(len, undo_data.files.values())) + sum(
        len(entry.content or b"") for change in undo_data.state.all_changes
        for entry in (change.before, change.after) if entry is not None)
    items = sum(1 + len(node.attrib) for node in root.iter())
    if (len(data) > UNDO_DATA_BYTES or content_bytes > UNDO_CONTENT_BYTES
            or items > XML_ITEMS):
        raise Refused(f"plugin {undo_data.name} changes too much to be undone later: its undo"
                      f" data has {items} elements and attributes, {len(data)} bytes, and"
                      f" {content_bytes} bytes of contents",
                      hint="ovirt.plugins.d(5) has the limits. They hold what settings and"
                           " scriptlets change, not the files of packages.")
    return data


def _dump_files(root: etree._Element, files: Mapping[str, bytes]) -> None:
    if not files:
        return
    parent = etree.SubElement(root, "files")
    for name, content in sorted(files.items()):
        _element(parent, "file", name=name).text = _pack(content)


def load_undo_data(data: bytes, *, origin: str) -> UndoData:
    """Return the undo data in ``data``; ``origin`` is its name in messages.

    Raises RecordError for an invalid document, or content that does not match its digest.
    """
    root = _valid(data, origin, "manifest.rng", UNDO_DATA_BYTES)
    source = _Source(origin)
    return UndoData(
        name=_get(root, "name"), descriptor=_unpack(root.all("descriptor")[0], source),
        state=AppliedState(
            tuple(_load_setting(node, source) for node in _inside(root, "settings")),
            *(tuple(_load_change(node, source) for node in _inside(root, name))
              for name in ("effects", "factory"))),
        folders=tuple(_unquote(_get(node, "path")) for node in _inside(root, "folders")),
        inventory=_get(root, "inventory") == "yes",
        files={_get(node, "name"): _unpack(node, source) for node in _inside(root, "files")})


def _setting(parent: etree._Element, applied: Applied) -> etree._Element:
    node = _element(parent, "setting", kind=applied.kind, key=applied.key, value=applied.value,
                    before=applied.before)
    if applied.outcome:
        node.set("outcome", _fit(to_text(applied.outcome)))
    return node


def _load_setting(node: XmlElement, source: _Source) -> Applied:
    return Applied(
        kind=_get(node, "kind"), key=_get(node, "key"), value=_get(node, "value"),
        before=_get(node, "before"),
        changes=tuple(_load_change(child, source) for child in node.children),
        outcome=from_text(_get(node, "outcome")))


def _dump_change(parent: etree._Element, change: Change) -> None:
    node = _element(parent, "change", path=_quote(change.path))
    for name, entry in (("before", change.before), ("after", change.after)):
        if entry is not None:
            _dump_entry(node, name, entry)


def _dump_entry(parent: etree._Element, name: str, entry: Entry) -> None:
    attributes: Dict[str, str] = {"kind": entry.kind, "mode": f"{entry.mode:04o}",
                                  "uid": str(entry.uid), "gid": str(entry.gid)}
    if entry.digest:
        attributes["digest"] = entry.digest
    node = _element(parent, name, **attributes)
    for key, value in entry.xattrs:
        _element(node, "xattr", name=key).text = base64.b64encode(value).decode()
    if entry.content is not None:
        etree.SubElement(node, "content").text = _pack(entry.content)


def _load_change(node: XmlElement, source: _Source) -> Change:
    before, after = node.first("before"), node.first("after")
    return Change(_unquote(_get(node, "path")),
                  _load_entry(before, source) if before else None,
                  _load_entry(after, source) if after else None)


def _load_entry(node: XmlElement, source: _Source) -> Entry:
    packed = node.first("content")
    content = _unpack(packed, source) if packed is not None else None
    digest = _get(node, "digest")
    if content is not None and hashlib.sha256(content).hexdigest() != digest:
        raise RecordError(f"{source.name}:{node.line}:{node.column}: the content does not match"
                          " its digest", hint=_HINT)
    uid, gid = int(_get(node, "uid")), int(_get(node, "gid"))
    if max(uid, gid) > _MAX_ID:
        raise RecordError(f"{source.name}:{node.line}:{node.column}: expected a uid and gid of at"
                          f" most {_MAX_ID}, found {uid} and {gid}", hint=_HINT)
    return Entry(kind=_get(node, "kind"), mode=int(_get(node, "mode"), 8), uid=uid, gid=gid,
                 digest=digest, content=content,
                 xattrs=tuple((_get(child, "name"), _base64(child, source))
                              for child in node.all("xattr")))


def _valid(data: bytes, origin: str, schema: str, max_bytes: int) -> XmlElement:
    document = parse_xml(data, origin=origin, error=RecordError, max_bytes=max_bytes)
    raise_problems(schema_problems(document, schema), origin=origin, error=RecordError,
                   hint=_HINT)
    return document.root


def _document(root: etree._Element) -> bytes:
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text


def _element(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, tag, {key: _fit(text) for key, text in attributes.items()})


def _inside(root: XmlElement, name: str) -> Tuple[XmlElement, ...]:
    return tuple(child for node in root.all(name) for child in node.children)


def _get(node: XmlElement, name: str) -> str:
    """Return an attribute unchanged; ``XmlElement.get`` would collapse its blanks."""
    return node.attributes.get(name, "")


def _fit(text: str) -> str:
    """Return ``text`` with characters that XML does not allow as ``\\xNN``; not reversible."""
    return _UNFIT.sub(lambda match: ascii(match.group())[1:-1], text)


def _quote(path: str) -> str:
    """Return a path of any bytes with percent-encoding, as in a URL."""
    return urllib.parse.quote_from_bytes(os.fsencode(path), safe="/!$&'()*+,;=:@~[]{} ")


def _unquote(text: str) -> str:
    return os.fsdecode(urllib.parse.unquote_to_bytes(text))


def _pack(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _unpack(node: XmlElement, source: _Source) -> bytes:
    packed = _base64(node, source)
    machine = zlib.decompressobj()
    reason: Optional[str] = None
    try:
        data = machine.decompress(packed, max(1, source.remaining_bytes))  # 0 means no limit
        source.remaining_bytes -= len(data)
    except zlib.error as exc:
        data, reason = b"", str(exc)
    if reason is None and not machine.eof:
        reason = ("it is cut off, or all contents together are larger than"
                  f" {UNDO_CONTENT_BYTES} bytes")
    if reason is not None:
        raise RecordError(f"{source.name}:{node.line}:{node.column}: the content cannot be"
                          f" unpacked: {reason}", hint=_HINT)
    return data


def _base64(node: XmlElement, source: _Source) -> bytes:
    try:
        return base64.b64decode(node.text.strip(), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise RecordError(f"{source.name}:{node.line}:{node.column}: not base64: {exc}",
                          hint=_HINT) from exc
