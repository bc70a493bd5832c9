"""Kernel arguments of an image in image mode: files of /usr/lib/bootc/kargs.d.

bootc adds the arguments of all files, in the order of their names, to those of the machine, and
at each update what the new image has and the old one had not, and the reverse. It compares
whole arguments, so each element is one argument as it is in an entry of the boot loader
(parse_kargs_toml and get_kargs in bootc's crates/lib/src/bootc_kargs.rs). A file cannot remove an
argument.
"""
from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Collection, Dict, List

from ...system.entries import read_entry, write_entry
from ...system.limits import LOADER_ENTRY_BYTES
from ...system.paths import resolve_inside
from ..kit.placing import place_file
from .argument_syntax import Syntax
from .argument_text import Argument

FOLDER, FILE = "usr/lib/bootc/kargs.d", "50-node-plugins.toml"
PATH = f"{FOLDER}/{FILE}"
_END = ".toml"
_MODE = 0o644
_HEADER = "# Of Node plugins; dnf node-plugin remove takes their arguments away.\n"
# The beginning of the array that bootc reads, and what is in it: strings of TOML without line
# breaks, comments, blanks and commas.
_START = re.compile(r'^[ \t]*"?kargs"?[ \t]*=[ \t]*\[', re.MULTILINE)
_TOKEN = re.compile(r'[\s,]+|#[^\n]*|("(?:[^"\\\n]|\\[^\n])*"|' + r"'[^'\n]*')|\]")


def command_line(root: Path) -> str:
    """Return the arguments of plugins in ``root`` as one line, empty without any."""
    return " ".join(_arguments(root, FILE))


def write(root: Path, line: str, syntax: Syntax) -> None:
    """Write the arguments of plugins; the file is removed with the last of them."""
    words = [word.raw for word in syntax.words(line)]
    if words:
        strings = "".join(f"    {json.dumps(word)},\n" for word in words)
        place_file(root, FOLDER, FILE, f"{_HEADER}kargs = [\n{strings}]\n".encode(), mode=_MODE)
    elif read_entry(root, PATH, content=False) is not None:
        write_entry(root, PATH, None)


def remove_folders(root: Path, paths: Collection[str]) -> None:
    """Remove those of ``paths``, relative to ``root``, that are folders of the file and empty."""
    for path in (folder.as_posix() for folder in Path(PATH).parents):
        where = resolve_inside(root, path)
        if path in paths and where.is_dir() and not os.listdir(where):
            write_entry(root, path, None)


def of_the_image(argument: Argument, root: Path, syntax: Syntax) -> Dict[str, List[str]]:
    """Return the arguments of the image that ``argument`` replaces or removes, by their file."""
    folder = resolve_inside(root, FOLDER)
    names = sorted(os.listdir(folder)) if folder.is_dir() else ()
    found = {f"{FOLDER}/{name}": [word.text for text in _arguments(root, name)
                                  for word in syntax.words(text) if argument.matches(word.text)]
             for name in names if name.endswith(_END) and name != FILE}
    return {path: words for path, words in found.items() if words}


def _arguments(root: Path, name: str) -> List[str]:
    entry = read_entry(root, f"{FOLDER}/{name}", max_bytes=LOADER_ENTRY_BYTES)
    return elements((entry.content or b"").decode(errors="replace")) if entry is not None else []


def elements(text: str) -> List[str]:
    """Return the elements of ``kargs`` in a file of kargs.d, none if it is not of that form."""
    start = _START.search(text)
    strings: List[str] = []
    position = start.end() if start else len(text)
    while True:
        token = _TOKEN.match(text, position)
        if token is None:
            return []
        if token.group() == "]":
            return [_value(string) for string in strings]
        strings += [token.group(1)] if token.group(1) else []
        position = token.end()


def _value(string: str) -> str:
    """Return the value of a string of TOML; one with other escapes than JSON's is its text."""
    if string.startswith('"'):
        try:
            return str(json.loads(string))
        except ValueError:
            pass
    return string[1:-1]
