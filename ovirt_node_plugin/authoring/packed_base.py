"""The base for which a plugin is completed: an unpacked root, and repositories."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from ..errors import UsageError
from ..system.rpm_database import find_rpmdb
from ..target import Target, identify

_URLS = ("https://", "file://")


@dataclass(frozen=True)
class PackBase:
    """What a plugin is completed for and from.

    ``target`` is the root whose packages the plugin can use, None without one; ``repos`` are URLs
    of repositories, ``folders`` those of them that are folders, by their paths.
    """

    target: Optional[Target] = None
    repos: Tuple[str, ...] = ()
    folders: Tuple[Path, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether there is anything."""
        return self.target is not None or bool(self.repos)

    @property
    def paths(self) -> Tuple[Path, ...]:
        """The root and the folders."""
        return (*((self.target.root,) if self.target is not None else ()), *self.folders)


def read_base(words: Sequence[str]) -> PackBase:
    """Return the base that ``words`` name: one root at most, folders of repositories, URLs.

    Raises UsageError for anything else, also for an address over http: nothing would show that
    its packages are those of their vendor.
    """
    target: Optional[Target] = None
    repos: List[str] = []
    folders: List[Path] = []
    for word in words:
        path = Path(word)
        if word.startswith(_URLS):
            repos.append(word)
        elif (path / "repodata/repomd.xml").is_file():
            folders.append(path)
            repos.append(path.absolute().as_uri())
        elif path.is_dir() and find_rpmdb(path.resolve()) is not None:
            if target is not None:
                raise UsageError("--complete: only one root can be given",
                                 hint="Complete the plugin for the oldest one.")
            target = identify(path.resolve())
        else:
            raise _no_base(word)
    return PackBase(target, tuple(repos), tuple(folders))


def _no_base(word: str) -> UsageError:
    if word.startswith("http://"):
        return UsageError(f"--complete: {word} is not protected against changes on the way",
                          hint="Give an address with https, or the folder of a copy.")
    return UsageError(f"--complete: {word} is neither a root nor a repository",
                      hint="Give a folder in which an image is unpacked, a folder with repodata/,"
                           " or an address with https.")
