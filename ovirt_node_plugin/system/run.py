"""Start programs; no other module does."""
from __future__ import annotations

import os
import subprocess
from typing import Callable, Container, Mapping, Optional, Protocol, Sequence, Tuple, Union

from ..errors import CommandError

StrPath = Union[str, "os.PathLike[str]"]
Polled = Optional[Callable[[int], None]]
_POLL_S = 0.2


class Runner(Protocol):
    """A function like ``run``; functions that start programs take one, so tests can fake it."""

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                 stdin: bytes = b"", polled: Polled = None) -> str: ...


def run(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
        stdin: bytes = b"", polled: Polled = None) -> str:
    """Run one program and return its standard output as text.

    ``argv`` is the argument list; ``stdin`` is its standard input. It runs in the C locale.
    ``polled`` is called with its process id five times a second while it runs.

    Raises CommandError if it cannot be started or its status is not in ``ok``.
    """
    words = [os.fspath(word) for word in argv]
    try:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=_environment())
    except OSError as exc:
        raise _not_started(words, exc) from exc
    with process:
        try:
            out, err = _communicate(process, stdin, polled)
        except BaseException:
            process.kill()
            raise
    if process.returncode not in ok:
        errors = err.decode(errors="replace").strip()
        raise CommandError(
            f"{' '.join(words)} failed with status {process.returncode}"
            + (f": {errors}" if errors else ""),
            argv=words, returncode=process.returncode, output=errors)
    return out.decode(errors="replace")


def _communicate(process: "subprocess.Popen[bytes]", stdin: bytes,
                 polled: Polled) -> Tuple[bytes, bytes]:
    """Return the output and errors of a program, polling it; see subprocess.Popen."""
    if polled is None:
        return process.communicate(stdin)
    given: Optional[bytes] = stdin
    while True:
        try:
            return process.communicate(given, timeout=_POLL_S)
        except subprocess.TimeoutExpired:
            given = None
            polled(process.pid)


def attached(argv: Sequence[StrPath]) -> int:
    """Run one program on the terminal of this process and return its exit status.

    Raises CommandError if it cannot be started.
    """
    words = [os.fspath(word) for word in argv]
    try:
        return subprocess.run(words, check=False).returncode
    except OSError as exc:
        raise _not_started(words, exc) from exc


def _not_started(words: Sequence[str], exc: OSError) -> CommandError:
    return CommandError(
        f"{words[0]} cannot be started: {exc.strerror}", argv=words, returncode=None,
        hint=f"Install the program {words[0]} on this machine, then try again.")


def _environment(base: Optional[Mapping[str, str]] = None) -> Mapping[str, str]:
    """Return the environment for programs: that of this process, in the C locale."""
    return {**(os.environ if base is None else base), "LC_ALL": "C.UTF-8"}
