"""DNF's log files in a root while scriptlets run."""
from __future__ import annotations

import contextlib
import logging
import logging.handlers
from typing import Iterator


@contextlib.contextmanager
def not_rotated() -> Iterator[None]:
    """Let DNF write to the log files that it has open, and open no others.

    A scriptlet can put a link in the place of a log while it is rotated.
    """
    handlers = [handler for name in ("dnf", "dnf.rpm", "librepo")
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
