"""What DNF shows while it downloads and changes packages, as steps and messages for programs."""
from __future__ import annotations

import logging
from typing import Dict, Optional, Set, Tuple, Union

import dnf.callback
import dnf.transaction

from ..system.progress import Advance
from ..system.words import printable
from .dnf_types import DnfPackage, DnfPayload

logger = logging.getLogger("dnf")


class Downloads(dnf.callback.DownloadProgress):
    """Passes the number of bytes of all downloads together to ``advance``."""

    def __init__(self, advance: Advance) -> None:
        super().__init__()
        self._advance = advance
        self._done: Dict[str, int] = {}

    def progress(self, payload: DnfPayload, done: int) -> None:
        """DNF calls this for each part that arrived; ``done`` is the size of them all."""
        self._done[str(payload)] = int(done)
        self._advance(sum(self._done.values()))

    def end(self, payload: DnfPayload, status: Optional[int], msg: Optional[str]) -> None:
        """DNF calls this at the end of a download, or of an attempt at a mirror."""
        if status == dnf.callback.STATUS_MIRROR and msg:
            logger.info("%s", printable(f"{payload}: {msg}"))


class ChangedPackages(dnf.callback.TransactionProgress):
    """Passes the number of packages that rpm has changed to ``advance``."""

    def __init__(self, advance: Advance) -> None:
        super().__init__()
        self._advance = advance

    def progress(self, package: Union[DnfPackage, str], action: Optional[int],
                 ti_done: Optional[int], ti_total: Optional[int], ts_done: Optional[int],
                 ts_total: Optional[int]) -> None:
        """DNF calls this for each package and phase; rpm's number counts the one in progress."""
        if ts_done and action in dnf.transaction.ACTIONS and action not in _PHASES:
            self._advance(ts_done if ti_done == ti_total else ts_done - 1)


class PackageMessages(dnf.callback.TransactionProgress):
    """Logs a message for each package that rpm begins to change, and scriptlets' output."""

    def __init__(self) -> None:
        super().__init__()
        self._told: Set[Tuple[str, Optional[int]]] = set()

    def progress(self, package: Union[DnfPackage, str], action: Optional[int],
                 ti_done: Optional[int], ti_total: Optional[int], ts_done: Optional[int],
                 ts_total: Optional[int]) -> None:
        """DNF calls this for each package and phase."""
        told = (str(package), action)
        if told in self._told or action not in dnf.transaction.ACTIONS or not str(package):
            return
        self._told.add(told)
        logger.info("%s", printable(f"{dnf.transaction.ACTIONS[action]}: {package}"))

    def scriptout(self, msgs: Union[bytes, str, None]) -> None:
        """DNF calls this with the output of scriptlets."""
        if msgs:
            logger.info("%s", printable(output_text(msgs).rstrip("\n"), keep="\n\t"))


def output_text(output: Union[bytes, str]) -> str:
    """Return the output of scriptlets as text; DNF reads it as bytes."""
    return output.decode("utf-8", "backslashreplace") if isinstance(output, bytes) else output


# Phases in which rpm counts something else than the packages that it has changed
_PHASES = (dnf.transaction.PKG_VERIFY, dnf.transaction.PKG_SCRIPTLET,
           dnf.transaction.TRANS_PREPARATION)
