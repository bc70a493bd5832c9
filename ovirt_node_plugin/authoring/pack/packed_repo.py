"""The ``.repo`` file and the element ``<repos>`` of a packed plugin."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from ...errors import UsageError
from ...plugin.descriptor import DESCRIPTOR_NAME, Descriptor, without_repos
from ...plugin.repo_file import parse

_URL = re.compile(r"(?:https?|ftp|file)://[^\s\x00-\x1f\x7f]+")
_LISTS = ("mirrorlist", "metalink")
# the end of the element, and what can contain the same text
_NAME_END = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|</name\s*>", re.DOTALL)


@dataclass(frozen=True)
class PublishedRepo:
    """The repository of a packed plugin as its ``.repo`` file has it.

    ``id`` is the repository's id, ``baseurl`` the address of ``repo/``, empty if it is not known,
    and ``file`` the path of the ``.repo`` file, None if the plugin has none.
    """

    id: str = ""
    baseurl: str = ""
    file: Optional[Path] = None


def check_address(text: str) -> str:
    """Return the address of --baseurl with one slash at the end; empty for an empty one.

    Raises UsageError for something else than a URL.
    """
    if not text:
        return ""
    if not _URL.fullmatch(text):
        raise UsageError(f"--baseurl: {text!a} is not an address",
                         hint="Give the address of repo/, such as"
                              " https://example.com/agent/el9/.")
    return f"{text.rstrip('/')}/"


def published(folder: Path, descriptor: Descriptor, repo_files: Sequence[Path],
              baseurl: str) -> PublishedRepo:
    """Return the repository that the packed ``folder`` describes; it gets ``baseurl`` if given.

    With ``baseurl`` a plugin without a ``.repo`` file gets one, and ``<repos>``. Raises
    UsageError if it is not clear which of several repositories ``baseurl`` is for.
    """
    sections = [(path, repo_id) for path in repo_files for repo_id in parse(path).sections()]
    if not sections:
        return _new(folder, descriptor, baseurl) if baseurl else PublishedRepo()
    name = _repo_id(descriptor)
    named = [each for each in sections if each[1] in (descriptor.name, name)]
    if len(sections) > 1 and len(named) != 1:
        if baseurl:
            raise UsageError("--baseurl: the .repo files have several repositories, and none is"
                             f" called {name}", hint=f"Call the one that repo/ is {name}.")
        return PublishedRepo()
    path, repo_id = sections[0] if len(sections) == 1 else named[0]
    if baseurl:
        change_options(path, repo_id, {"baseurl": baseurl, **dict.fromkeys(_LISTS)})
    words = parse(path).get(repo_id, "baseurl", fallback="").split()
    return PublishedRepo(repo_id, f"{words[0].rstrip('/,')}/" if words else "", path)


def name_keys(repo: PublishedRepo, keys: Sequence[str], *, signed: bool) -> bool:
    """Name the files ``keys`` of ``repo/`` in the ``.repo`` file; return whether that was done.

    With ``signed``, the signatures of packages and metadata are to be checked.
    """
    if repo.file is None or not repo.baseurl or not keys:
        return False
    checks = {"gpgcheck": "1", "repo_gpgcheck": "1"} if signed else {"gpgcheck": "1"}
    change_options(repo.file, repo.id, {
        **checks, "gpgkey": "\n       ".join(f"{repo.baseurl}{key}" for key in keys)})
    return True


def change_options(path: Path, repo_id: str, options: Mapping[str, Optional[str]]) -> None:
    """Set ``options`` of a repository in a ``.repo`` file; all else is kept. None removes one."""
    lines: List[str] = []  # as dnf has them: a carriage return ends none
    inside, skipping, end = False, False, 0
    for line in path.read_bytes().decode().rstrip("\n").split("\n"):
        header = re.match(r"\s*\[(.+)\]", line)
        if header:
            inside = header.group(1) == repo_id
        if inside and not header and line[:1].isspace() and skipping:
            continue  # the value goes on
        skipping = inside and not header and line.partition("=")[0].strip() in options
        if skipping:
            continue
        lines.append(line)
        if inside and line.strip() and not line.lstrip().startswith("#"):
            end = len(lines)
    new = [f"{name}={value}" for name, value in options.items() if value is not None]
    path.write_bytes(("\n".join([*lines[:end], *new, *lines[end:]]) + "\n").encode())


def with_repo(data: bytes, repo_id: str) -> bytes:
    """Return a valid descriptor with a ``<repos>`` that names one repository, and no other."""
    plain = without_repos(data)
    place = next(match.end() for match in _NAME_END.finditer(plain) if match[0].startswith(b"</"))
    element = f'\n  <repos><repo id="{repo_id}"/></repos>'.encode("ascii")
    return plain[:place] + element + plain[place:]


def _new(folder: Path, descriptor: Descriptor, baseurl: str) -> PublishedRepo:
    repo_id = _repo_id(descriptor)
    path = folder / f"{repo_id}.repo"
    path.write_text(f"[{repo_id}]\nname=Packages of the plugin {descriptor.name}\n"
                    f"baseurl={baseurl}\nenabled=0\ngpgcheck=1\n", encoding="utf-8")
    (folder / DESCRIPTOR_NAME).write_bytes(with_repo(descriptor.source_xml, repo_id))
    return PublishedRepo(repo_id, baseurl, path)


def _repo_id(descriptor: Descriptor) -> str:
    return descriptor.name.replace("+", "-")
