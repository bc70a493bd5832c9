"""The lines of a Containerfile that do what a command would do on a deployed system."""
from __future__ import annotations

import json
import os
import shlex
from typing import List, Mapping, Sequence

_COPIES = "/tmp"
# Options of one run by hand. A build cannot answer questions.
_BY_HAND = ("-y", "--assumeyes", "--assumeno", "--dry-run", "--json", "-q", "--quiet")


def lines(words: Sequence[str], *, files: Sequence[str]) -> List[str]:
    """Return the lines ``COPY`` and ``RUN`` for the command line ``words`` of dnf.

    ``files`` are the arguments, or values of options, that are paths on this machine: they are
    copied to /tmp of the build, where the command reads them.
    """
    places = {path: f"{_COPIES}/{os.path.basename(os.path.abspath(path))}" for path in files}
    command = [_replaced(word, places) for word in words
               if word not in _BY_HAND and not word.startswith("--installroot")]
    return [*(_copy(os.path.basename(place), place) for place in dict.fromkeys(places.values())),
            shlex.join(["RUN", "dnf", "-y", *command])]


def _copy(name: str, place: str) -> str:
    """Return a COPY line, which is not read by a shell: its form for blanks is a JSON list."""
    words = [name, place]
    return f"COPY {json.dumps(words)}" if shlex.join(words) != " ".join(words) else (
        f"COPY {name} {place}")


def _replaced(word: str, places: Mapping[str, str]) -> str:
    """Return ``word``, or the value of an option in it, with its place in the build."""
    option, equals, value = word.partition("=")
    if word in places:
        return places[word]
    if equals and option.startswith("--") and value in places:
        return f"{option}={places[value]}"
    return word
