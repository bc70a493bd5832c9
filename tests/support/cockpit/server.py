"""cockpit-ws with the session of one user on a host."""
from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Iterator

from .hosts import Host

_PROGRAM = ("/usr/lib/cockpit/cockpit-ws", "/usr/libexec/cockpit-ws")  # Debian, EL
_FIRST_SOCKET = 3  # sd_listen_fds(3)


@contextlib.contextmanager
def served(host: Host, work: Path, *, user: str) -> Iterator[str]:
    """Yield the address of Cockpit on this machine, with a session of ``user`` on ``host``.

    The server gets a socket that listens already: no port has to be guessed, and the first
    request waits for the server. It accepts no second connection long after the first ended.
    """
    work.mkdir(parents=True, exist_ok=True)
    bridge = work / "bridge"
    bridge.write_text(f"#!/bin/sh\nexec {shlex.join(host.argv('cockpit-bridge', user=user))}\n",
                      encoding="utf-8")
    bridge.chmod(0o755)
    program = next(path for path in _PROGRAM if os.path.exists(path))
    with socket.create_server(("127.0.0.1", 0)) as listening, open(work / "log", "wb") as log:
        # LISTEN_PID is the process itself, which is known only within it
        script = f'exec {_FIRST_SOCKET}<&{listening.fileno()}; LISTEN_PID=$$; export LISTEN_PID;' \
                 ' exec "$@"'
        server = subprocess.Popen(
            ["bash", "-c", script, "bash", program, "--no-tls", f"--local-session={bridge}"],
            env={**os.environ, "LISTEN_FDS": "1"}, pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            _end(server)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End the server. The bridge and what it started end when their pipe is closed."""
    server.terminate()
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
