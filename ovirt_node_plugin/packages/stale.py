"""Metadata of repositories that do not fit the RPMs there: what differs, and what helps."""
from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping, Optional, Sequence

import dnf.callback
import dnf.exceptions

from ..errors import BadRepository
from ..system.words import first_lines
from . import local_repos
from .dnf_types import DnfBase, DnfDownloads, DnfPackage, DnfPayload
from .unreachable import without_passwords

_MOST_FILES = 20
_ABSENT = re.compile(r"Status code: (?:404|410)\b|not found|couldn't open file", re.IGNORECASE)
_DIFFERENT = re.compile(r"checksum|interrupted by header|Maximum file size|bytes", re.IGNORECASE)


class DownloadCauses(dnf.callback.DownloadProgress):
    """Passes all that DNF reports of downloads on to ``shown``, and keeps the failures.

    DNF's error only says that no mirror is left.
    """

    def __init__(self, shown: DnfDownloads) -> None:
        super().__init__()
        self._shown = shown
        self.texts: Dict[str, None] = {}

    def start(self, total_files: int, total_size: int, total_drpms: int = 0) -> None:
        """DNF calls this before the first download."""
        self._shown.start(total_files, total_size, total_drpms)

    def progress(self, payload: DnfPayload, done: int) -> None:
        """DNF calls this for each part that arrived."""
        self._shown.progress(payload, done)

    def end(self, payload: DnfPayload, status: Optional[int], msg: Optional[str]) -> None:
        """DNF calls this at the end of a download, or of an attempt at a mirror."""
        if status in (dnf.callback.STATUS_MIRROR, dnf.callback.STATUS_FAILED) and msg:
            self.texts[f"{payload}: {msg}"] = None
        self._shown.end(payload, status, msg)


def check_files(base: DnfBase, coming: Sequence[DnfPackage]) -> None:
    """Raise BadRepository if RPMs of local repositories are missing or have another size."""
    _refuse(base, {package: problem for package in coming if package._is_local_pkg()
                   for problem in [_problem(package)] if problem})


def check_content(base: DnfBase, coming: Sequence[DnfPackage]) -> None:
    """Raise BadRepository if RPMs of local repositories are not those that the metadata describe.

    It reads them, as DNF does; it only says which DNF has refused.
    """
    _refuse(base, {package: problem for package in coming if package._is_local_pkg()
                   for problem in [difference(package)] if problem})


def difference(package: DnfPackage) -> str:
    """Return how the RPM of a local repository differs from the metadata; empty if it does not.

    It is read.
    """
    return _problem(package) or ("" if _verified(package) else "has another checksum")


def failed_download(exc: dnf.exceptions.DownloadError, causes: DownloadCauses) -> BadRepository:
    """Return the error for a download that failed; the hint says whether metadata are stale."""
    text = without_passwords("\n".join([str(exc), *first_lines(
        [f"  {cause}" for cause in causes.texts], _MOST_FILES, before="  ")]))
    cache = ("If this machine's copy of the metadata is old, add --refresh. Else who runs the"
             " repository has to make its metadata again, by createrepo_c --update.")
    if _ABSENT.search(text):
        hint = f"The metadata name a file that is not there: they are stale. {cache}"
    elif _DIFFERENT.search(text):
        hint = ("A file is not the one that the metadata describe. Either they are stale, as after"
                f" an RPM was built again, or somebody changed the file. {cache}")
    else:
        hint = "Check the repository."
    return BadRepository(f"downloading packages failed:\n{text}",
                         hint=f"Nothing was changed. {hint}")


def _problem(package: DnfPackage) -> str:
    """Return what is wrong with an RPM, without reading it; empty if nothing is."""
    try:
        size_bytes = os.stat(package.localPkg()).st_size
    except OSError as exc:
        return ("is missing" if isinstance(exc, FileNotFoundError)
                else f"cannot be read: {exc.strerror}")
    if size_bytes != package.downloadsize:
        return f"has {size_bytes} bytes, not {package.downloadsize}"
    return ""


def _verified(package: DnfPackage) -> bool:
    """Return whether an RPM has the checksum of the metadata."""
    try:
        return package.verifyLocalPkg()
    except (OSError, dnf.exceptions.Error):
        return False


def _refuse(base: DnfBase, problems: Mapping[DnfPackage, str]) -> None:
    """Raise BadRepository for RPMs with problems, those of the first repository that has any."""
    if not problems:
        return
    repo = base.repos[next(iter(problems)).reponame]
    own = {package: text for package, text in problems.items() if package.reponame == repo.id}
    lines: List[str] = first_lines(
        [f"  {package.location!r} {text}" for package, text in own.items()], _MOST_FILES,
        before="  ")
    if all(text == "is missing" for text in own.values()):
        cause = "They are stale: they name files that are not there."
    else:
        cause = ("Either they are stale, as after an RPM was built again, or somebody changed the"
                 " file.")
    raise BadRepository(
        "\n".join([f"the metadata of the repository {repo.id} do not fit its files:", *lines,
                   cause]),
        hint="Nothing was changed. If the files there are those of the vendor, make the metadata"
             f" again: {local_repos.update_command(repo)}")
