"""Run a program of a root in it, sealed, with a /dev, /proc and /tmp of its own.

``argv`` returns the command line that does this, because every program is started as an
argument list. The program sees the root as /. Its namespaces end with that process, which the
kernel kills when its parent ends. So no mount and no process remains.
"""
from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import List, NoReturn, Optional, Sequence

from ..system import kernel
from ..system.run import StrPath
from ..system.source_date import VARIABLE
from ..system.words import printable
from . import sealed
from .capabilities import KEPT
from .view import View

# -I ignores the environment and the current folder, so the library's folder is an argument
_START = ("import sys; sys.path.insert(0, sys.argv[1]);"
          " from ovirt_node_plugin.isolation import program; program.main(sys.argv[2:])")
_LIBRARY = str(Path(__file__).resolve().parents[2])
_RESOLVER = "etc/resolv.conf"
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C",
                "TMPDIR": "/tmp"}


def argv(root: Path, words: Sequence[str], *, temporary: Optional[Path] = None,
         network: bool = False, volatile: bool = False, live: bool = False) -> List[StrPath]:
    """Return the command line that runs the program and arguments ``words`` in ``root``.

    ``temporary`` is a folder of this machine to be the root's /tmp. With ``network`` the
    program has this machine's network and resolver, otherwise none; with ``volatile`` the
    root's /run is in memory. With ``live``, the root is the running system: the program is
    not sealed, and only its /tmp and its processes are its own.
    """
    given = {"--network": network, "--volatile": volatile, "--live": live}
    options = [*([f"--temporary={os.path.realpath(temporary)}"] if temporary else ()),
               *(option for option, is_given in given.items() if is_given)]
    return [sys.executable, "-I", "-c", _START, _LIBRARY, *options, "--", root, *words]


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the program of a command line of ``argv``, and exit with its status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--temporary", default="")
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--volatile", action="store_true")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("root")
    parser.add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    view = View(os.path.realpath(options.root), temporary=options.temporary,
                volatile=("run",) if options.volatile else (),
                shown=((f"/{_RESOLVER}", _RESOLVER),) if options.network else ())
    kernel.end_with_parent()
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
    except OSError as exc:
        sys.exit(str(sealed.impossible(str(exc.strerror))))
    first = os.fork()
    if not first:
        _first(view, options)
    _, status = os.waitpid(first, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)  # as a shell reports a signal


def _first(view: View, options: argparse.Namespace) -> NoReturn:
    with sealed.process_of_its_own(1):
        kernel.end_with_parent()
        if not os.isatty(0):
            os.setsid()  # a program without a terminal cannot open that of the user either
        try:
            if options.live:
                _apart(view)
            else:
                _keep_terminal()
                sealed.seal(view, network=options.network)
        except OSError as exc:
            sys.stderr.write(printable(f"{sealed.impossible(exc.strerror or str(exc))}\n",
                                       keep="\n"))
            sys.stderr.flush()
            os._exit(1)
        worker = os.fork()
        if not worker:
            _program(view.root, options)
        sealed.wait_for(worker)
    os._exit(1)


def _keep_terminal() -> None:
    """Open the terminal again by a read-only mount, so that its mode and owner stay as they are."""
    for number in filter(os.isatty, range(3)):
        with contextlib.suppress(OSError):  # a terminal of another namespace has no name here
            name = os.ttyname(number)
            kernel.unshare(kernel.CLONE_NEWNS)
            kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)
            kernel.mount(name, name, None, kernel.MS_BIND)
            kernel.mount(None, name, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)
            terminal = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            os.dup2(terminal, number)
            os.close(terminal)


def _apart(view: View) -> None:
    """Give this process mounts of its own on the running system."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)
    kernel.mount("proc", "/proc", "proc",
                 kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    if view.temporary:
        kernel.mount(view.temporary, "/tmp", None, kernel.MS_BIND)


def _program(root: str, options: argparse.Namespace) -> NoReturn:
    words: List[str] = options.words
    with sealed.process_of_its_own(1):
        if not options.live:
            kernel.keep_capabilities(KEPT)
        os.chroot(root)
        os.chdir("/")
        try:
            os.execvpe(words[0], words, {
                **_ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb"),
                **{name: os.environ[name] for name in (VARIABLE,) if name in os.environ}})
        except OSError as exc:
            sys.stderr.write(f"{printable(f'{words[0]}: {exc}')}\n")
            sys.stderr.flush()
            os._exit(1)
    os._exit(1)
