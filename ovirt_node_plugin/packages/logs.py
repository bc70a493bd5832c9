"""DNF's messages and log files in a root while scriptlets run."""
from __future__ import annotations

import contextlib
import logging
import logging.handlers
from typing import Callable, Iterator, List

_LOGGERS = ("dnf", "dnf.rpm", "librepo")


def report_messages(report: Callable[[int, str], None]) -> None:
    """Call ``report`` with the level and text of each message, instead of printing it."""
    def reported(record: logging.LogRecord) -> bool:
        report(record.levelno, record.getMessage())
        return False  # it is not printed here

    for handler in _printing():
        handler.addFilter(reported)


def show_message(level: int, text: str) -> None:
    """Print a message as DNF does, where its level is to be printed."""
    record = logging.getLogger("dnf").makeRecord("dnf", level, "", 0, text, (), None)
    for handler in _printing():
        if level >= handler.level:
            handler.handle(record)


def _printing() -> List[logging.Handler]:
    """Return the handlers that print messages, each once."""
    handlers = [handler for name in _LOGGERS for handler in logging.getLogger(name).handlers
                if isinstance(handler, logging.StreamHandler)
                and not isinstance(handler, logging.FileHandler)]
    return list(dict.fromkeys(handlers))


@contextlib.contextmanager
def not_rotated() -> Iterator[None]:
    """Let DNF write to the log files that it has open, and open no others.

    A scriptlet can put a link in the place of a log while it is rotated.
    """
    handlers = [handler for name in _LOGGERS
                for handler in logging.getLogger(name).handlers
                if isinstance(handler, logging.handlers.RotatingFileHandler)]
    sizes = [handler.maxBytes for handler in handlers]
    for handler in handlers:
        handler.maxBytes = 0
    try:
        yield
    finally:
        for handler, size in zip(handlers, sizes):
            handler.maxBytes = size
