"""Read and check the ``.repo`` files of a bundle."""
from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Dict, FrozenSet, Mapping, Sequence, Tuple

from ..errors import BadBundle
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


def repo_ids(files: Sequence[Path]) -> Tuple[str, ...]:
    """Return the ids of the repositories in ``.repo`` files of a bundle, sorted.

    Raises BadBundle, naming file and line, for a file that is not valid, defines a repository
    again, or sets an option that a bundle may not set.
    """
    files_of: Dict[str, Path] = {}
    for path in files:
        parser = parse(path)
        for repo_id in parser.sections():
            if repo_id == "main":
                raise BadBundle(f"{path} has a section [main], which is dnf's own",
                                hint="Remove it: a .repo file of a bundle has repos only.")
            if repo_id in files_of:
                raise BadBundle(f"{path} and {files_of[repo_id].name} both have the repo {repo_id}")
            files_of[repo_id] = path
    return tuple(sorted(files_of))


def parse(path: Path) -> configparser.RawConfigParser:
    """Return a ``.repo`` file of a bundle, parsed and checked; raises as ``repo_ids``."""
    # as dnf's parser: no interpolation, only '=', no section of defaults, names as written
    parser = configparser.RawConfigParser(strict=True, delimiters=("=",), default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        text = read_regular(path, follow=True).decode("utf-8")
        parser.read_string(squeezed(text), source=str(path))
    except (NotRegular, TooLarge) as exc:
        raise BadBundle(f"{path} is {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise BadBundle(f"{path} is not UTF-8: byte {exc.start}") from exc
    except configparser.Error as exc:
        raise BadBundle(f"{path}:{_line_of_error(exc)}: {_reason(exc)}",
                        hint="dnf.conf(5) describes the form of a .repo file.") from exc
    for repo_id in parser.sections():
        for option, value in parser.items(repo_id):
            _check_option(path, text, repo_id, option, value)
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
                             " file in a bundle.")
    raise BadBundle(f"{path}:{line}: a bundle may not set {option} to {value!r}",
                    hint=f"Remove the line, or set it to {min(values)}.")


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
