"""Read the file of a kernel module: the symbols that it needs and exports, and its vermagic.

The file is untrusted, and read before its package is accepted. So this does not run modinfo(8).
"""
from __future__ import annotations

import gzip
import io
import lzma
import struct
import zlib
from dataclasses import dataclass
from typing import (
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

from ...system.limits import MODULE_BYTES, MODULE_SYMBOLS

# elf(5): the class and byte order, a section without a place in the file, bindings of symbols
_64_BIT, _ORDERS = 2, {1: "<", 2: ">"}
_NOBITS = 8
_GLOBAL = 1
_HEADER, _SECTION, _SYMBOL = "16sHHIQQQIHHHHHH", "IIQQQQIIQQ", "IBBHQQ"
# struct modversion_info of the kernel's include/linux/module.h
_VERSION = "Q56s"
# KSYM_NAME_LEN of its kallsyms.h, with the zero at the end
_NAME_BYTES = 512
_VERSIONS = ("__versions", "__version_ext_crcs")


class BadModule(ValueError):
    """A file that is no kernel module, or is damaged."""


class _ElfSection(NamedTuple):
    """A section: its data, and the number of its string table."""

    data: memoryview
    link: int


@dataclass(frozen=True)
class ModuleFile:
    """What a module needs and offers.

    ``vermagic`` is the text that the kernel compares with its own; its first word is the version
    of the kernel for which it was built. ``needs`` are the symbols that it takes from the kernel
    and other modules, with the checksums that they had when it was built, None if unknown. If it
    is ``versioned``, it has such checksums, and the kernel's version may be another one.
    """

    vermagic: str
    needs: Mapping[str, Optional[int]]
    exports: FrozenSet[str]
    versioned: bool


def read_module(name: str, data: bytes) -> Optional[ModuleFile]:
    """Return what the module of the file ``name`` needs and offers.

    Returns None if it is compressed by zstd or larger than MODULE_BYTES. Raises BadModule for
    a file that is no module of a 64-bit kernel.
    """
    try:
        plain = _plain(name, data)
        return _parsed(plain) if plain is not None else None
    except (struct.error, EOFError, OSError, lzma.LZMAError, zlib.error, LookupError,
            OverflowError, ValueError) as exc:
        raise BadModule(f"it is no kernel module: {exc}") from exc


def read_modules(contents: Iterable[Tuple[str, bytes]]) -> Dict[str, Union[ModuleFile, BadModule]]:
    """Return the modules of which ``contents`` are path and content, by path.

    Those that ``read_module`` does not read are left out, and all after MODULE_SYMBOLS symbols.
    """
    modules: Dict[str, Union[ModuleFile, BadModule]] = {}
    symbols = 0
    for path, data in contents:
        try:
            module = read_module(path, data)
        except BadModule as exc:
            modules[path] = exc
            continue
        if module is None:
            continue
        symbols += len(module.needs) + len(module.exports)
        if symbols > MODULE_SYMBOLS:
            break
        modules[path] = module
    return modules


def _plain(name: str, data: bytes) -> Optional[bytes]:
    if name.endswith(".zst"):
        return None
    if name.endswith(".gz"):
        with gzip.open(io.BytesIO(data)) as stream:
            data = stream.read(MODULE_BYTES + 1)
    elif name.endswith(".xz"):
        data = lzma.LZMADecompressor(memlimit=2 * MODULE_BYTES).decompress(
            data, max_length=MODULE_BYTES + 1)
    return data if len(data) <= MODULE_BYTES else None


def _parsed(data: bytes) -> ModuleFile:
    if data[:4] != b"\x7fELF" or data[4] != _64_BIT or data[5] not in _ORDERS:
        raise ValueError("not ELF of 64 bits")
    order = _ORDERS[data[5]]
    sections = _sections(memoryview(data), order)
    versions = _versions(sections, order)
    needs: Dict[str, Optional[int]] = dict(versions)  # module_layout is in no other table
    exports = set(_strings(sections.get("__ksymtab_strings")))
    for name, binding, section in _symbols(sections, order):
        if not section and binding == _GLOBAL and name:
            needs[name] = versions.get(name)
        elif name.startswith("__ksymtab_"):
            exports.add(name[len("__ksymtab_"):])
    vermagic = next((text for text in _strings(sections.get(".modinfo"))
                     if text.startswith("vermagic=")), "")
    return ModuleFile(vermagic.partition("=")[2].strip(), needs, frozenset(exports),
                      versioned=not sections.keys().isdisjoint(_VERSIONS))


def _sections(data: memoryview, order: str) -> Mapping[str, _ElfSection]:
    """Return the sections by name, and by number, as text."""
    header = struct.unpack_from(order + _HEADER, data)
    start, size, count, names_number = header[6], header[11], header[12], header[13]
    table: List[Tuple[int, ...]] = [
        struct.unpack_from(order + _SECTION, data, start + size * number)
        for number in range(count)]
    parts = [_ElfSection(data[:0] if entry[1] == _NOBITS else data[entry[4]:entry[4] + entry[5]],
                      entry[6]) for entry in table]
    names = bytes(parts[names_number].data)
    sections: Dict[str, _ElfSection] = {}
    for number, (entry, part) in enumerate(zip(table, parts)):
        sections.setdefault(_text_at(names, entry[0]), part)
        sections[str(number)] = part
    return sections


def _symbols(sections: Mapping[str, _ElfSection], order: str) -> Iterator[Tuple[str, int, int]]:
    """Yield name, binding and number of the section of each symbol, 0 for one that is needed."""
    table = sections.get(".symtab")
    if table is None:
        return
    if len(table.data) > MODULE_SYMBOLS * struct.calcsize(order + _SYMBOL):
        raise ValueError("too many symbols")
    names = bytes(sections[str(table.link)].data)
    for offset, info, _, section, _, _ in struct.iter_unpack(order + _SYMBOL, table.data):
        yield _text_at(names, offset), info >> 4, section


def _versions(sections: Mapping[str, _ElfSection], order: str) -> Mapping[str, int]:
    """Return the checksums of the symbols that the module needs.

    The kernel since 6.14 has names that are too long for the first table in further sections.
    """
    versions: Dict[str, int] = {}
    table = sections.get("__versions")
    if table is not None:
        for checksum, name in struct.iter_unpack(order + _VERSION, table.data):
            versions[name.partition(b"\0")[0].decode(errors="replace")] = checksum & 0xFFFFFFFF
    checksums = sections.get("__version_ext_crcs")
    if checksums is not None:
        values = struct.iter_unpack(order + "I", checksums.data)
        for name, (checksum,) in zip(_strings(sections.get("__version_ext_names")), values):
            versions[name] = checksum
    return versions


def _strings(section: Optional[_ElfSection]) -> List[str]:
    content = bytes(section.data) if section is not None else b""
    if content.count(b"\0") > MODULE_SYMBOLS:
        raise ValueError("a section has too many texts")
    return [text.decode(errors="replace") for text in content.split(b"\0") if text]


def _text_at(table: bytes, offset: int) -> str:
    return table[offset:table.index(b"\0", offset, offset + _NAME_BYTES)].decode(errors="replace")
