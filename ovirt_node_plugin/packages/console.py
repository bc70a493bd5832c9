"""What a command of DNF needs of DNF itself: its errors translated, its display."""
from __future__ import annotations

import contextlib
from typing import Any, Iterator, Tuple

import dnf.exceptions

from ..errors import Locked, NodePluginError


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn every error of DNF, and every OSError, into a NodePluginError.

    An error of DNF that a hook raised for a NodePluginError becomes that one again. Where
    another process holds a lock of DNF's, it is Locked.
    """
    try:
        yield
    except dnf.exceptions.LockError as exc:
        raise Locked(str(exc), hint="Wait until the other process is done.") from exc
    except (dnf.exceptions.Error, OSError) as exc:
        if isinstance(exc.__cause__, NodePluginError):
            raise exc.__cause__ from None
        raise NodePluginError(str(exc)) from exc


def transaction_displays() -> Tuple[Any, ...]:
    """Return what shows a running transaction as dnf itself does."""
    from dnf.cli.output import CliTransactionDisplay
    return (CliTransactionDisplay(),)
