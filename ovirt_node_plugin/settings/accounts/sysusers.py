"""Run systemd-sysusers(8) on a root, for one file of sysusers.d(5).

The files stay in the root: with them the system creates missing accounts again, with the same
ids. They are in ``/etc/sysusers.d``, in image mode in ``/usr/lib/sysusers.d``: there, each image
replaces them, and /etc/passwd is not replaced once the host changed it.
"""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import List, Sequence, Tuple

from ...errors import Refused
from ...system import account_files
from ...system.entries import read_entry, read_text, write_entry
from ...system.paths import resolve_inside
from ...system.run import require_program
from ...target import is_image_mode
from ...undo.changes import Watch
from ..kit.model import Context, leads_inside
from ..kit.placing import place_file

_FOLDER, _IMAGE_FOLDER = "etc/sysusers.d", "usr/lib/sysusers.d"
_ACCOUNTS = ("passwd", "group", "shadow", "gshadow")
_LOCK = ".pwd.lock"


def folder_in(root: Path) -> str:
    """Return the folder of the files in ``root``."""
    return _IMAGE_FOLDER if is_image_mode(root) else _FOLDER


def file_of(kind: str, name: str) -> str:
    """Return the name of the file for one setting."""
    return f"node-plugin-{kind}-{name}.conf"


def watches(root: Path, file: str) -> Tuple[Watch, ...]:
    """Return the paths that creating the account in ``file`` changes."""
    return (Watch(folder_in(root), file), *(Watch("etc", name) for name in (*_ACCOUNTS, _LOCK)))


def place(ctx: Context, file: str, *lines: str) -> None:
    """Write ``file`` with lines of sysusers.d(5)."""
    text = "\n".join(["# Of a Node plugin; dnf node-plugin remove takes it away.", *lines, ""])
    place_file(ctx.root, folder_in(ctx.root), file, text.encode(), mode=0o644)


def lines_of(ctx: Context, file: str) -> Tuple[str, ...]:
    """Return the lines that ``place`` wrote, none if the file is missing."""
    text = (read_text(ctx.root, f"{folder_in(ctx.root)}/{file}") or b"").decode(errors="replace")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


def run_sysusers(ctx: Context, file: str, *, lines: Sequence[str] = ()) -> None:
    """Create the accounts in ``file``, or, if it is ``-``, in ``lines``.

    Its backups of the account files are restored to their state before, as they would keep
    accounts that are undone later.

    Raises Refused if it would follow a link out of the root, as it is not in a chroot.
    """
    refuse_links(ctx)
    copies = {f"etc/{name}-": read_entry(ctx.root, f"etc/{name}-") for name in _ACCOUNTS}
    ctx.run(["systemd-sysusers", f"--root={ctx.root}", "--", file],
            stdin="".join(f"{line}\n" for line in _beside_base(lines, ctx.root)).encode())
    for path, entry in copies.items():
        write_entry(ctx.root, path, entry)


def _beside_base(lines: Sequence[str], root: Path) -> List[str]:
    """Return lines without accounts of the base image, and with numbers that these do not have."""
    base = {"u": account_files.base_names(root, "passwd"),
            "g": account_files.base_names(root, "group")}
    if not any(base.values()):
        return list(lines)
    result: List[str] = []
    taken: List[str] = []
    for line in lines:
        words = line.split(None, 3)
        kind = words[0][:1]
        if len(words) > 1 and words[1] in base.get(kind, ()):
            continue
        number, colon, group = (words[2:3] or ["-"])[0].partition(":")
        if len(words) > 1 and kind in base and number == "-":
            taken.append(account_files.free_number(root, taken=taken))
            line = " ".join([*words[:2], taken[-1] + colon + group, *words[3:]])
        result.append(line)
    return result


def check_root(ctx: Context) -> None:
    """Raise Refused as ``run_sysusers`` does, and CommandError if the program is missing."""
    refuse_links(ctx)
    require_program("systemd-sysusers")


def refuse_links(ctx: Context) -> None:
    """Raise Refused if an account file or the folder leads out of the root by a link."""
    for path in ("etc", folder_in(ctx.root), *(f"etc/{name}" for name in (*_ACCOUNTS, _LOCK))):
        if not leads_inside(ctx.root, path) or resolve_inside(ctx.root, path) == ctx.root:
            raise Refused(
                f"/{path} in {ctx.root} leads elsewhere by a symbolic link; systemd-sysusers"
                " would write outside the root", hint="Replace that link by a real file or folder.")
    for name in _ACCOUNTS:
        file = resolve_inside(ctx.root, f"etc/{name}", follow_last=False)
        if os.path.lexists(file) and not stat.S_ISREG(os.lstat(file).st_mode):
            raise Refused(f"/etc/{name} in {ctx.root} is not a regular file",
                          hint="Replace it by the file itself.")
