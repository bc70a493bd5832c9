"""What a plugin is completed for and from: a root, and repositories on this machine or the web."""
from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional, Sequence, Tuple

from ...errors import BadImage, UsageError
from ...system.run import Runner
from ...target import Target, identify
from ..lint import bases

_URLS = ("https://", "file://")
_HINT = ("Give the folder of a repository or of an unpacked root, an image, a saved base or its"
         " version, or an address with https.")


@dataclass(frozen=True)
class PackBase:
    """A base as ``lint`` has it, and the addresses ``urls`` of repositories."""

    known: bases.Base
    urls: Tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether there is anything."""
        return self.known.is_known or bool(self.urls)

    @property
    def target(self) -> Optional[Target]:
        """The root whose packages the plugin can use, None without one."""
        return identify(self.known.packages) if self.known.packages is not None else None

    @property
    def repos(self) -> Tuple[str, ...]:
        """The URLs of all repositories."""
        return (*self.urls, *(folder.absolute().as_uri() for folder in self.known.repos))


@contextlib.contextmanager
def opened(words: Sequence[str], *, run: Runner) -> Iterator[PackBase]:
    """Yield the base that ``words`` name: what ``bases.opened`` takes, and URLs.

    Raises UsageError for anything else, also for an address over http: nothing would show that
    its packages are those of their vendor. Raises BadImage as ``bases.opened``.
    """
    for word in words:
        if word.startswith("http://"):
            raise UsageError(f"--complete: {word} is not protected against changes on the way",
                             hint="Give an address with https, or the folder of a copy.")
    urls = tuple(word for word in words if word.startswith(_URLS))
    with contextlib.ExitStack() as stack:
        try:
            base = stack.enter_context(bases.opened(
                [Path(word) for word in words if word not in urls], run=run))
        except (UsageError, BadImage) as exc:
            raise type(exc)(exc.message.replace("--against", "--complete"), hint=_HINT) from exc
        yield PackBase(base, urls)
