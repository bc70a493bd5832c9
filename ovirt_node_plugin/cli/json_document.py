"""Print exactly one JSON document to standard output, also after lines about the progress."""
from __future__ import annotations

import atexit
import logging
import sys
from typing import TYPE_CHECKING, List, TextIO

from ..errors import NodePluginError
from ..report.progress import print_answer, print_event
from ..system.json_answer import ErrorAnswer, invalid_command_line
from ..system.json_data import Data
from ..system.limits import MESSAGES_CHARACTERS

_MORE = "The other messages are left out, as they are too long."

if TYPE_CHECKING:  # before Python 3.11 the class takes no parameter
    _TextHandler = logging.StreamHandler[TextIO]
else:
    _TextHandler = logging.StreamHandler


class JsonDocument(logging.Handler):
    """Prints one JSON document, even if DNF itself ends the run with an error.

    ``logger`` is DNF's; the document then contains its messages about the error. ``printed`` is
    whether the document was printed. With ``lines`` it is one line with an ``event``, after
    those of the progress; with ``messages``, each message of DNF is a line too.
    """

    def __init__(self, logger: logging.Logger, *, lines: bool = False,
                 messages: bool = False) -> None:
        super().__init__(logging.CRITICAL)
        self.printed = False
        self._lines = lines
        self._messages: List[str] = []
        logger.addHandler(self)
        if messages:
            logger.addHandler(_MessageLines(self))
        atexit.register(self._print_failure)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message of an error."""
        self._messages.append(record.getMessage())

    def print(self, data: Data) -> None:
        """Print the document; only the first one is printed."""
        if self.printed:
            return
        self.printed = True
        print_answer(sys.stdout, data, as_line=self._lines)

    def _print_failure(self) -> None:
        if self.printed:
            return
        text = "\n".join(self._messages)
        message = text[len("Error: "):] if text.startswith("Error: ") else text
        answer = ErrorAnswer.of(NodePluginError(message)) if text else invalid_command_line()
        self.print(answer.to_data())


class _MessageLines(_TextHandler):
    """Prints each message before the document, but those of errors that end the run.

    Scriptlets can print without end: what exceeds MESSAGES_CHARACTERS is left out.
    """

    def __init__(self, document: JsonDocument) -> None:
        super().__init__(sys.stdout)
        self._document = document
        self._room = MESSAGES_CHARACTERS
        self.setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message as a line of JSON."""
        if record.levelno >= logging.CRITICAL or self._document.printed or self._room < 0:
            return
        text = record.getMessage()
        self._room -= len(text)
        print_event(self.stream, "message", {
            "level": record.levelname.lower(), "text": text if self._room >= 0 else _MORE})
