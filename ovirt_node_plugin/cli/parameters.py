"""The values of parameters that a run of dnf gets: from --set, the site's files, and the user."""
from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Dict, Iterable, Optional, Sequence

from ..errors import UsageError
from ..operations.model.books import Books
from ..operations.model.parameter_values import check_given, values_to_ask
from ..operations.plan.parameters import records_of
from ..plugin.bundle import Bundle
from ..plugin.parameters import Parameter
from ..policy.given_parameters import (
    GivenParameters,
    GivenValue,
    Key,
    read_options,
    read_site,
)
from ..system.words import printable


def given_values(words: Sequence[str], folders: Iterable[Path]) -> GivenParameters:
    """Return the values of the options --set and of the site's files in ``folders``."""
    return GivenParameters(read_options(words), read_site(folders))


def check_options(words: Sequence[str], bundles: Iterable[Bundle]) -> None:
    """Raise UsageError for values of --set that ``bundles`` refuse.

    A unit that goes on with the command would keep a secret of the command line before it
    refuses that.
    """
    check_given((bundle.descriptor for bundle in bundles), GivenParameters(read_options(words)))


def asked_values(given: GivenParameters, bundles: Sequence[Bundle], books: Books,
                 other: Optional[Path]) -> GivenParameters:
    """Ask for the values that ``bundles`` lack; return ``given`` with the answers."""
    answers: Dict[Key, GivenValue] = {}
    for bundle in bundles:
        descriptor = bundle.descriptor
        missing = values_to_ask(descriptor, given, records_of(descriptor.name, books, other))
        if missing:
            print(printable(f"Plugin {descriptor.name} {descriptor.version} needs values:"))
        for parameter in missing:
            answers[descriptor.name, parameter.name] = GivenValue(
                _answer(descriptor.name, parameter), "your answer")
    return GivenParameters({**given.options, **answers}, given.site)


def is_terminal() -> bool:
    """Return whether a user can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def _answer(plugin: str, parameter: Parameter) -> str:
    """Ask until the answer is valid. Raises UsageError at the end of the input."""
    question = printable(f"  {parameter.name}, {parameter.meaning} ({parameter.expected}): ")
    while True:
        try:
            answer = getpass.getpass(question) if parameter.secret else input(question)
        except EOFError as exc:
            raise UsageError(f"parameter {parameter.name} of plugin {plugin} has no value",
                             hint=f"Give --set {plugin}.{parameter.name}=VALUE.") from exc
        if parameter.accepts(answer):
            return answer
        print(printable(f"  Expected {parameter.expected}."))
