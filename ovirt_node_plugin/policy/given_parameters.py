"""The values of parameters from outside of a root: of the command line, and of the site's files.

The site's files are ``*.conf`` in the folders of node-plugin.conf, INI with a section for each
plugin and lines ``NAME = VALUE``. Only root may have access to one with a secret.
"""
from __future__ import annotations

import configparser
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterable, Mapping, Sequence, Tuple

from ..errors import UsageError
from ..system.limits import SITE_PARAMETER_FILES, TEXT_BYTES
from ..system.regular_files import opened_regular, read_regular

_FORM = "Give --set PLUGIN.NAME=VALUE, or --set PLUGIN.NAME=@FILE to read VALUE from a file."
_FILES = "dnf-node-plugin(8), FILES, describes the files of parameters.d."
Key = Tuple[str, str]
"""The names of a plugin and of its parameter."""


@dataclass(frozen=True)
class GivenValue:
    """A value and where it is from, as text for people.

    ``exposed`` says why other users can read it, empty if they cannot.
    """

    text: str
    source: str
    exposed: str = ""


@dataclass(frozen=True)
class GivenParameters:
    """The values of the command line, and those of the site's files, by plugin and parameter."""

    options: Mapping[Key, GivenValue] = field(default_factory=dict)
    site: Mapping[Key, GivenValue] = field(default_factory=dict)


NOTHING_GIVEN = GivenParameters()


def read_options(words: Sequence[str]) -> Dict[Key, GivenValue]:
    """Return the values of the arguments of --set: PLUGIN.NAME=VALUE or PLUGIN.NAME=@FILE.

    The content of a file is the value, without one line end. Raises UsageError for another
    form, a parameter that is given twice, and a file that cannot be read.
    """
    values: Dict[Key, GivenValue] = {}
    for word in words:
        subject, equals, text = word.partition("=")
        plugin, dot, name = subject.rpartition(".")
        if not (equals and plugin and dot and name):
            raise UsageError(f"--set {subject!r} is not PLUGIN.NAME=VALUE", hint=_FORM)
        if (plugin, name) in values:
            raise UsageError(f"--set gives {subject} twice", hint="Give it once.")
        if text.startswith("@"):
            value = GivenValue(_content(text[1:], subject), f"--set {subject}=@FILE")
        else:
            value = GivenValue(text, f"--set {subject}",
                               exposed="every user can see a command line, and dnf.log keeps it")
        values[plugin, name] = value
    return values


def absolute_options(words: Iterable[str], folder: str) -> Tuple[str, ...]:
    """Return options --set for a program in another folder; paths are relative to ``folder``."""
    options = []
    for word in words:
        subject, equals, text = word.partition("=")
        if text.startswith("@"):
            text = "@" + os.path.join(folder, text[1:])
        options.append(f"--set={subject}{equals}{text}")
    return tuple(options)


def read_site(folders: Iterable[Path]) -> Dict[Key, GivenValue]:
    """Return the values in all ``*.conf`` files of ``folders``; of several, the last.

    A user who may not read a file gets no value of it. Raises UsageError for a file that is
    not valid, or that another user than root may change.
    """
    values: Dict[Key, GivenValue] = {}
    paths = [path for folder in folders for path in sorted(folder.glob("*.conf"))]
    if len(paths) > SITE_PARAMETER_FILES:
        raise UsageError(f"there are more than {SITE_PARAMETER_FILES} files of parameters",
                         hint="Join some of them.")
    for path in paths:
        try:
            values.update(_read_file(path))
        except PermissionError:
            continue
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"the file of parameters {path} cannot be read: {exc}",
                             hint=_FILES) from exc
        except configparser.Error as exc:
            # the text of the error would show a line of the file, which can have a secret
            raise UsageError(f"the file of parameters {path} is no list of sections [PLUGIN] with"
                             f" lines NAME = VALUE: {type(exc).__name__}", hint=_FILES) from None
    return values


def _read_file(path: Path) -> Dict[Key, GivenValue]:
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"),
        empty_lines_in_values=False, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    with opened_regular(path, follow=True) as stream:
        state = os.fstat(stream.fileno())
    if state.st_mode & 0o022 or state.st_uid not in (0, os.geteuid()):
        raise UsageError(f"the file of parameters {path} can be changed by others than root",
                         hint=f"chown root:root {path}; chmod 600 {path}")
    parser.read_string(read_regular(path, max_bytes=TEXT_BYTES, follow=True).decode(), str(path))
    exposed = (f"other users can read {path}: chmod 600 {path}" if state.st_mode & 0o044 else "")
    return {(plugin, name): GivenValue(text, str(path), exposed)
            for plugin in parser.sections() for name, text in parser.items(plugin)}


def _content(path: str, subject: str) -> str:
    try:
        text = read_regular(path, max_bytes=TEXT_BYTES, follow=True).decode()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise UsageError(f"--set {subject}: the file {path} cannot be read: {reason}",
                         hint="A value that begins with @ is read from the file of that name."
                         ) from exc
    return text[:-1] if text.endswith("\n") else text
