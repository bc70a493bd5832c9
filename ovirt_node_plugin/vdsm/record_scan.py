"""Read the parts of a record that VDSM shows, and check it, fast.

VDSM waits for the program that uses this. ``registry`` reads the same files with lxml and
the schema, which takes several times as long. Both refuse the same damage, except in parts
that are not read here; a test compares them.
"""
from __future__ import annotations

import os
import re
from collections.abc import Callable
from xml.parsers import expat

from ..registry.rules import LEVELS
from ..system.limits import RECORD_BYTES, XML_DEPTH
from ..system.regular_files import NotRegular, TooLarge, read_regular

_PARTS = frozenset(("name", "version", "vendor", "summary", "installed", "target", "repos",
                    "packages", "settings"))
_TEXTS = frozenset(("name", "version", "vendor"))
_TIME = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_KEY = re.compile("[0-9a-f]{16}")


class Damaged(Exception):
    """A file is damaged or of the wrong type; the text says how."""


class Scanned:
    """The parts of a record that VDSM shows.

    ``texts`` has name, version and vendor; ``installed_at`` is as in the record;
    ``trust_level`` is the level of trust at the install, the lowest if it is not recorded;
    ``packages`` has the NEVRA, the signer, and whether the signature was checked.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.installed_at = ""
        self.trust_level = LEVELS[0]
        self.packages: list[tuple[str, str, bool]] = []


def scan_record(folder: str, name: str) -> Scanned:
    """Return the parts of the record ``name`` in a folder.

    Raises Damaged if it is unreadable, or not a valid record of that plugin.
    """
    data = read_whole(os.path.join(folder, name), RECORD_BYTES)
    try:
        data.decode("utf-8")
        scanned = _RecordParser().read(data)
    except UnicodeDecodeError as exc:
        raise Damaged(f"it is not UTF-8 at byte {exc.start}") from exc
    except expat.ExpatError as exc:
        raise Damaged(f"it is not well-formed XML: {exc}") from exc
    if scanned.texts["name"] != name:
        raise Damaged(f"it says that it is of the plugin {scanned.texts['name'][:64]}")
    return scanned


def read_whole(path: str, max_bytes: int, *, flags: int = os.O_RDONLY) -> bytes:
    """Return the content of a regular file. ``flags`` are those of open(2).

    Raises Damaged for a link, another type of entry, or a file that is too large.
    """
    try:
        return read_regular(path, max_bytes=max_bytes, flags=flags)
    except (NotRegular, TooLarge) as exc:
        raise Damaged(f"it is {exc.strerror}") from exc
    except OSError as exc:
        raise Damaged(f"it cannot be read: {exc.strerror}") from exc


class _RecordParser:
    """A pass of expat that stops at the first error in a record."""

    def __init__(self) -> None:
        self._scanned = Scanned()
        self._path: list[str] = []
        self._seen: set[str] = set()
        self._texts: list[str] = []
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.XmlDeclHandler = self._declaration
        # before any entity can be declared
        parser.StartDoctypeDeclHandler = self._refuse("a DOCTYPE")
        parser.ProcessingInstructionHandler = self._refuse("a processing instruction")

    def read(self, data: bytes) -> Scanned:
        self._parser.Parse(data, True)
        missing = sorted(_PARTS - self._seen)
        if missing:
            raise Damaged(f"it has no <{missing[0]}>")
        return self._scanned

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        path = self._path
        path.append(tag)
        if len(path) == 1:
            self._root(tag, attributes)
        elif len(path) == 2:
            self._part(tag, attributes)
        elif len(path) == 3 and tag == "package" and path[1] == "packages":
            self._package(attributes)
        elif len(path) > XML_DEPTH:
            raise Damaged(f"it has more than {XML_DEPTH} levels of elements")

    def _root(self, tag: str, attributes: dict[str, str]) -> None:
        if tag != "plugin-record":
            raise Damaged(f"it is no record, but <{tag[:64]}>")
        if attributes.get("format") != "1":
            raise Damaged("it is of a format that is not known here")

    def _part(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in self._seen:
            raise Damaged(f"it has a second <{tag[:64]}>")
        self._seen.add(tag)
        if tag in _TEXTS:
            self._texts = []
        elif tag == "installed":
            self._scanned.installed_at = attributes.get("at", "")
            if not _TIME.fullmatch(self._scanned.installed_at):
                raise Damaged("it does not say when it was installed")
        elif tag == "trust":
            self._scanned.trust_level = attributes.get("level", "")
            if self._scanned.trust_level not in LEVELS:
                raise Damaged("it has an unknown level of trust")

    def _package(self, attributes: dict[str, str]) -> None:
        nevra = attributes.get("nevra", "")
        if not nevra:
            raise Damaged("it has a package without a name")
        signer = attributes.get("signer", "")
        if signer and not _KEY.fullmatch(signer):
            raise Damaged("it has a package signed by what is no key id")
        self._scanned.packages.append((nevra, signer, attributes.get("checked") == "yes"))

    def _text(self, text: str) -> None:
        if len(self._path) == 2 and self._path[1] in _TEXTS:
            self._texts.append(text)

    def _end(self, tag: str) -> None:
        if len(self._path) == 2 and tag in _TEXTS:
            self._scanned.texts[tag] = "".join(self._texts)
        self._path.pop()

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            raise Damaged("it is in another encoding than UTF-8")

    @staticmethod
    def _refuse(name: str) -> Callable[..., None]:
        def handler(*_: object) -> None:
            raise Damaged(f"it has {name}")
        return handler
