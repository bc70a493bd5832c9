"""Print exactly one JSON document to standard output."""
from __future__ import annotations

import atexit
import json
import logging
from typing import List

from ..errors import NodePluginError, UsageError
from ..system.json_answer import ErrorAnswer, with_format
from ..system.json_data import Data


class JsonDocument(logging.Handler):
    """Prints one JSON document, even if DNF itself ends the run with an error.

    ``logger`` is DNF's; the document then contains its messages about the error.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logging.CRITICAL)
        self._printed = False
        self._messages: List[str] = []
        logger.addHandler(self)
        atexit.register(self._print_failure)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message of an error."""
        self._messages.append(record.getMessage())

    def print(self, data: Data) -> None:
        """Print the document; only the first one is printed."""
        if not self._printed:
            self._printed = True
            print(json.dumps(with_format(data), indent=2, sort_keys=True), flush=True)

    def _print_failure(self) -> None:
        if self._printed:
            return
        text = "\n".join(self._messages)
        error = (NodePluginError(text[len("Error: "):] if text.startswith("Error: ") else text)
                 if text else UsageError("the command line is invalid",
                                         hint="Read the reason on standard error."))
        self.print(ErrorAnswer.of(error).to_data())
