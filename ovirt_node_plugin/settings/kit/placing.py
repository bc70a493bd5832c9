"""Write files of settings into a root, idempotently."""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NoReturn

from ...errors import CommandError, Refused
from ...plugin.bundle_files import is_bundle_file
from ...system.entries import read_entry, write_atomic
from ...system.paths import relative_inside, resolve_inside
from ...system.words import first_names
from .model import Context, Wanted

_MOST_NAMES = 10
_CORRECT = "Its vendor has to correct it."
_EXPOSED = "every user can read its copy"


def place_file(root: Path, folder: str, name: str, data: bytes, *, mode: int) -> None:
    """Write ``data`` to ``name`` in ``folder``, relative to ``root``, owned by root.

    Missing folders are made with mode 0755. A file that is equal already is not written.
    """
    entry = read_entry(root, f"{folder}/{name}")
    if entry is not None and (entry.kind, entry.mode, entry.uid, entry.gid, entry.content) == (
            "file", mode, 0, 0, data):
        return
    target = resolve_inside(root, folder)
    _make_folders(root, target)
    write_atomic(target / name, data, mode=mode, owner=(0, 0))


def check_source(wanted: Wanted, source: str, ctx: Context, *,
                 exposed: str = _EXPOSED) -> None:
    """Raise Refused unless ``source`` is a regular file of a package, or one of the bundle.

    One with a secret is refused, too, unless ``exposed``, the reason, is empty.
    """
    subject = f"plugin {ctx.plugin} wants to {wanted.text}, but"
    if is_bundle_file(source):
        if source not in ctx.bundle_files:
            raise _missing_in_bundle(subject, ctx)
        if exposed and source in ctx.secret_files:
            raise Refused(f"{subject} that file has a secret, and {exposed}",
                          hint="Its vendor has to put the secret into a file that only root"
                               " reads.")
        return
    mode = ctx.brings(source)
    if mode is None:
        raise Refused(f"{subject} none of the plugin's packages brings that file",
                      hint="Its vendor has to correct the source, or add the package.",
                      code="settings/source")
    if mode and not stat.S_ISREG(mode):
        raise Refused(f"{subject} that is not a regular file in the plugin's packages",
                      hint="Its vendor has to name the file itself as the source.",
                      code="settings/source")


def _missing_in_bundle(subject: str, ctx: Context) -> Refused:
    names = first_names(sorted(ctx.bundle_files), _MOST_NAMES)
    return Refused(f"{subject} its bundle has no such file; it has {names or 'no files/'}",
                   hint="Its vendor has to correct the source, or add the file.",
                   code="settings/source")


def check_own(wanted: Wanted, source: str, place: str, ctx: Context, *,
              exposed: str = _EXPOSED) -> None:
    """Raise Refused as ``check_source``, and if ``place`` is one of the plugin's own packages.

    That may be a file that is left out.
    """
    subject = f"plugin {ctx.plugin} wants to {wanted.text}, but"
    check_source(wanted, source, ctx, exposed=exposed)
    if ctx.brings(place) is not None:
        raise Refused(f"{subject} the plugin's own packages bring /{place}",
                      hint="Its vendor has to do one of the two, not both.",
                      code="settings/conflict")
    if any(relative_inside(ctx.root, path) == place for path in ctx.leavable.sizes
           if path.rpartition("/")[2] == place.rpartition("/")[2]):
        raise Refused(f"{subject} the plugin leaves out /{place} of its own packages",
                      hint="Its vendor has to give the file of the setting another name.",
                      code="settings/conflict")


def check_place(wanted: Wanted, place: str, ctx: Context, *, installed: bool) -> None:
    """Raise Refused if ``place``, relative to the root, exists and is not this plugin's."""
    if not installed and read_entry(ctx.root, place, content=False):
        refuse_others(wanted, place, ctx)


def refuse_others(wanted: Wanted, path: str, ctx: Context) -> None:
    """Raise Refused for the file ``path`` unless its plugins give it up in this transaction."""
    subject = f"plugin {ctx.plugin} wants to {wanted.text}, but"
    holder = ctx.held.get(relative_inside(ctx.root, path))
    if holder == "":
        return
    if holder:
        raise Refused(f"{subject} plugin {holder} has /{path}",
                      hint="The two do not go together; ask their vendors.")
    owner = ctx.facts.owner(path)
    if owner:
        raise Refused(f"{subject} {owner} has /{path}",
                      hint="The two do not go together; ask their vendors.")
    raise Refused(f"{subject} /{path} is there already and not a plugin's",
                  hint="Move that file away if it is not needed.")


def read_source(wanted: Wanted, source: str, ctx: Context) -> bytes:
    """Return the content of a source; refuse a link of a package, which could show another file.
    """
    if is_bundle_file(source):
        return ctx.bundle_files[source]
    entry = read_entry(ctx.root, source)
    if entry is None or entry.kind != "file" or entry.content is None:
        raise Refused(
            f"plugin {ctx.plugin} wants to {wanted.text}, but after its packages were installed"
            " that is not a regular file",
            hint="Its vendor has to name the file itself as the source.")
    return entry.content


def mode_of(source: str, ctx: Context, mode: int) -> int:
    """Return ``mode`` for the copy of a source, without the rights of others if it has a secret."""
    return mode & 0o700 if source in ctx.secret_files else mode


def refuse_by(checker: CommandError, subject: str, source: str, ctx: Context) -> NoReturn:
    """Raise Refused as a checker refuses a source; ``subject`` begins the message.

    What the checker printed can have a part of a secret, so it is neither shown nor the cause,
    which dnf.log would have.
    """
    secret = source in ctx.secret_files
    message = checker.message
    if secret:
        first = message.partition("\n")[0].rstrip(":")
        message = f"{first}; what it printed is not shown, as the file has a secret"
    raise Refused(f"{subject}: {message}", hint=checker.hint or _CORRECT) from (
        None if secret else checker)


def unsigned(source: str) -> str:
    """Return what the plan says of a source with code, or rules of access, that no package has."""
    return " (code of the bundle, which no signature covers)" if is_bundle_file(source) else ""


def _make_folders(root: Path, folder: Path) -> None:
    missing = []
    while folder != root and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        os.chmod(path, 0o755)  # whatever the umask
