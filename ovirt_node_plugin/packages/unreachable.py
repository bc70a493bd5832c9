"""Say of a repository that cannot be read its address and the cause."""
from __future__ import annotations

import contextlib
import logging
import re
from typing import Iterator, List

import dnf.exceptions

from ..errors import BadRepository
from . import repos
from .dnf_types import DnfBase

_logger = logging.getLogger("dnf")
_FAILURE = re.compile(r"^\s+- (.*)$", re.MULTILINE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def without_passwords(text: str) -> str:
    """Return a message without the users and passwords in its addresses."""
    return _CREDENTIALS.sub("", text)


class _Causes(logging.Handler):
    """Collects the failures of mirrors, which DNF only logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.causes: List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the failures that a message lists."""
        self.causes += _FAILURE.findall(record.getMessage())


@contextlib.contextmanager
def named_repositories(base: DnfBase) -> Iterator[None]:
    """Raise BadRepository, with id, address and cause, if a repository cannot be read."""
    handler = _Causes()
    _logger.addHandler(handler)
    try:
        yield
    except dnf.exceptions.RepoError as exc:
        text = str(exc)
        repo = next((repo for repo in base.repos.iter_enabled() if f"'{repo.id}'" in text), None)
        causes = dict.fromkeys(handler.causes)
        message = text if repo is None else "\n  ".join([
            f"the repository {repo.id} at {repos.location(repo) or 'no address'} cannot be read:",
            *(causes or [text])])
        raise BadRepository(
            without_passwords(message),
            hint="Check its address and the network, or leave the repository out.") from exc
    finally:
        _logger.removeHandler(handler)
