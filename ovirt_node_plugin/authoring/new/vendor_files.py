"""Files in a vendor's own folders that a setting could put where they take effect.

A name such as ``60-acme.rules`` is only a hint, so the content is looked at too. What is found
is never certain: a vendor may have such files for other uses.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator, Mapping, Optional, Pattern

from ...settings.certificates import pem
from ...system import x509
from ...system.words import printable
from .file_roles import merged
from .suggestions import Suggestion, setting

_FOLDERS = r"(?:opt|usr/(?:share|libexec|lib|lib64|local)|etc|var/lib)/(?:.+/)?"
_MOST_CERTIFICATES = 10  # more are a store of a program, as Python's certifi has it


@dataclass(frozen=True)
class _Form:
    """Files whose path is ``place`` and which have a line that ``line`` finds."""

    element: str
    what: str
    place: Pattern[str]
    line: Optional[Pattern[bytes]] = None


def _form(element: str, what: str, name: str, line: bytes = b"") -> _Form:
    return _Form(element, what, re.compile(f"{_FOLDERS}(?P<name>{name})"),
                 re.compile(line, re.MULTILINE) if line else None)


_FORMS = (
    _form("udev-rules", "rules of udev", r"[0-9][0-9]-[^/]+\.rules",
          rb"^[ \t]*(?:ACTION|SUBSYSTEMS?|KERNELS?|DRIVERS?|ATTRS?\{[^}\n]{1,99}\}"
          rb"|ENV\{[^}\n]{1,99}\})[ \t]*[!=]="),
    _form("multipath-config", "a configuration of multipathd", r"[^/]*multipath[^/]*\.conf",
          rb"^[ \t]*(?:defaults|blacklist|blacklist_exceptions|devices|overrides|multipaths|"
          rb"protocol)[ \t]*\{"),
    _form("tmpfiles", "a configuration of systemd-tmpfiles", r"[^/]*tmpfiles[^/]*\.conf",
          rb"^[a-zA-Z][!+=~^$-]{0,4}[ \t]+/"),
    _form("logrotate", "a configuration of logrotate", r"[^/]*logrotate[^/]*",
          rb"^[ \t]*(?:hourly|daily|weekly|monthly|yearly|rotate|size|missingok)\b"),
    _form("ca-certificate", "the certificate of an authority", r"[^/]+\.(?:pem|crt)"),
)
_ANY = re.compile("|".join(re.sub("[(][?]P<name>", "(?:", form.place.pattern) for form in _FORMS))


def may_be_one(path: str) -> bool:
    """Return whether the content of the file at ``path``, absolute, has to be looked at."""
    return _ANY.fullmatch(merged(path)) is not None


def suggestions(package: str, path: str, content: bytes) -> Iterator[Suggestion]:
    """Yield the settings for a file of ``package``, none if its content is something else."""
    relative = merged(path)
    for form in _FORMS:
        match = form.place.fullmatch(relative)
        if match is None or (form.line is not None and not form.line.search(content)):
            continue
        about = f"{path} looks like {form.what}"
        if form.element == "ca-certificate":
            owner = _authority(content)
            if not owner:
                continue
            about += f", {owner}"
        yield setting(form.element, {**_values(form, package, match["name"]), "source": path},
                      f"{about}. This puts a copy where the system reads it.")
        return


def _values(form: _Form, package: str, name: str) -> Mapping[str, str]:
    if form.element == "logrotate" or name in ("multipath.conf", "tmpfiles.conf"):
        name = package if form.element == "logrotate" else f"{package}.conf"
    return {"name": name}


def _authority(content: bytes) -> str:
    """Return whom the certificates of authorities in PEM name; empty if these are none."""
    if pem.problem(content):
        return ""
    certificates = pem.certificates(content)
    if len(certificates) > _MOST_CERTIFICATES or not all(map(x509.is_authority, certificates)):
        return ""
    return "; ".join(printable(x509.subject(each)) or "no name" for each in certificates)
