"""The files of a bundle in which references to parameters are replaced by their values."""
from __future__ import annotations

from typing import Dict, FrozenSet, List, Mapping

from ..errors import BadBundle, Problem
from .descriptor import DESCRIPTOR_NAME, Descriptor
from .parameters import names_in, replaced

HIDDEN = "(secret)"
_MOST_PROBLEMS = 10


def check_references(descriptor: Descriptor, source: str) -> None:
    """Raise BadBundle for references to parameters that the descriptor does not declare.

    ``source`` is the name of the bundle in messages.
    """
    names = {parameter.name for parameter in descriptor.parameters}
    problems: List[Problem] = []
    for path in sorted(descriptor.templates & descriptor.files.keys()):
        for name, line in names_in(descriptor.files[path]):
            if name not in names and len(problems) < _MOST_PROBLEMS:
                problems.append(Problem(line, 1, f"@{name}@ names no parameter of"
                                                 f" {DESCRIPTOR_NAME}", file=path))
    if problems:
        error = BadBundle("\n".join(f"{source}: {problem.file}:{problem.line}: {problem.text}"
                                    for problem in problems),
                          hint="Its vendor has to declare the parameter, or to write @@ for each @"
                               " that is none of a parameter.", code="files/parameter")
        error.problems = tuple(problems)
        raise error


def unused(descriptor: Descriptor) -> List[str]:
    """Return the parameters that no file refers to."""
    used = {name for path in descriptor.templates & descriptor.files.keys()
            for name, _ in names_in(descriptor.files[path])}
    return [parameter.name for parameter in descriptor.parameters if parameter.name not in used]


def secret_files(descriptor: Descriptor) -> FrozenSet[str]:
    """Return the files with a reference to a secret, which only root may read in the root."""
    secrets = {parameter.name for parameter in descriptor.parameters if parameter.secret}
    return frozenset(path for path in descriptor.templates & descriptor.files.keys()
                     if any(name in secrets for name, _ in names_in(descriptor.files[path])))


def written_files(descriptor: Descriptor, values: Mapping[str, str], *,
                  shown: bool = False) -> Dict[str, bytes]:
    """Return the files of the bundle with the ``values`` of all parameters.

    With ``shown``, a secret is HIDDEN in them.
    """
    if shown:
        values = {**values, **{parameter.name: HIDDEN for parameter in descriptor.parameters
                               if parameter.secret}}
    return {path: replaced(content, values) if path in descriptor.templates else content
            for path, content in descriptor.files.items()}
