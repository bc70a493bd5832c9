"""The lines of a Containerfile that do what a command would do on a deployed system."""
from __future__ import annotations

import json
import os
import shlex
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

_COPIES = "/tmp"
# Options of one run by hand. A build cannot answer questions.
_BY_HAND = ("-y", "--assumeyes", "--assumeno", "--dry-run", "--json", "-q", "--quiet")


def lines(words: Sequence[str], *, files: Sequence[str]) -> List[str]:
    """Return the lines ``COPY`` and ``RUN`` for the command line ``words`` of dnf.

    ``files`` are the arguments, or values of options, that are paths on this machine: they are
    copied to /tmp of the build, where the command reads them. Files of --set are mounted as
    secrets of the build instead, as a copy would stay in the image.
    """
    names = _names(files)
    places = {path: f"{_COPIES}/{name}" for path, name in names.items()}
    command = [_replaced(word, places) for word in _for_build(words)]
    mounts = []
    for number, before in enumerate(["", *command[:-1]]):
        parameter, path = _value_file(before, command[number])
        if path:
            mounts.append(f"--mount=type=secret,id={parameter},target={os.path.abspath(path)}")
            command[number] = command[number].replace(f"@{path}", f"@{os.path.abspath(path)}")
    return [*(_copy(name, places[path]) for path, name in names.items()),
            shlex.join(["RUN", *mounts, "dnf", "-y", *command])]


def _value_file(before: str, word: str) -> Tuple[str, str]:
    """Return the parameter and the path that ``word``, after ``before``, has for --set, else ""."""
    option, equals, value = word.partition("=")
    if before == "--set":
        value = word
    elif option != "--set" or not equals:
        return "", ""
    parameter, _, text = value.partition("=")
    return (parameter, text[1:]) if text.startswith("@") else ("", "")


def _names(files: Sequence[str]) -> Dict[str, str]:
    """Return a name of its own for each path: the last part, or all of it if that is taken."""
    names: Dict[str, str] = {}
    for path in dict.fromkeys(files):
        whole = os.path.abspath(path)
        name = os.path.basename(whole)
        names[path] = whole[1:].replace("/", "-") if name in names.values() else name
    return names


def _for_build(words: Sequence[str]) -> Iterator[str]:
    """Yield the words without the options for a run by hand, and without the root."""
    rest = iter(words)
    for word in rest:
        if word == "--installroot":
            next(rest, None)
        elif word not in _BY_HAND and not word.startswith("--installroot="):
            yield word


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
