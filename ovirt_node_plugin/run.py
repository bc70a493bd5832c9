"""The one gateway for every program that is started."""
from __future__ import annotations

import os
import subprocess
from typing import Container, Mapping, Optional, Protocol, Sequence, Union

from .errors import CommandError

StrPath = Union[str, "os.PathLike[str]"]


class Runner(Protocol):
    """What functions that start programs take, so that a test can record it."""

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                 stdin: bytes = b"") -> str: ...


def run(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
        stdin: bytes = b"") -> str:
    """Run one program and return its standard output as text.

    ``argv`` is the argument list, never a shell line; ``stdin`` is what the
    program reads; its messages are in the C locale.

    Raises CommandError if it is missing or its status is not in ``ok``.
    """
    words = [os.fspath(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=_environment(), check=False)
    except OSError as exc:
        raise CommandError(
            f"{words[0]} cannot be started: {exc.strerror}", argv=words, returncode=None,
            hint=f"Install the program {words[0]} on this machine, then try again.",
        ) from exc
    if done.returncode not in ok:
        errors = done.stderr.decode(errors="replace").strip()
        raise CommandError(
            f"{' '.join(words)} failed with status {done.returncode}"
            + (f": {errors}" if errors else ""),
            argv=words, returncode=done.returncode, output=errors)
    return done.stdout.decode(errors="replace")


def _environment(base: Optional[Mapping[str, str]] = None) -> Mapping[str, str]:
    """Return the environment for programs: this one's, in the C locale."""
    return {**(os.environ if base is None else base), "LC_ALL": "C.UTF-8"}
