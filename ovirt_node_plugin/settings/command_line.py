"""The kernel's command line in a root's boot configuration, with what all plugins want.

In /etc/kernel/cmdline, from which kernel-install(8) makes the entries of kernels to come,
and in the entries that are there (Boot Loader Specification, ``options``). Files are
edited and never made: a root without any, such as an image that boots by its ISO's own
configuration, has the arguments in the record only.
"""
from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence, Tuple

from ..changes import Applied, Watch
from ..descriptor_settings import Setting
from ..files import Entry, read_entry, write_entry
from ..paths import resolve_inside
from .argument_text import Argument, decode, edited, restored
from .model import Context, Remnant, Wanted

_KERNEL, _CMDLINE = "etc/kernel", "cmdline"
_ENTRIES, _ENTRY = "boot/loader/entries", ".conf"
_KEY = "boot"
_ENCODING = "latin-1"  # whatever the bytes are, they come out again


@dataclass(frozen=True)
class CommandLine:
    """The kind ``command-line``: key ``boot``, value the plugin's arguments as codes."""

    name: str = "command-line"
    shared: bool = True
    derived: bool = True
    merged: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def check(self, wanted: Wanted, ctx: Context, *, mine: bool) -> None:
        """Nothing can be wrong: what is no regular file is passed over."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "present" if configurations(ctx.root) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(_KERNEL, _CMDLINE), Watch(_ENTRIES, f"*{_ENTRY}"))

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        arguments = _arguments([wanted.value])
        for path, text in configurations(ctx.root).items():
            _write(ctx.root, path, text, edited(text, arguments, entry=is_entry(path)))

    def remake(self, last: Remnant, ctx: Context) -> None:
        kept = _arguments(last.kept)
        gone = [argument for argument in _arguments(last.gone) if argument not in kept]
        for path, text in configurations(ctx.root).items():
            base = _text(last.bases.get(path))
            _write(ctx.root, path, text, restored(text, base, gone, kept, entry=is_entry(path)))

    def verify(self, applied: Applied, ctx: Context) -> Sequence[str]:
        return ()  # the kind kernel-argument looks for each of them


KIND = CommandLine()


def implied(wanted: Sequence[Wanted], ctx: Context) -> Tuple[Wanted, ...]:
    """Return the command line that kernel arguments among ``wanted`` make necessary."""
    codes = [one.value for one in wanted if one.kind == "kernel-argument"]
    if not codes:
        return ()
    found = configurations(ctx.root)
    where = ", ".join(f"/{path}" for path in found) or "the record only: no boot configuration"
    return (Wanted(KIND.name, _KEY, " ".join(codes),
                   f"write the kernel arguments to {where}", None),)


def configurations(root: Path) -> Dict[str, str]:
    """Return the text of each boot configuration by its path, relative, parents resolved."""
    found = {}
    for folder, names in ((_KERNEL, [_CMDLINE]), (_ENTRIES, sorted(_entries(root)))):
        resolved = resolve_inside(root, folder).relative_to(root).as_posix()
        for name in names:
            text = _text(read_entry(root, f"{resolved}/{name}"))
            if text is not None:
                found[f"{resolved}/{name}"] = text
    return found


def is_entry(path: str) -> bool:
    """Say if a boot configuration is an entry of the boot loader."""
    return path.endswith(_ENTRY)


def _entries(root: Path) -> Iterator[str]:
    folder = resolve_inside(root, _ENTRIES)
    if folder.is_dir():
        yield from (path.name for path in folder.iterdir() if path.name.endswith(_ENTRY))


def _arguments(values: Sequence[str]) -> Tuple[Argument, ...]:
    return tuple(decode(code) for value in values for code in value.split())


def _text(entry: Optional[Entry]) -> Optional[str]:
    """Return a regular file's text, None for anything else."""
    if entry is None or entry.kind != "file" or entry.content is None:
        return None
    return entry.content.decode(_ENCODING)


def _write(root: Path, path: str, old: str, new: str) -> None:
    entry = read_entry(root, path)
    if new == old or entry is None:
        return
    data = new.encode(_ENCODING)
    write_entry(root, path, dataclasses.replace(
        entry, content=data, digest=hashlib.sha256(data).hexdigest()))
