"""Read and check the ``.repo`` files of a bundle."""
from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Dict, FrozenSet, Mapping, Optional, Sequence, Tuple

from ..errors import BadBundle, Reasons
from ..system.limits import PROBLEMS
from ..system.regular_files import NotRegular, TooLarge, read_regular

_TRUE = frozenset(("1", "yes", "true", "on"))
_FALSE = frozenset(("0", "no", "false", "off"))
_ANY: FrozenSet[str] = frozenset()

OPTIONS: Mapping[str, FrozenSet[str]] = {
    **dict.fromkeys((
        "bandwidth", "baseurl", "cost", "countme", "deltarpm", "deltarpm_percentage", "enabled",
        "enabled_metadata", "enablegroups", "failovermethod", "fastestmirror", "gpgcheck",
        "gpgkey", "ip_resolve", "metadata_expire", "metalink", "minrate", "mirrorlist", "name",
        "password", "priority", "repo_gpgcheck", "retries", "throttle", "timeout", "type",
        "username"), _ANY),
    **dict.fromkeys(("autorefresh", "keeppackages"), _ANY),  # of zypper, which DNF ignores
    "sslcacert": frozenset(("/etc/pki/tls/certs/ca-bundle.crt",
                            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")),
    "sslverify": _TRUE,
    "sslverifystatus": _TRUE,
    "module_hotfixes": _FALSE,
    "skip_if_unavailable": _FALSE,
}
"""The options that a bundle may set, each with the values it may have; an empty set is any.

Those of dnf.conf(5) that are missing here, or a value that is, would make the checks of the
administrator's dnf.conf weaker, or use the machine's own files, proxies and keys. Of gpgcheck
and repo_gpgcheck each value is taken, as the stricter one of dnf.conf and the file counts.
"""


def repo_ids(files: Sequence[Path], reasons: Optional[Reasons] = None) -> Tuple[str, ...]:
    """Return the ids of the repositories in ``.repo`` files of a bundle, sorted.

    A BadBundle, naming file and line, for each file that is not valid, defines a repository
    again, or sets an option that a bundle may not set, is added to ``reasons``; without these,
    the first is raised.
    """
    found = Reasons() if reasons is None else reasons
    files_of: Dict[str, Path] = {}
    for path in files:
        with found.collected():
            for repo_id in _parsed(path, found).sections():
                with found.collected():
                    _check_section(path, repo_id, files_of)
                files_of.setdefault(repo_id, path)
    if reasons is None:
        found.raise_first()
    return tuple(sorted(files_of))


def _check_section(path: Path, repo_id: str, files_of: Mapping[str, Path]) -> None:
    if repo_id == "main":
        raise BadBundle(f"{path} has a section [main], which is dnf's own",
                        hint="Remove it: a .repo file of a bundle has repos only.",
                        code="repo-file/form").at(str(path))
    if repo_id in files_of:
        raise BadBundle(f"{path} and {files_of[repo_id].name} both have the repo {repo_id}",
                        hint="Define it in one of them.", code="repo-file/form").at(str(path))


def parse(path: Path) -> configparser.RawConfigParser:
    """Return a ``.repo`` file of a bundle, parsed and checked; raises as ``repo_ids``."""
    reasons = Reasons()
    parser = _parsed(path, reasons)
    reasons.raise_first()
    return parser


def _parsed(path: Path, reasons: Reasons) -> configparser.RawConfigParser:
    """Return a ``.repo`` file, parsed; adds options that are not allowed to ``reasons``."""
    # as dnf's parser: no interpolation, only '=', no section of defaults, names as written
    parser = configparser.RawConfigParser(strict=True, delimiters=("=",), default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        text = read_regular(path, follow=True).decode("utf-8")
        parser.read_string(squeezed(text), source=str(path))
    except (NotRegular, TooLarge) as exc:
        raise BadBundle(f"{path} is {exc.strerror}",
                        code="repo-file/form").at(str(path)) from exc
    except UnicodeDecodeError as exc:
        raise BadBundle(f"{path} is not UTF-8: byte {exc.start}",
                        code="repo-file/form").at(str(path)) from exc
    except configparser.Error as exc:
        line = _line_of_error(exc)
        raise BadBundle(f"{path}:{line}: {_reason(exc)}",
                        hint="dnf.conf(5) describes the form of a .repo file.",
                        code="repo-file/form").at(str(path), line) from exc
    for repo_id in parser.sections():
        for option, value in parser.items(repo_id):
            with reasons.collected():
                _check_option(path, text, repo_id, option, value)
            if len(reasons) >= PROBLEMS:
                return parser
    return parser


def squeezed(text: str) -> str:
    """Return the text of a ``.repo`` file with each run of blanks in a name as one blank.

    The time that configparser takes grows with the square of such a run.
    """
    lines = []
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        indent = name[:len(name) - len(name.lstrip())]
        lines.append(f"{indent}{' '.join(name.split())}{equals}{value}")
    return "\n".join(lines)


def _check_option(path: Path, text: str, repo_id: str, option: str, value: str) -> None:
    values = OPTIONS.get(option)
    if values is not None and (not values or value.lower() in values):
        return
    line = _line_of_option(text, repo_id, option)
    if values is None:
        raise BadBundle(f"{path}:{line}: a bundle may not set {option}",
                        hint="Remove the line. node-plugin.xml(5) lists the options of a .repo"
                             " file in a bundle.", code="repo-file/option").at(str(path), line)
    raise BadBundle(f"{path}:{line}: a bundle may not set {option} to {value!r}",
                    hint=f"Remove the line, or set it to {min(values)}.",
                    code="repo-file/option").at(str(path), line)


def _line_of_option(text: str, repo_id: str, option: str) -> int:
    in_section = False
    for number, line in enumerate(text.split("\n"), start=1):
        header = re.match(r"\s*\[(.+)\]", line)
        if header:
            in_section = header.group(1) == repo_id
        elif in_section and line.partition("=")[0].strip() == option:
            return number
    return 1


def _line_of_error(exc: configparser.Error) -> int:
    errors = getattr(exc, "errors", None)  # of ParsingError itself, not of its subclasses
    return int(errors[0][0] if errors else getattr(exc, "lineno", None) or 1)


def _reason(exc: configparser.Error) -> str:
    if isinstance(exc, configparser.MissingSectionHeaderError):
        return "expected a section such as [ID], found something else"
    if isinstance(exc, configparser.DuplicateSectionError):
        return f"expected one section [{exc.section}], found a second"
    if isinstance(exc, configparser.DuplicateOptionError):
        return f"expected one {exc.option} in [{exc.section}], found a second"
    return "expected a line KEY=VALUE, found something else"
