"""Start programs; no other module does."""
from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import selectors
import shutil
import signal
import subprocess
import time
from typing import (
    Callable,
    Container,
    Iterator,
    List,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    Type,
    Union,
)

from ..errors import CommandError, NodePluginError, RolledBack
from . import source_date
from .limits import OUTPUT_BYTES, PROGRAM_S

StrPath = Union[str, "os.PathLike[str]"]
_LAST_LINES = 5  # of what a program printed, in a message
# strerror(3) in English, in which all programs run
_DISK_ERROR = re.compile("|".join(os.strerror(number) for number in (
    errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EFBIG)))
Polled = Optional[Callable[[int], None]]
_POLL_S = 0.2
# The programs that get SOURCE_DATE_EPOCH. Others, such as mksquashfs, would also change times of
# files that were there before; they get the time as an option.
_DATED = ("dnf-3", "dracut", "mcopy", "rpmbuild")
# The present time for e2fsprogs, 0 for none: lib/ext2fs/openfs.c, e2fsck/e2fsck.c
_E2FSPROGS_TIMES = ("E2FSPROGS_FAKE_TIME", "E2FSCK_TIME")


class Runner(Protocol):
    """A function like ``run``; functions that start programs take one, so tests can fake it."""

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                 stdin: bytes = b"", polled: Polled = None) -> str: ...


def run_on_root(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                stdin: bytes = b"", polled: Polled = None) -> str:
    """Run one program as ``run``, for at most PROGRAM_S.

    Programs that read files of a root would wait for ever on a fifo among them.

    Raises CommandError as ``run``, and if the program was killed because it took longer.
    """
    until = time.monotonic() + PROGRAM_S

    def checked(process_id: int) -> None:
        if time.monotonic() > until:
            raise _took_too_long(argv)
        if polled:
            polled(process_id)
    return run(argv, ok=ok, stdin=stdin, polled=checked)


def run(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
        stdin: bytes = b"", polled: Polled = None) -> str:
    """Run one program and return its standard output as text.

    ``argv`` is the argument list; ``stdin`` is its standard input. It runs in the C locale.
    ``polled`` is called with its process id five times a second while it runs; if that raises,
    the program is killed.

    Raises CommandError if it cannot be started or its status is not in ``ok``.
    """
    words = [os.fspath(word) for word in argv]
    try:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=_environment(words))
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
        raise CommandError(_failure(words, process.returncode, errors), argv=words,
                           returncode=process.returncode, output=errors)
    return out.decode(errors="replace")


@contextlib.contextmanager
def explained(what: str, error: Type[NodePluginError] = RolledBack, *,
              hint: str = "", disk_hint: str = "") -> Iterator[None]:
    """Raise ``error``, which says ``what`` is the matter, for a program that fails.

    The message ends with the last lines that the program printed. ``disk_hint`` is used instead
    of ``hint`` if the program reports that a disk is full or fails. CommandError for a program
    that cannot be started is raised as it is.
    """
    try:
        yield
    except CommandError as exc:
        if exc.returncode is None:
            raise
        if disk_hint and _DISK_ERROR.search(exc.output):
            hint = disk_hint
        raise error(f"{what}: {exc.message}", hint=hint) from exc


def _failure(words: Sequence[str], status: int, errors: str) -> str:
    """Return a message: the program, its ``status`` and the last lines of its ``errors``."""
    lines = errors.splitlines()[-_LAST_LINES:]
    ended = f"status {status}" if status >= 0 else f"signal {-status}"
    return "\n  ".join([f"{_program(words)} ended with {ended}" + (":" if lines else ""),
                        *map(str.strip, lines)])


def _program(words: Sequence[str]) -> str:
    """Return the name of the program that an argument list runs, also if by another program."""
    program = words[0]
    if program == "prlimit":
        program = next(word for word in words[1:] if not word.startswith("-"))
    elif list(words[1:3]) == ["-I", "-c"] and "--" in words:  # isolation.program: -- ROOT
        program = words[words.index("--") + 2]
    return program.rpartition("/")[2]


def _communicate(process: "subprocess.Popen[bytes]", stdin: bytes,
                 polled: Polled) -> Tuple[bytes, bytes]:
    """Return the output and errors of a program, polling it.

    Unlike subprocess.Popen.communicate, this limits what is kept in memory.
    """
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    parts: Mapping[int, List[bytes]] = {process.stdout.fileno(): [], process.stderr.fileno(): []}
    waiting, size_bytes = memoryview(stdin), 0
    with selectors.DefaultSelector() as selector:
        for handle in parts:
            selector.register(handle, selectors.EVENT_READ)
        selector.register(process.stdin.fileno(), selectors.EVENT_WRITE)
        poll_at = time.monotonic() + _POLL_S
        while selector.get_map():
            events = selector.select(max(0.0, poll_at - time.monotonic()) if polled else None)
            for key, _ in events:
                if key.fd not in parts:
                    waiting = _fed(key.fd, waiting)
                    if not waiting:
                        selector.unregister(key.fd)
                        process.stdin.close()
                    continue
                data = os.read(key.fd, 1 << 16)
                parts[key.fd].append(data)
                size_bytes += len(data)
                if not data:
                    selector.unregister(key.fd)
                if size_bytes > OUTPUT_BYTES:
                    raise _printed_too_much(process)
            if polled and time.monotonic() >= poll_at:
                polled(process.pid)
                poll_at = time.monotonic() + _POLL_S
    _wait(process, polled)
    out, err = (b"".join(part) for part in parts.values())
    return out, err


def _fed(handle: int, data: memoryview) -> memoryview:
    """Write a part of ``data`` to a pipe; return the rest, none if nobody reads it."""
    try:
        return data[os.write(handle, data[:select.PIPE_BUF]):]
    except BrokenPipeError:
        return memoryview(b"")


def _wait(process: "subprocess.Popen[bytes]", polled: Polled) -> None:
    """Wait for the end of a program that has closed its output."""
    while True:
        try:
            process.wait(timeout=_POLL_S if polled else None)
            return
        except subprocess.TimeoutExpired:
            assert polled is not None
            polled(process.pid)


def _printed_too_much(process: "subprocess.Popen[bytes]") -> CommandError:
    assert isinstance(process.args, list)
    words = [os.fspath(word) for word in process.args]
    return CommandError(f"{_program(words)} printed more than {OUTPUT_BYTES} bytes",
                        argv=words, returncode=-signal.SIGKILL,
                        hint="Find out what in its input makes it print so much.")


def _took_too_long(argv: Sequence[StrPath]) -> CommandError:
    words = [os.fspath(word) for word in argv]
    return CommandError(
        f"{_program(words)} did not end within {PROGRAM_S:.0f} seconds; it may wait for a fifo in"
        " the root", argv=words, returncode=-signal.SIGKILL,
        hint="Search the root for one: find ROOT -xdev -type p")


def size_limited(argv: Sequence[StrPath], *, most_bytes: int) -> List[StrPath]:
    """Return the argument list that runs ``argv`` so that it writes no larger file; prlimit(1).

    Raises CommandError if its program is missing, which prlimit would not tell from a failure.
    """
    require_program(os.fspath(argv[0]))
    return ["prlimit", f"--fsize={most_bytes}", "--core=0", *argv]


def time_limited(argv: Sequence[StrPath], *, most_s: int) -> List[StrPath]:
    """Return the argument list that runs ``argv`` for at most ``most_s`` of processor time.

    Raises CommandError if its program is missing.
    """
    require_program(os.fspath(argv[0]))
    return ["prlimit", f"--cpu={most_s}", "--core=0", *argv]


def require_program(name: str) -> None:
    """Raise CommandError, as ``run`` does, if this machine has no program ``name``."""
    if shutil.which(name) is None:
        raise _not_started([name], FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))


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


def _environment(words: Sequence[str]) -> Mapping[str, str]:
    """Return the environment for a program: that of this process, in the C locale.

    With SOURCE_DATE_EPOCH the time zone is UTC.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    date = source_date.source_date()
    if date is not None:
        environment["TZ"] = "UTC"  # FAT has local times, and an ISO the time zone
        environment.update(dict.fromkeys(_E2FSPROGS_TIMES, str(max(date, 1))))
    if source_date.VARIABLE in environment and _program(words) not in _DATED:
        del environment[source_date.VARIABLE]
    return environment
