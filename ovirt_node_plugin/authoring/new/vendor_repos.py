"""Repositories and keys that a vendor ships already, taken over into the bundle.

They are in packages, as files in /etc/yum.repos.d and /etc/pki/rpm-gpg, or lie beside the RPMs.
What a bundle may not set is left out.
"""
from __future__ import annotations

import configparser
import posixpath
import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Tuple

from ...plugin.repo_file import OPTIONS, squeezed
from ...system.words import first_lines, printable

KEYS = "keys/"
_KEY_BEGIN = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_KEY_FILE = re.compile(r"etc/pki/rpm-gpg/[A-Za-z0-9._+-]{1,100}")
_REPO_FILE = re.compile(r"etc/(?:yum|distro)\.repos\.d/[^/]+\.repo")
_BESIDE = re.compile(r"[^/]+\.repo|(?:RPM-GPG-KEY[A-Za-z0-9._+-]{0,100}"
                     r"|[A-Za-z0-9._+-]{1,100}\.(?:asc|key|gpg))")
_MOST_REPOS, _MOST_KEYS, _MOST_NOTES, _MOST_VALUE = 20, 20, 20, 2000


@dataclass(frozen=True)
class VendorRepos:
    """Repositories for a .repo file of a bundle.

    ``options`` are those of each repository by its id, ``notes`` lines about what was left out,
    ``keys`` the public keys by their names in the bundle.
    """

    options: Mapping[str, Mapping[str, str]]
    notes: Tuple[str, ...]
    keys: Mapping[str, bytes]


NOTHING = VendorRepos({}, (), {})


def is_wanted(path: str) -> bool:
    """Return whether the file at ``path`` is a .repo file or a key of repositories."""
    relative = path.lstrip("/")
    return bool(_REPO_FILE.fullmatch(relative) or _KEY_FILE.fullmatch(relative))


def is_beside(name: str) -> bool:
    """Return whether a file of this name in a folder of RPMs is a .repo file or a key."""
    return bool(_BESIDE.fullmatch(name))


def taken_over(contents: Mapping[str, bytes]) -> VendorRepos:
    """Return the repositories and keys in files, which are given by their absolute paths."""
    options: Dict[str, Dict[str, str]] = {}
    notes: List[str] = []
    for path, content in contents.items():
        if path.endswith(".repo"):
            for repo_id, values in _repositories(path, content, notes):
                if len(options) >= _MOST_REPOS:
                    notes.append(f"{repo_id}: only {_MOST_REPOS} repositories are taken over.")
                elif repo_id not in options:
                    options[repo_id] = _allowed(repo_id, values, notes)
    keys = {f"{KEYS}{posixpath.basename(path)}": content for path, content in contents.items()
            if not path.endswith(".repo") and _KEY_BEGIN in content}
    return VendorRepos(options, tuple(first_lines(notes, _MOST_NOTES)),
                       dict(list(keys.items())[:_MOST_KEYS]))


def text(repos: VendorRepos) -> str:
    """Return the text of the .repo file."""
    lines = ["# Taken over from the packages. Plugin repositories are off unless a run names them.",
             *(f"# {printable(note)}" for note in repos.notes)]
    for repo_id, values in repos.options.items():
        lines += [f"[{repo_id}]", *(f"{name}={value}" for name, value in values.items()), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _repositories(path: str, content: bytes,
                  notes: List[str]) -> Iterator[Tuple[str, Mapping[str, str]]]:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(squeezed(content.decode("utf-8")))
    except (configparser.Error, UnicodeDecodeError):
        notes.append(f"{path} cannot be read.")
        return
    for repo_id in parser.sections():
        if _ID.fullmatch(repo_id) and repo_id != "main":
            yield repo_id, dict(parser.items(repo_id))
        else:
            notes.append(f"{path} has a section with a name that no repository may have.")


def _allowed(repo_id: str, values: Mapping[str, str], notes: List[str]) -> Dict[str, str]:
    """Return the options that a bundle may have, each on one line."""
    found: Dict[str, str] = {}
    for name, value in values.items():
        words = " ".join(value.split())
        if name == "gpgkey":
            local = [word for word in words.replace(",", " ").split() if word.startswith("file:")]
            words = " ".join(word for word in words.replace(",", " ").split() if word not in local)
            if local:
                notes.append(f"{repo_id}: gpgkey named a file of an installed system; keys/ has it,"
                             " or publish the key and write its address.")
        allowed = OPTIONS.get(name)
        good = allowed is not None and (not allowed or words.lower() in allowed)
        if name == "enabled" or not words:
            continue
        if good and words == printable(words) and len(words) <= _MOST_VALUE:
            found[name] = words
        else:
            notes.append(f"{repo_id}: a bundle may not set {name[:100]}, or not to this value.")
    return {**found, "enabled": "0"}
