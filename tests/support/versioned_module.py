"""A kernel module file with the checksums of symbols, as a kernel with MODVERSIONS asks for."""
from __future__ import annotations

import struct
from typing import Mapping, Sequence

from . import kmod


def versioned_module(name: str, *, kernel: str, needs: Mapping[str, int],
                     exports: Sequence[str] = ()) -> bytes:
    """Return the file of a module that needs the symbols ``needs``, with their checksums.

    The other arguments are as in ``kmod.module_bytes``.
    """
    info = [f"name={name}", f"vermagic={kernel} SMP preempt mod_unload modversions "]
    symbols, names = bytes(24), b"\0"
    for symbol in needs:
        symbols += struct.pack("<IBBHQQ", len(names), 1 << 4, 0, 0, 0, 0)
        names += symbol.encode() + b"\0"
    versions = b"".join(struct.pack("<Q56s", checksum, symbol.encode())
                        for symbol, checksum in needs.items())
    return kmod._elf([
        kmod._Section("", 0, 0, b""),
        kmod._Section(".modinfo", 1, 2, kmod._strings(info)),
        kmod._Section("__ksymtab_strings", 1, 2, kmod._strings(exports)),
        kmod._Section("__versions", 1, 2, versions),
        kmod._Section(".symtab", 2, 0, symbols, link=5, info=1, entry_bytes=24),
        kmod._Section(".strtab", 3, 0, names)])
