"""What the files of packages say that settings need: units, sysusers, sysctl, ports."""
from __future__ import annotations

import re
import shlex
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

_LINE_CHARACTERS = 4096  # shlex needs time that grows with the square of a line
_ADDRESS = re.compile(r"(?:(\[[0-9A-Fa-f:.]{2,45}\]|[0-9.]{7,15}):)?([0-9]{1,5})")
_ACCOUNT_LINES = {"u": "user", "u!": "user", "g": "group"}


def sections(content: bytes) -> Dict[str, Dict[str, List[str]]]:
    """Return the values of each option in each section of a unit; systemd.syntax(7)."""
    found: Dict[str, Dict[str, List[str]]] = {}
    options: Dict[str, List[str]] = {}
    for line in _lines(content, "#;"):
        header = re.fullmatch(r"\[([^\]]+)\]", line)
        if header:
            options = found.setdefault(header[1], {})
        else:
            name, equals, value = line.partition("=")
            if equals:
                options.setdefault(name.strip(), []).append(value.strip())
    return found


def accounts(content: bytes) -> Iterator[Tuple[str, Mapping[str, str]]]:
    """Yield the element and the attributes for each account of a file for sysusers.d(5).

    Fields with specifiers are left out.
    """
    for line in _lines(content, "#"):
        words = _words(line)
        element = _ACCOUNT_LINES.get(words[0]) if words else None
        if element is None or len(words) < 2:
            continue
        number, group = _ids(words[2] if len(words) > 2 else "-")
        fields = {"name": words[1], "uid" if element == "user" else "gid": number}
        if element == "user":
            fields.update(zip(("gecos", "home", "shell"), words[3:6]), group=group)
        yield element, {name: value for name, value in fields.items()
                        if value and value != "-" and "%" not in value}


def listened_ports(content: bytes) -> Iterator[Tuple[str, str]]:
    """Yield port and protocol of each address of a unit, systemd.socket(5), but of local ones."""
    options = sections(content).get("Socket", {})
    for option, protocol in (("ListenStream", "tcp"), ("ListenDatagram", "udp")):
        for value in dict.fromkeys(options.get(option, ())):
            match = _ADDRESS.fullmatch(value)
            if match and not (match[1] or "").startswith(("127.", "[::1]")):
                yield match[2], protocol


def _ids(text: str) -> Tuple[str, str]:
    """Return the number of an account and its group, from ``500``, ``500:group`` or a path."""
    number, _, group = text.partition(":")
    return number if number.isdigit() else "", "" if group.isdigit() else group


def parameters(content: bytes) -> Iterator[Tuple[str, str]]:
    """Yield each kernel parameter of a file for sysctl.d(5) with its value."""
    for line in _lines(content, "#;"):
        name, equals, value = line.partition("=")
        if equals:
            yield name.strip().lstrip("-"), " ".join(value.split())


def module_names(content: bytes) -> Iterator[str]:
    """Yield the modules of a file for modules-load.d(5)."""
    for line in _lines(content, "#;"):
        yield line


def module_options(content: bytes) -> Iterator[Mapping[str, str]]:
    """Yield the attributes of settings for the lines of a file for modprobe.d(5)."""
    for line in _lines(content, "#"):
        words = line.split()
        if words[0] == "options" and len(words) > 2:
            yield {"name": words[1], "options": " ".join(words[2:])}
        elif words[0] == "blacklist" and len(words) == 2:
            yield {"name": words[1], "blacklist": "yes"}


def dracut_drivers(content: bytes) -> Iterator[Tuple[str, str]]:
    """Yield an element and a name for what a file for dracut.conf(5) adds to the initramfs."""
    elements = {"add_drivers": "initramfs-driver", "force_drivers": "initramfs-driver",
                "add_dracutmodules": "dracut-module", "force_add_dracutmodules": "dracut-module"}
    for line in _lines(content, "#"):
        match = re.fullmatch(r"(\w+)\+?=[\"']?([^\"']*)[\"']?", line)
        for name in match[2].split() if match and match[1] in elements else ():
            yield elements[match[1]] if match else "", name


def _lines(content: bytes, comments: str) -> Iterator[str]:
    text = content.decode("utf-8", "replace").replace("\\\n", " ")
    for line in map(str.strip, text.split("\n")):
        if line and line[0] not in comments and len(line) <= _LINE_CHARACTERS:
            yield line


def _words(line: str) -> Sequence[str]:
    try:
        return shlex.split(line)
    except ValueError:  # open quotes
        return line.split()


def install_problem(unit: str, content: bytes, units: Sequence[str]) -> Optional[str]:
    """Return why ``unit`` may not be enabled just so; None without [Install], empty if it may.

    ``units`` are those of the packages.
    """
    install = sections(content).get("Install")
    if install is None:
        return None
    if "@." in unit and not any(install.get("DefaultInstance", ())):
        return "It is a template: write the instance between @ and the dot."
    for option in ("Also", "Alias"):
        for name in " ".join(install.get(option, ())).split():
            if option == "Also" and name not in units:
                return (f"By Also= it enables {name} too, which no package here has: that unit"
                        " needs a <service> of its own before this one.")
    return ""
