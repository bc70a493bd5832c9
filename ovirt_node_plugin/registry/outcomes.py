"""The text of a setting's outcome in the registry: ``NAME=VALUE`` or ``NAME``, blanks between."""
from __future__ import annotations

import urllib.parse
from typing import Dict, Optional

from ..undo.changes import Outcome
from ..undo.live_log import LEFT, WAS

# Only these two may have any character: the other values have no blanks and are not quoted.
_QUOTED = (WAS, LEFT)


def to_text(outcome: Outcome) -> str:
    """Return the text of ``outcome``, in its order; empty if there is none."""
    return " ".join(name if value is None else f"{name}={_quote(name, value)}"
                    for name, value in outcome.items())


def from_text(text: str) -> Dict[str, Optional[str]]:
    """Return the outcome that ``to_text`` wrote."""
    words = (word.partition("=") for word in text.split())
    return {name: None if not equals else
            urllib.parse.unquote(value) if name in _QUOTED else value
            for name, equals, value in words}


def _quote(name: str, value: str) -> str:
    return urllib.parse.quote(value, safe="/,:") if name in _QUOTED else value
