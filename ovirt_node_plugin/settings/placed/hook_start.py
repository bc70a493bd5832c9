"""Whether the kernel can start a VDSM hook in a root, by its content: execve(2), env(1)."""
from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path
from typing import List

from ...errors import OutsideRoot
from ...system.paths import resolve_inside

_LINE_BYTES = 256  # of the first line, as the kernel reads it
_SEARCHED = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
"""The PATH of a service, systemd.exec(5); of the last two a root may have only one."""
_SPLITTING = re.compile(r"(?:-v?S|--split-string=?)\s*")
_ASSIGNMENT = re.compile(r"[^=/]+=")


def start_problem(data: bytes, root: Path) -> str:
    """Return why a file with the content ``data`` cannot be started in ``root``, or empty.

    Programs in ELF are not examined further.
    """
    if data.startswith(b"\x7fELF"):
        return ""
    if not data.startswith(b"#!"):
        return ("a byte order mark comes before its #!" if data.startswith(b"\xef\xbb\xbf#!")
                else "it does not begin with #! and the path of an interpreter")
    line = data[2:_LINE_BYTES].partition(b"\n")[0].decode("utf-8", "surrogateescape").strip(" \t")
    words = re.split("[ \t]+", line, maxsplit=1)
    interpreter, argument = words[0], words[1] if words[1:] else ""
    if not interpreter:
        return "it names no interpreter after #!"
    if b"\n" not in data[:_LINE_BYTES] and len(data) > _LINE_BYTES and not argument:
        return f"its first line is longer than {_LINE_BYTES} bytes, which the kernel cuts off"
    if line.endswith("\r"):
        return ("its lines end in CR LF, so that the kernel looks for an interpreter or argument"
                f" {line.split()[-1] + chr(13)!a}")
    if not interpreter.startswith("/"):
        return f"its interpreter {interpreter!a} is not an absolute path"
    if not _is_program(interpreter, root):
        return f"its interpreter {interpreter} is not a program of the root"
    return _env_problem(argument, root) if interpreter.endswith("/env") else ""


def _env_problem(argument: str, root: Path) -> str:
    """Return why env(1) cannot start the command in its one ``argument``, or empty."""
    splitting = _SPLITTING.match(argument)
    words = _command(argument[splitting.end():]) if splitting else [argument]
    command = words[0] if words else ""
    if not command or command.startswith("-") or _ASSIGNMENT.match(command):
        return ""  # an option of env, or an assignment: not known to fail
    if "/" in command:
        places = [command]
    else:
        places = [f"{folder}/{command}" for folder in _SEARCHED]
    if any(_is_program(place, root) for place in places):
        return ""
    hint = " (arguments after it need env -S)" if re.search(r"\s", command) else ""
    return f"its interpreter {command}, which env looks for, is not a program of the root{hint}"


def _command(text: str) -> List[str]:
    """Return the words of an argument of ``env -S`` from the command on."""
    try:
        words = shlex.split(text)
    except ValueError:
        return []
    while words and (words[0].startswith("-") or _ASSIGNMENT.match(words[0])):
        words = words[2:] if words[0] in ("-u", "-C") else words[1:]
    return words


def _is_program(path: str, root: Path) -> bool:
    try:
        info = os.lstat(resolve_inside(root, os.path.normpath(path)))
    except (OSError, OutsideRoot):
        return False
    return stat.S_ISREG(info.st_mode) and bool(info.st_mode & 0o111)
