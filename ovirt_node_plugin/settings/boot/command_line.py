"""The kernel command line in a root's boot configuration, with the arguments of all plugins.

It is in /etc/kernel/cmdline, from which kernel-install(8) makes entries of new kernels, and
in existing entries (Boot Loader Specification, ``options``). Files are edited, never made:
a root without any, such as an image that boots by the configuration of its ISO, has the
arguments in the record only. In image mode they are in a file that bootc reads, and nowhere
else (``image_arguments``). On a running host with grubby(8), that is run too, as it
knows other places of its boot loader, except for arguments that GRUB needs quotes for: it is
a shell script that adds and removes by sed(1), without quotes.
"""
from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import Setting
from ...system.entries import Entry, read_entry, write_entry
from ...system.limits import (
    COMMAND_LINE_CHARACTERS,
    LOADER_ENTRIES_BYTES,
    LOADER_ENTRY_BYTES,
)
from ...system.paths import resolve_inside
from ...target import is_image_mode
from ...undo.changes import Applied, Watch
from ..kit.model import Context, DerivedRemoval, SettingProblem, Wanted
from . import image_arguments
from .argument_syntax import GRUB, KERNEL, Syntax
from .argument_text import (
    DROP,
    SET,
    Argument,
    command_line_length,
    decode,
    edited,
    join,
    restored,
    split,
    unsound_words,
)

_KERNEL, _CMDLINE = "etc/kernel", "cmdline"
_ENTRIES, _ENTRY = "boot/loader/entries", ".conf"
_KEY = "boot"
_GRUBBY = ("usr/sbin/grubby", "usr/bin/grubby")
# At least one of these is there if GRUB boots the root: its packages own them.
_GRUB_PATHS = ("etc/default/grub", "etc/grub.d", "boot/grub2", "boot/grub")
_LOADER_CHARACTERS = 128  # for what GRUB adds: BOOT_IMAGE= and the kernel's path
_ENCODING = "latin-1"  # keeps all bytes unchanged


@dataclass(frozen=True)
class CommandLine:
    """The kind ``command-line``: key is ``boot``, value the plugin's arguments as codes."""

    name: str = "command-line"
    shared: bool = True
    follows_content: bool = True
    merged: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the command line that kernel arguments among ``wanted`` imply."""
        codes = [setting.value for setting in wanted if setting.kind == "kernel-argument"]
        if not codes or is_image_mode(ctx.root) and all(
                decode(code).how == DROP for code in codes):
            return ()
        paths = configurations(ctx.root)
        places = (", ".join(f"/{path}" for path in paths)
                 or "the record only: no boot configuration in the root")
        return (Wanted(kind=self.name, key=_KEY, value=join(codes),
                       text=f"write the kernel arguments to {places}", item=None),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse arguments that cannot be written so that the kernel gets them."""
        arguments = _arguments([wanted.value])
        texts, syntax = configurations(ctx.root), syntax_of(ctx.root)
        unwritable = [argument.word for argument in arguments if not _is_for_grubby(argument)]
        if unwritable and _has_grubby(ctx) and not any(map(is_entry, texts)):
            raise Refused(
                f"the kernel argument {unwritable[0]} cannot be written: grubby(8), which writes"
                " the boot configuration of this host, does not quote it for GRUB",
                hint=f"Switch to boot loader entries in /{_ENTRIES} (grub2-switch-to-blscfg).")
        for path, text in texts.items():
            _check_text(path, text, arguments, syntax)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "present" if configurations(ctx.root) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        if is_image_mode(ctx.root):
            return (Watch(image_arguments.FOLDER, image_arguments.FILE),)
        return (Watch(_KERNEL, _CMDLINE), Watch(_ENTRIES, f"*{_ENTRY}"),
                *([Watch("etc/default", "grub")] if ctx.live else []))

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        arguments = _arguments([wanted.value])
        texts = configurations(ctx.root)
        syntax = syntax_of(ctx.root)
        new = {path: edited(text, arguments, entry=is_entry(path), syntax=syntax)
               for path, text in texts.items()}
        if new != texts:
            _by_grubby(ctx, add=[argument for argument in arguments if argument.how == SET],
                       drop=[argument for argument in arguments if argument.how == DROP])
        _write_all(ctx.root, new)

    def rebuild_without(self, removal: DerivedRemoval, ctx: Context) -> None:
        kept = _arguments(removal.kept)
        gone = [argument for argument in _arguments(removal.gone) if argument not in kept]
        texts = configurations(ctx.root)
        added = _added(gone, texts, removal.bases, ctx.root)
        syntax = syntax_of(ctx.root)
        new = {path: restored(text, _text(removal.bases.get(path)),
                              gone if path in removal.bases else added, kept,
                              entry=is_entry(path), syntax=syntax)
               for path, text in texts.items()}
        _by_grubby(ctx, drop=[argument for argument in added if argument.how != DROP])
        _write_all(ctx.root, new)
        image_arguments.remove_folders(ctx.root, [
            path for path, base in removal.bases.items() if base is None])

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return ()  # the kind kernel-argument verifies each argument


KIND = CommandLine()


def configurations(root: Path) -> Dict[str, str]:
    """Return the text of each boot configuration by its path relative to ``root``, resolved.

    In image mode, it is the command line in the file of the plugins' arguments, also if there
    is no such file yet.
    """
    if is_image_mode(root):
        return {image_arguments.PATH: image_arguments.command_line(root)}
    texts, size_bytes = {}, 0
    for folder, names in ((_KERNEL, [_CMDLINE]), (_ENTRIES, sorted(_entries(root)))):
        resolved = resolve_inside(root, folder).relative_to(root).as_posix()
        for name in names:
            text = _text(read_entry(root, f"{resolved}/{name}", max_bytes=LOADER_ENTRY_BYTES))
            size_bytes += len(text or "")
            if size_bytes > LOADER_ENTRIES_BYTES:
                raise Refused(f"the boot loader entries in /{resolved} in {root} have more than"
                              f" {LOADER_ENTRIES_BYTES} bytes",
                              hint="Remove those that are not needed.")
            if text is not None:
                texts[f"{resolved}/{name}"] = text
    return texts


def is_entry(path: str) -> bool:
    """Return whether a boot configuration is an entry of the boot loader."""
    return path.endswith(_ENTRY)


def syntax_of(root: Path) -> Syntax:
    """Return the syntax of the command lines in ``root``: GRUB's if GRUB may read them.

    That of /etc/kernel/cmdline is the same, as kernel-install(8) copies it to entries.
    """
    return GRUB if any(resolve_inside(root, path).exists() for path in _GRUB_PATHS) else KERNEL


def _check_text(path: str, text: str, arguments: Sequence[Argument], syntax: Syntax) -> None:
    """Raise Refused if the kernel would not get ``arguments`` from a boot configuration."""
    entry = is_entry(path)
    new = edited(text, arguments, entry=entry, syntax=syntax)
    remaining = unsound_words(new, entry=entry, syntax=syntax)
    for line, word in unsound_words(text, entry=entry, syntax=syntax):
        # a word with open quotes goes on with what was added; others may have been replaced
        if any(other.startswith(word) for _, other in remaining):
            raise Refused(f"/{path}, line {line}: the boot loader does not pass on {word} and"
                          " what follows, so kernel arguments cannot be added",
                          hint="Close its quotes, or put quotes around it, then try again.")
    length = command_line_length(new, entry=entry, syntax=syntax)
    most = COMMAND_LINE_CHARACTERS - _LOADER_CHARACTERS
    if length > most and length > command_line_length(text, entry=entry, syntax=syntax):
        raise Refused(f"/{path} would have kernel arguments of {length} characters, of which the"
                      f" kernel reads about {most}", hint="Remove arguments that are not needed.")


def _added(gone: Sequence[Argument], texts: Mapping[str, str],
           bases: Mapping[str, Optional[Entry]], root: Path) -> Sequence[Argument]:
    """Return those of ``gone`` that the system did not have before the first plugin.

    In a file that no plugin changed, what the system had is not known: it may be the entry
    of a later kernel. Such an entry is made from /etc/kernel/cmdline, so what that had counts.
    """
    if not bases:  # no plugin changed anything
        return ()
    path = f"{resolve_inside(root, _KERNEL).relative_to(root).as_posix()}/{_CMDLINE}"
    first = _text(bases[path]) if path in bases else texts.get(path)
    texts_before = [word.text for word in syntax_of(root).words(first or "")]
    return [argument for argument in gone if argument.token not in texts_before]


def _by_grubby(ctx: Context, *, add: Sequence[Argument] = (),
               drop: Sequence[Argument] = ()) -> None:
    """Run grubby(8) if it is there; its changes to our own files are overwritten.

    It replaces all arguments of one name.
    """
    if not _has_grubby(ctx):
        return
    words = [f"--{option}={' '.join(tokens)}" for option, tokens in (
        ("args", _for_grubby(add)), ("remove-args", _for_grubby(drop))) if tokens]
    if words:
        ctx.run(["grubby", "--update-kernel=ALL", *words])


def _has_grubby(ctx: Context) -> bool:
    """Return whether grubby(8) is there, and the host runs; it works on no other root."""
    return ctx.live and any((ctx.root / path).exists() for path in _GRUBBY)


def _is_for_grubby(argument: Argument) -> bool:
    return GRUB.write(argument.token) == argument.token


def _for_grubby(arguments: Sequence[Argument]) -> List[str]:
    return [argument.token for argument in arguments if _is_for_grubby(argument)]


def _entries(root: Path) -> Iterator[str]:
    folder = resolve_inside(root, _ENTRIES)
    if folder.is_dir():
        yield from (path.name for path in folder.iterdir() if path.name.endswith(_ENTRY))


def _arguments(values: Sequence[str]) -> Tuple[Argument, ...]:
    return tuple(argument for value in values for argument in split(value))


def _text(entry: Optional[Entry]) -> Optional[str]:
    """Return the text of a regular file, None for other entries."""
    if entry is None or entry.kind != "file" or entry.content is None:
        return None
    return entry.content.decode(_ENCODING)


def _write_all(root: Path, new: Mapping[str, str]) -> None:
    for path, text in new.items():
        if path == image_arguments.PATH:
            image_arguments.write(root, text, syntax_of(root))
            continue
        entry, data = read_entry(root, path), text.encode(_ENCODING)
        if entry is not None and entry.content != data:
            write_entry(root, path, dataclasses.replace(
                entry, content=data, digest=hashlib.sha256(data).hexdigest()))
