"""The parameters of a plugin: their types, and the references to them in files of the bundle.

A reference is ``@NAME@``; ``@@`` is one ``@``; every other ``@`` is itself. A value is one
printable line, so it cannot add a line to a file.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, Mapping, Match, Tuple

from ..system.limits import PARAMETER_CHARACTERS
from .addresses import is_address, is_hostname

TEXT, INTEGER, PORT, ADDRESS, HOSTNAME, CHOICE, SECRET = (
    "text", "integer", "port", "address", "hostname", "choice", "secret")
_NAME = "[a-z][a-z0-9_-]{0,62}"
_REFERENCE = re.compile(f"@(?:@|({_NAME})@)".encode())
_INTEGER = re.compile("-?(?:0|[1-9][0-9]{0,17})")


@dataclass(frozen=True)
class Parameter:
    """A value that a plugin is installed with.

    ``type`` is one of the constants above. ``default`` is a valid value, if ``required`` is
    false. ``choices`` are the values of a CHOICE. ``least`` and ``most`` are bounds of an INTEGER
    or a PORT, empty for none. ``meaning`` is a text for people in one line.
    """

    name: str
    type: str
    default: str = ""
    required: bool = True
    choices: Tuple[str, ...] = ()
    least: str = ""
    most: str = ""
    meaning: str = ""

    @property
    def secret(self) -> bool:
        """Whether its value is never shown nor recorded."""
        return self.type == SECRET

    @property
    def expected(self) -> str:
        """What its values are, as text for people."""
        bounds = " ".join(filter(None, (
            f"from {self.least}" if self.least else "", f"up to {self.most}" if self.most else "")))
        line = f"one line of at most {PARAMETER_CHARACTERS} printable characters"
        return {TEXT: f"a text, {line}", INTEGER: f"an integer {bounds}".rstrip(),
                PORT: f"a port {bounds or 'from 1 to 65535'}", ADDRESS: "an IPv4 or IPv6 address",
                HOSTNAME: "a hostname", CHOICE: f"one of {', '.join(self.choices)}",
                SECRET: f"a secret, {line}, not empty"}[self.type]

    def accepts(self, value: str) -> bool:
        """Return whether ``value`` is valid."""
        return (len(value) <= PARAMETER_CHARACTERS and value.isprintable()
                and TYPES[self.type](self, value))


def names_in(content: bytes) -> Iterator[Tuple[str, int]]:
    """Yield the name and the line, from 1, of each reference in ``content``."""
    line, place = 1, 0
    for match in _REFERENCE.finditer(content):
        line += content.count(b"\n", place, match.start())
        place = match.start()
        if match[1]:
            yield match[1].decode(), line


def replaced(content: bytes, values: Mapping[str, str]) -> bytes:
    """Return ``content`` with the value of each reference that ``values`` have."""
    def replacement(match: Match[bytes]) -> bytes:
        if not match[1]:
            return b"@"
        value = values.get(match[1].decode())
        return match[0] if value is None else value.encode()

    return _REFERENCE.sub(replacement, content)


def _is_integer(parameter: Parameter, value: str) -> bool:
    return (_INTEGER.fullmatch(value) is not None and value != "-0"
            and (not parameter.least or int(value) >= int(parameter.least))
            and (not parameter.most or int(value) <= int(parameter.most)))


def _is_port(parameter: Parameter, value: str) -> bool:
    return _is_integer(parameter, value) and 1 <= int(value) <= 65535


TYPES: Dict[str, Callable[[Parameter, str], bool]] = {
    TEXT: lambda parameter, value: True,
    INTEGER: _is_integer,
    PORT: _is_port,
    ADDRESS: lambda parameter, value: is_address(value),
    HOSTNAME: lambda parameter, value: is_hostname(value),
    CHOICE: lambda parameter, value: value in parameter.choices,
    SECRET: lambda parameter, value: bool(value),
}
