"""A kernel module file without a compiler: the ELF that depmod and modinfo read.

Run as a program by the specs; a name that ends in .xz is compressed as kernel
packages do it.
"""
from __future__ import annotations

import argparse
import lzma
import struct
from pathlib import Path
from typing import List, NamedTuple, Sequence

# Values of elf(5); the module is for x86_64, which neither depmod nor modinfo asks.
_ET_REL, _EM_X86_64, _EV_CURRENT = 1, 62, 1
_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB = 1, 2, 3
_SHF_ALLOC = 2
_STB_GLOBAL = 1 << 4
_HEADER_BYTES, _SECTION_BYTES, _SYMBOL_BYTES = 64, 64, 24


class _Section(NamedTuple):
    name: str
    type: int
    flags: int
    data: bytes
    link: int = 0     # of a symbol table: the number of its string table
    info: int = 0     # of a symbol table: the number of its first global symbol
    entry_bytes: int = 0


def module_bytes(name: str, *, kernel: str, exports: Sequence[str] = (),
                 needs: Sequence[str] = (), fields: Sequence[str] = ()) -> bytes:
    """Return a relocatable ELF64 file that depmod(8) and modinfo(8) take for a module.

    ``kernel`` is the release as in /lib/modules; ``exports`` are the symbols it
    offers, ``needs`` those it takes from others (what ``modules.dep`` is made of);
    ``fields`` are further ``key=value`` lines of its .modinfo section.
    """
    info = ["license=GPL", f"name={name}", f"vermagic={kernel} SMP preempt mod_unload modversions ",
            *fields]
    names = b"\0" + _strings(needs)
    symbols = bytes(_SYMBOL_BYTES)
    offset = 1
    for symbol in needs:
        symbols += struct.pack("<IBBHQQ", offset, _STB_GLOBAL, 0, 0, 0, 0)
        offset += len(symbol) + 1
    return _elf([
        _Section("", 0, 0, b""),
        _Section(".modinfo", _SHT_PROGBITS, _SHF_ALLOC, _strings(info)),
        _Section("__ksymtab_strings", _SHT_PROGBITS, _SHF_ALLOC, _strings(exports)),
        _Section(".symtab", _SHT_SYMTAB, 0, symbols, link=4, info=1, entry_bytes=_SYMBOL_BYTES),
        _Section(".strtab", _SHT_STRTAB, 0, names),
    ])


def _strings(values: Sequence[str]) -> bytes:
    return b"".join(value.encode() + b"\0" for value in values)


def _elf(sections: List[_Section]) -> bytes:
    """Lay the sections out after the header, and their table after them."""
    sections = [*sections, _Section(".shstrtab", _SHT_STRTAB, 0, b"")]
    labels = _strings([section.name for section in sections])
    sections[-1] = sections[-1]._replace(data=labels)
    body, table = b"", b""
    label = 0
    for section in sections:
        body += bytes(-len(body) % 8)
        offset = _HEADER_BYTES + len(body) if section.type else 0
        table += struct.pack("<IIQQQQIIQQ", label, section.type, section.flags, 0, offset,
                             len(section.data), section.link, section.info,
                             8 if section.type else 0, section.entry_bytes)
        body += section.data
        label += len(section.name) + 1
    body += bytes(-len(body) % 8)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bits, little endian, version 1
    return ident + struct.pack(
        "<HHIQQQIHHHHHH", _ET_REL, _EM_X86_64, _EV_CURRENT, 0, 0, _HEADER_BYTES + len(body), 0,
        _HEADER_BYTES, 0, 0, _SECTION_BYTES, len(sections), len(sections) - 1) + body + table


def main() -> None:
    """Write the one file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--exports", default="", help="symbols, separated by commas")
    parser.add_argument("--needs", default="", help="symbols, separated by commas")
    parser.add_argument("--alias", action="append", default=[])
    parser.add_argument("--firmware", action="append", default=[])
    parser.add_argument("--parameter", action="append", default=[])
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    fields = [f"alias={alias}" for alias in options.alias]
    fields += [f"firmware={name}" for name in options.firmware]
    fields += [f"parmtype={name}:charp" for name in options.parameter]
    data = module_bytes(
        options.path.name.split(".")[0].replace("-", "_"), kernel=options.kernel,
        exports=options.exports.split(",") if options.exports else (),
        needs=options.needs.split(",") if options.needs else (), fields=fields)
    if options.path.suffix == ".xz":
        # The kernel's own decompressor knows no other checksum.
        data = lzma.compress(data, check=lzma.CHECK_CRC32)
    options.path.parent.mkdir(parents=True, exist_ok=True)
    options.path.write_bytes(data)


if __name__ == "__main__":
    main()
