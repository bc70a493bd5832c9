"""Addresses and names of hosts in descriptors and values (RFC 1123)."""
from __future__ import annotations

import re
import socket

_LABEL = re.compile("[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_HOSTNAME_CHARACTERS = 253  # RFC 1123 2.1, RFC 1035 3.1


def is_address(text: str) -> bool:
    """Return whether ``text`` is an IPv4 or IPv6 address, without the zone of a machine.

    It is judged by inet_pton(3), as programs that read it do. ipaddress of Python before 3.9.5
    takes ``010.0.0.1``, which some programs read as octal numbers.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):  # ValueError: a NUL, or what is not UTF-8
            continue
        return True
    return False


def is_hostname(text: str) -> bool:
    """Return whether ``text`` is the name of a host, which cannot be read as an address."""
    labels = text.split(".")
    return (len(text) <= _HOSTNAME_CHARACTERS and all(map(_LABEL.fullmatch, labels))
            and not labels[-1].isdigit())
