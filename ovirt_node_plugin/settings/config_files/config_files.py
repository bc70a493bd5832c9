"""Files of configuration: one in a drop-in folder of a program that the root has.

The program of the root checks the content before it is written, as far as a checker exists
that judges this file only; ``config-folders.conf`` says which.
"""
from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence, Tuple

from ...errors import CommandError, Refused
from ...plugin.settings import ConfigFile, Setting
from ...system.entries import read_entry
from ...system.limits import CONFIG_FILE_BYTES
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular
from ...system.words import size
from ...undo.changes import Applied, Watch
from ..kit.model import Context, Reader, SettingProblem, Wanted, changed_since
from ..kit.placing import (
    check_own,
    check_place,
    mode_of,
    place_file,
    read_source,
    refuse_by,
)
from ..kit.programs import brings_program, has_program
from ..services import running_units
from . import folders
from .folders import ConfigFolder


@dataclass(frozen=True)
class ConfigFiles:
    """The kind ``config-file``: key is ``FOLDER/NAME``, value the source.

    ``site`` is the folder of the site's lists, on the machine that runs.
    """

    site: Path = folders.SITE
    name: str = "config-file"
    shared: bool = False
    follows_content: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, ConfigFile):
            return ()
        key = f"{item.folder}/{item.name}"
        folder = folders.read_folders(self.site).get(item.folder)
        if folder is None:
            text = f"install configuration {key} from {item.source}"
        else:
            warns = f", which {folder.warns}" if folder.warns else ""
            text = (f"install {folder.title} /{'/'.join(_place(folder, item.name, ctx))}"
                    f" from {item.source}{warns}")
        return (Wanted(kind=self.name, key=key, value=item.source, text=text, item=item,
                       notes=tuple(_notes(item, folder, ctx)),
                       danger=folder is not None and bool(folder.warns)),)

    def check_alone(self, wanted: Wanted, ctx: Context) -> None:
        """Refuse an unknown or closed folder, a bad name, and a source that no package has."""
        folder, name = self._folder(wanted, ctx)
        _check_name(wanted, folder, name, ctx)
        check_own(wanted, wanted.value, "/".join(_place(folder, name, ctx)), ctx,
                  exposed="" if folder.secret else (
                      f"the list of folders does not say that only root reads {folder.id}"))

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a file that its program would not read."""
        folder, name = self._folder(wanted, ctx)
        if not any(_is_there(path, ctx) or ctx.brings(path) is not None for path in folder.needs):
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but the root has nothing"
                          f" that reads it: there is no {' or '.join(folder.needs)}",
                          hint="Install the program first, or limit the setting by <when>.")
        _check_read(wanted, folder, ctx)
        check_place(wanted, "/".join(_place(folder, name, ctx)), ctx, installed=installed)
        data = ctx.planned(wanted.value)
        if data is not None:
            _check_content(wanted, folder, data, ctx, later=True)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        folder, name = self._folder(wanted, ctx)
        entry = read_entry(ctx.root, "/".join(_place(folder, name, ctx)), content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        folder, name = self._folder(wanted, ctx)
        return (Watch(*_place(folder, name, ctx)),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        folder, name = self._folder(wanted, ctx)
        _check_read(wanted, folder, ctx)
        data = read_source(wanted, wanted.value, ctx)
        _check_content(wanted, folder, data, ctx)
        place_file(ctx.root, *_place(folder, name, ctx), data,
                   mode=mode_of(wanted.value, ctx, folder.mode))

    def content(self, wanted: Wanted, ctx: Context) -> str:
        """Return the content as it is shown, "" for one that is not known."""
        data = ctx.shown_files.get(wanted.value, ctx.package_files.get(wanted.value, b""))
        return data.decode("utf-8", "backslashreplace")

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return changed_since(applied, ctx)

    def _folder(self, wanted: Wanted, ctx: Context) -> Tuple[ConfigFolder, str]:
        """Return the folder and the name of a file, or refuse a folder that is not open."""
        identifier, _, name = wanted.key.partition("/")
        known = folders.read_folders(self.site)
        subject = f"plugin {ctx.plugin} wants to {wanted.text}, but"
        if identifier not in known:
            raise Refused(f"{subject} the list of folders has no {identifier}; it has"
                          f" {', '.join(folders.names(known))}",
                          hint="node-plugin.xml(5) lists them. A site adds its own in"
                               f" {self.site}/*.conf.")
        folder = known[identifier]
        if folder.closed:
            raise Refused(f"{subject} this site lets no plugin put files there:"
                          f" {folder.origin} closes the folder {identifier}",
                          hint="Ask the administrator of the site, or leave the plugin out.")
        return folder, name


KIND = ConfigFiles()


def _readers() -> Iterator[Reader]:
    """Yield a reader for each built-in folder that a running unit has to read again."""
    for folder in folders.built_in():
        if folder.unit:
            command = folder.live or ("systemctl", "reload", "--", folder.unit)
            yield Reader(f"config-file {folder.id}", tuple(
                path.lstrip("/") for path in folder.paths), f"let {folder.unit} read again",
                functools.partial(_read_again, folder.unit, command))


def _read_again(unit: str, command: Sequence[str], ctx: Context) -> None:
    if running_units.state(unit, ctx) == running_units.ACTIVE:
        ctx.run(command)


READERS = tuple(_readers())


def _place(folder: ConfigFolder, name: str, ctx: Context) -> Tuple[str, str]:
    """Return the folder, relative to the root, and the name of the file there."""
    path, file = f"{_path(folder, ctx)}/{folder.file.format(name=name)}".rsplit("/", 1)
    return path.lstrip("/"), file


def _path(folder: ConfigFolder, ctx: Context) -> str:
    """Return the one of the folder's paths that is read, else exists, else the last."""
    texts = _main_texts(folder, ctx).values()
    read = [path for path in folder.paths if any(folder.reads(path, text) for text in texts)]
    there = [path for path in folder.paths if _is_there(path, ctx)]
    return (*read, *there, folder.paths[-1])[0]


def _main_texts(folder: ConfigFolder, ctx: Context) -> Dict[str, str]:
    """Return the main configuration that exists in the root, by absolute path."""
    texts = {}
    for path in folder.read_by:
        place = resolve_inside(ctx.root, path)
        if place.is_file():
            try:
                data = read_regular(place)
            except OSError as exc:
                raise Refused(f"/{place.relative_to(ctx.root)} cannot be read: {exc.strerror}",
                              hint=f"Correct that file: it says whether {folder.title} is read."
                              ) from exc
            texts[path] = data.decode(errors="replace")
    return texts


def _check_name(wanted: Wanted, folder: ConfigFolder, name: str, ctx: Context) -> None:
    subject = f"plugin {ctx.plugin} wants to {wanted.text}, but"
    if not folder.names.fullmatch(name):
        raise Refused(f"{subject} a file of that name is not read: the name must match"
                      f" {folder.names.pattern} ({folder.source})",
                      hint="Its vendor has to correct the name.")
    if name in folder.refused:
        raise Refused(f"{subject} {name} is a name of the system's own",
                      hint="Its vendor has to use a name of the plugin's own.")


def _check_read(wanted: Wanted, folder: ConfigFolder, ctx: Context) -> None:
    """Refuse a folder that the program's main configuration does not name."""
    texts = _main_texts(folder, ctx)
    if texts and not any(folder.reads(path, text) for text in texts.values()
                         for path in folder.paths):
        raise Refused(
            f"plugin {ctx.plugin} wants to {wanted.text}, but nothing would read it: no line of"
            f" {' or '.join(texts)} names {' or '.join(folder.paths)}",
            hint=f"Add that line first, as {folder.source} describes.")


def _check_content(wanted: Wanted, folder: ConfigFolder, data: bytes, ctx: Context, *,
                   later: bool = False) -> None:
    """Raise Refused for content that cannot be shown, or that the program's checker refuses.

    With ``later``, a checker that the plugin's packages bring is left out: the one in the root,
    if there is one, may be older.
    """
    subject = f"plugin {ctx.plugin} wants to {wanted.text}, but"
    if len(data) > CONFIG_FILE_BYTES:
        raise Refused(f"{subject} the file is larger than {size(CONFIG_FILE_BYTES)}",
                      hint="A file of configuration is shown as a whole, so it has to be small.")
    try:
        zero = "\0" in data.decode("utf-8")
    except UnicodeDecodeError:
        zero = True
    if zero:
        raise Refused(f"{subject} the file is not text in UTF-8",
                      hint="Its vendor has to correct it.")
    if not folder.check or (later and brings_program(folder.check[0], ctx)):
        return
    if not has_program(folder.check[0], ctx):
        if folder.origin == folders.BUILT_IN:
            return  # a note of the plan says that nothing checks it
        raise Refused(f"{subject} the root does not have {folder.check[0]}, which checks it as"
                      f" {folder.origin} says",
                      hint="Install it in the root first, or correct the list.")
    try:
        ctx.in_root(*folder.check, stdin=data)
    except CommandError as exc:
        # the last line only: others can have words of the file
        last = exc.output.rstrip().split("\n")[-1].strip()
        if not (folder.accept and re.fullmatch(folder.accept, last)):
            refuse_by(exc, f"{subject} {folder.check[0]} refuses the file", wanted.value, ctx)


def _notes(item: ConfigFile, folder: Optional[ConfigFolder], ctx: Context) -> Iterator[str]:
    """Yield lines for a plan about what it cannot show."""
    if item.source.startswith("/") and item.source not in ctx.package_files:
        yield (f"the content of {item.folder}/{item.name} is in a package that was not read, so it"
               " is checked only when that is installed")
    if folder is None or folder.plain:
        return
    if not folder.check:
        yield f"no program checks the syntax of {item.folder}/{item.name} before it is read"
    elif not has_program(folder.check[0], ctx) and not brings_program(folder.check[0], ctx):
        yield (f"the root has no {folder.check[0]}, so nothing checks the syntax of"
               f" {item.folder}/{item.name} before it is read")


def _is_there(path: str, ctx: Context) -> bool:
    return resolve_inside(ctx.root, path).exists()
