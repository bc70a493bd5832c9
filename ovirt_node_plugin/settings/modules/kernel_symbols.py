"""The symbols that a kernel of a root and its modules export."""
from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import re
import zlib
from pathlib import Path
from typing import Dict, Iterable, Mapping, Optional

from ...errors import OutsideRoot
from ...system.limits import MODULE_INDEX_BYTES
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular

# Where packages of kernels have the list, in EL8 to EL10 and in packages for building modules.
_LISTS = ("{tree}/symvers", "{tree}/Module.symvers", "boot/symvers-{version}",
          "{tree}/build/Module.symvers")
_COMPRESSED = ("", ".gz", ".xz")
_MAPS = ("{tree}/System.map", "boot/System.map-{version}")
# Debian's packages have a map in which there is only a note.
_REAL_MAP = re.compile(rb"^[0-9a-f]+ T _s?text$", re.MULTILINE)
_EXPORTED = re.compile(rb"^[0-9a-f]+ \w __ksymtab_(\S+)$", re.MULTILINE)
_OF_MODULE = re.compile(rb"^alias symbol:(\S+) ", re.MULTILINE)
# xz -9 needs 65 MiB to decompress
_XZ_MEMORY_BYTES = 128 << 20

Symbols = Mapping[str, Optional[int]]
"""The checksums of symbols, None if unknown."""


def exported_symbols(version: str, tree: str, root: Path) -> Optional[Symbols]:
    """Return the symbols of the kernel ``version``, None if ``root`` has no list of them.

    ``tree`` is its module tree. Symbols of modules that are not the kernel's own have no
    checksums.
    """
    words = {"tree": tree, "version": version}
    of_modules = _read(f"{tree}/modules.symbols", root)
    symbols: Dict[str, Optional[int]] = {
        name.decode(): None for name in _OF_MODULE.findall(of_modules or b"")}
    for name in _LISTS:
        for end in _COMPRESSED:
            content = _read(name.format(**words) + end, root)
            if content:
                return {**symbols, **_listed(content.splitlines())}
    for name in _MAPS:
        content = _read(name.format(**words), root)
        if content and _REAL_MAP.search(content) and of_modules is not None:
            return {**symbols, **{symbol.decode(): None for symbol in _EXPORTED.findall(content)}}
    return None


def _listed(lines: Iterable[bytes]) -> Symbols:
    """Return the symbols in lines such as ``0xb352177e<TAB>printk<TAB>vmlinux<TAB>...``."""
    symbols: Dict[str, Optional[int]] = {}
    for line in lines:
        words = line.split()
        if len(words) > 2:
            with contextlib.suppress(ValueError):
                checksum = int(words[0], 16)
                symbols[words[1].decode(errors="replace")] = checksum or None
    return symbols


def _read(path: str, root: Path) -> Optional[bytes]:
    """Return the content of a file, decompressed; None if it cannot be read."""
    try:
        data = read_regular(resolve_inside(root, path), max_bytes=MODULE_INDEX_BYTES)
        if path.endswith(".gz"):
            with gzip.open(io.BytesIO(data)) as stream:
                return stream.read(MODULE_INDEX_BYTES)
        if path.endswith(".xz"):
            return lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES).decompress(
                data, max_length=MODULE_INDEX_BYTES)
    except (OSError, OutsideRoot, EOFError, lzma.LZMAError, zlib.error):
        return None
    return data
