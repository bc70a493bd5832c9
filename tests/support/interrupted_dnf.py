"""A dnf that receives a signal at a chosen change of a file."""
from __future__ import annotations

import dataclasses
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import List

from tests.support.dnf_runner import TOP, Answer, Dnf

# Python calls audit hooks before these operations (the table of audit events in Python's
# library reference). Changes made by rpm's C code are not seen.
_HOOK = '''
import os, sys
_EVENTS = {"os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.link": 1,
           "os.symlink": 1, "os.chmod": 0, "os.chown": 0, "os.utime": 0, "os.setxattr": 0}
_ROOT = os.environ["KILL_ROOT"] + "/"
_EXCLUDED = tuple(_ROOT + name for name in ("var/log", "var/cache", "var/lib/dnf", "root"))
_LOG = os.open(os.environ["KILL_LOG"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
_remaining = int(os.environ["KILL_AT"])

def _absolute(path, folder):
    """Return an absolute path in place of one below an open folder."""
    if isinstance(folder, int) and folder >= 0:
        path = f"/proc/self/fd/{folder}/{path}"
    if not path.startswith("/proc/self/fd/"):
        return path
    number, _, name = path[len("/proc/self/fd/"):].partition("/")
    return os.path.join(os.readlink(f"/proc/self/fd/{number}"), name)

def _hook(event, args):
    global _remaining
    if event == "open":
        path = args[0] if (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else None
    else:
        path = args[_EVENTS[event]] if event in _EVENTS else None
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    elif hasattr(path, "__fspath__"):
        path = path.__fspath__()
    if isinstance(path, str):
        path = _absolute(path, args[1] if event in ("os.remove", "os.rmdir") else None)
    if not isinstance(path, str) or not path.startswith(_ROOT) or path.startswith(_EXCLUDED):
        return
    os.write(_LOG, f"{event} {path[len(_ROOT):]!r}\\n".encode())
    _remaining -= 1
    if _remaining == 0:
        os.kill(os.getpid(), int(os.environ["KILL_SIGNAL"]))

sys.addaudithook(_hook)
'''


@dataclass
class InterruptedDnf:
    """Runs ``dnf node-plugin`` on ``root``; ``folder`` contains the audit hook and its log."""

    dnf: Dnf
    root: Path
    folder: Path
    epoch: int = 1700000000

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(_HOOK)

    def __call__(self, *words: object, at: int = 0,
                 sent: signal.Signals = signal.SIGKILL) -> Answer:
        """Run with ``words``; send the signal at change number ``at``, never if it is 0."""
        prefix = ("env", f"PYTHONPATH={self.folder}:{TOP}", f"KILL_ROOT={self.root}",
                  f"KILL_LOG={self.folder / 'log'}", f"KILL_AT={at}", f"KILL_SIGNAL={int(sent)}",
                  f"SOURCE_DATE_EPOCH={self.epoch}")
        return dataclasses.replace(self.dnf, prefix=prefix).plugin(self.root, *words)

    def events(self) -> List[str]:
        """Return one line for each change that the last run began."""
        return (self.folder / "log").read_text().splitlines()


def evenly_spaced(total: int, points: int) -> List[int]:
    """Return ``points`` numbers from 1 to ``total``, including both."""
    if total <= points:
        return list(range(1, total + 1))
    return sorted({1 + round(step * (total - 1) / (points - 1)) for step in range(points)})
