"""Runs Python programs of the system without starting Python and importing libraries each time.

A process of /usr/bin/python3 imports what ``dnf-3`` and ``ovirt-node-plugin`` import, and forks
for every run; the child executes the program's own file. So a run costs what it does, not what
its start does, which is half of the processor time of most tests. What a run reads before its
first import is that of the process: the environment above all. Runs with another environment
are therefore started plainly (see ``run``).
"""
from __future__ import annotations

import array
import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence

TOP = Path(__file__).resolve().parents[2]
_MESSAGE = 1 << 17  # bytes of one request, which hold an argument list and a folder
# As a start takes: rpmdb tells what DNF's start made from what was made just before by the time.
_START_S = 0.03
_PYTEST = frozenset(("PYTEST_CURRENT_TEST",))  # changes with every test and is nobody's setting


@dataclass(frozen=True)
class Completed:
    """The exit status, negative for a signal, and the output of one run."""

    returncode: int
    stdout: str
    stderr: str


# --- the side of the tests -------------------------------------------------------------


def run(argv: Sequence[str], stdin: str, environment: Dict[str, str]) -> Completed:
    """Run an argument list and return what came of it.

    It is run by the server if its program is a script of /usr/bin/python3 and its environment
    is that of the first run; else it is started.
    """
    global _server
    wanted = {key: environment[key] for key in environment.keys() - _PYTEST}
    script = _script(argv[0], wanted["PATH"])
    if script is None:
        return _started(argv, stdin, environment)
    if _server is None:
        _server = _Server(wanted)
    if _server.environment != wanted:
        return _started(argv, stdin, environment)
    return _server.run([script, *argv[1:]], stdin)


def _started(argv: Sequence[str], stdin: str, environment: Dict[str, str]) -> Completed:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, env=environment,
                          check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


def _script(program: str, path: str) -> Optional[str]:
    """Return the file of ``program`` if /usr/bin/python3 runs it without options."""
    for folder in path.split(":"):
        file = os.path.join(folder, program)  # which is the program itself if it is absolute
        if os.path.isfile(file):
            with open(file, "rb") as opened:
                return file if opened.readline() == b"#!/usr/bin/python3\n" else None
    return None


class _Server:
    """The process that forks; it ends with this one."""

    def __init__(self, environment: Dict[str, str]) -> None:
        self.environment = environment
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                ["/usr/bin/python3", __file__, str(theirs.fileno())], env=environment,
                stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        atexit.register(self._end)

    def run(self, argv: Sequence[str], stdin: str) -> Completed:
        """Run a script with its arguments."""
        files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        answer, theirs = os.pipe()
        try:
            os.write(files[0], stdin.encode())
            os.lseek(files[0], 0, os.SEEK_SET)
            request = json.dumps([os.getcwd(), *argv]).encode()
            assert len(request) < _MESSAGE
            descriptors = array.array("i", [*files, theirs]).tobytes()
            self._ours.sendmsg([request],
                               [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
            os.close(theirs)
            theirs = -1
            status = os.read(answer, 32)
            assert status, f"the process that runs {argv[0]} ended"
            return Completed(int(status), *(_content(file) for file in files[1:]))
        finally:
            for descriptor in (*files, answer, theirs):
                if descriptor >= 0:
                    os.close(descriptor)

    def _end(self) -> None:
        self._ours.close()
        self._process.wait()


_server: Optional[_Server] = None


def _content(file: int) -> str:
    with open(os.dup(file), encoding="utf-8") as opened:
        opened.seek(0)
        return opened.read()


# --- the side of the server ------------------------------------------------------------


def _serve(requests: socket.socket) -> None:
    """Fork for every request, and answer with the status when the child has ended.

    It returns in the child, which then runs the request, and never in the server.
    """
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not requests:
                pid, answer = key.data
                selector.unregister(key.fileobj)
                os.close(key.fd)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.write(answer, str(status).encode())
                os.close(answer)
                continue
            received = _received(requests)
            if received is None:
                os._exit(0)
            words, files = received
            pid = os.fork()
            if pid == 0:
                selector.close()
                requests.close()
                _become(words, files)
                return
            for file in files[:3]:
                os.close(file)
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, files[3]))


def _received(requests: socket.socket) -> Optional[tuple[List[str], List[int]]]:
    """Return the folder, script and arguments of the next request, and its files."""
    size = array.array("i").itemsize
    message, ancillary, _, _ = requests.recvmsg(_MESSAGE, socket.CMSG_SPACE(4 * size))
    if not message:
        return None
    files = array.array("i")
    for _, _, content in ancillary:
        files.frombytes(content[:len(content) - len(content) % size])
    return json.loads(message), list(files)


def _become(words: List[str], files: List[int]) -> None:
    """Take over the files, the folder and the arguments of a request."""
    for number in range(3):
        os.dup2(files[number], number)
    for file in files:
        os.close(file)
    os.chdir(words[0])
    sys.argv = words[1:]
    sys.path[0] = os.path.dirname(os.path.realpath(sys.argv[0]))
    signal.set_wakeup_fd(-1)
    time.sleep(_START_S)


def _import_libraries() -> None:
    """Import what the programs import."""
    import pkgutil
    from importlib import import_module

    import dnf.cli.main  # noqa: F401

    import ovirt_node_plugin

    for module in pkgutil.walk_packages(ovirt_node_plugin.__path__, "ovirt_node_plugin."):
        if ".dnf5" not in module.name:  # needs DNF 5, which imports into no process of DNF 4
            import_module(module.name)


if __name__ == "__main__":
    del sys.path[0]
    sys.path.insert(0, "")
    _import_libraries()
    gc.freeze()  # so that the children do not copy its pages
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_path(sys.argv[0], run_name="__main__")
