"""Hosts on which the page is shown: a tree in which programs run, or a booted system."""
from __future__ import annotations

import contextlib
import dataclasses
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

from ovirt_node_plugin.system.run import StrPath, run
from tests.support import schemas
from tests.support.container import booted
from tests.support.dnf_runner import TOP, Answer
from tests.support.full_host import full_host_root

from .tree import USER, USER_ID, furnish

NODE = ('ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\nVARIANT_ID="ovirt-node"\n'
        'VARIANT="oVirt Node 4.5.5"\nPRETTY_NAME="oVirt Node 4.5.5"\n')
LIBRARY = "etc/ovirt-node-plugin/plugins.d"
REGISTRY = "etc/ovirt.plugins.d"
# The environment of a session of Cockpit. A bridge without these two addresses starts a
# dbus-daemon and an ssh-agent, which outlive it here and use up the machine's inotify instances.
_SESSION = ("env", "-i", "LANG=C.UTF-8", "DBUS_SESSION_BUS_ADDRESS=unix:path=/dev/null",
            "SSH_AUTH_SOCK=/dev/null",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
# Runs a command chrooted into a tree, in a mount namespace of its own.
_ENTER = """#!/bin/sh
set -e
root=$1 folders=$2 options=$3 writable=$4
shift 4
for folder in $writable; do mount --bind "$root/$folder" "$root/$folder"; done
for folder in /proc /sys /dev $folders; do
    mkdir -p "$root$folder"
    mount --rbind "$folder" "$root$folder"
done
mount -o "remount,bind,$options" "$root"
exec chroot "$root" "$@"
"""


@dataclass(frozen=True)
class Host:
    """A host: its tree, which tests may change, and how programs are started in it.

    ``shared`` is a folder that has the same path outside and in it.
    """

    root: Path
    shared: Path
    prefix: Tuple[str, ...]

    def argv(self, *words: StrPath, user: str = "root") -> List[str]:
        """Return the argument list that runs a program as in a user's session."""
        if user == "root":
            who: Sequence[str] = (*_SESSION, "HOME=/root", "USER=root")
        else:
            who = ("setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups",
                   *_SESSION, f"HOME=/home/{USER}", f"USER={USER}")
        return [*self.prefix, *who, *map(str, words)]

    def __call__(self, *words: StrPath, ok: Sequence[int] = (0,)) -> str:
        """Run a program as root; return its output without the last newline."""
        return run(self.argv(*words), ok=ok).rstrip("\n")

    def plugin(self, *words: object, status: int = 0) -> Answer:
        """Run ``dnf node-plugin`` as root; its exit status must be ``status``."""
        argv = ["dnf", "node-plugin", *map(str, words)]
        done = subprocess.run(self.argv(*argv), stdin=subprocess.DEVNULL, capture_output=True,
                              encoding="utf-8", check=False)
        answer = Answer(done.returncode, done.stdout, done.stderr,
                        schemas.dnf_answer_schema(argv))
        assert answer.status == status, answer.text
        return answer

    def set_release(self, text: str) -> None:
        """Replace os-release."""
        (self.root / "etc/os-release").write_text(text, encoding="utf-8")

    def add_to_library(self, bundle: Path, name: str) -> None:
        """Copy a folder bundle into the library as ``name``."""
        shutil.copytree(bundle, self.root / LIBRARY / name, symlinks=True)

    def reset(self) -> None:
        """Remove the plugins that a test installed, its bundles and its failed units."""
        records = self.root / REGISTRY
        names = sorted(path.name for path in records.iterdir()) if records.is_dir() else []
        if names:
            self.plugin("remove", "-y", *names)
        shutil.rmtree(self.root / LIBRARY, ignore_errors=True)
        self("systemctl", "reset-failed")


@contextlib.contextmanager
def host(work: Path) -> Iterator[Host]:
    """Yield a host without systemd, whose root is ``/`` of the programs that run in it.

    It takes no time to make, so that each test can have one; ``work`` must not be on an
    overlay. No service runs there: what starts them needs ``booted_host``.
    """
    with _furnished(work) as (root, shared):
        script = work / "enter"
        script.write_text(_ENTER, encoding="utf-8")
        yield Host(root, shared, (
            "unshare", "--mount", "--propagation", "slave", "sh", str(script), str(root),
            f"{TOP} {shared}", "rw", ""))


def read_only(host: Host, *, but: Sequence[str] = ()) -> Host:
    """Return ``host``, which is not booted, with a root that is mounted read-only.

    ``but`` are folders of it, relative to the root, that remain writable.
    """
    return dataclasses.replace(host, prefix=(*host.prefix[:-2], "ro", " ".join(but)))


@contextlib.contextmanager
def booted_host(work: Path) -> Iterator[Host]:
    """Yield a host that systemd booted in a container."""
    with _furnished(work) as (root, shared), booted(root, shared=[TOP, shared]) as machine:
        yield Host(root, shared, machine.prefix)


@contextlib.contextmanager
def _furnished(work: Path) -> Iterator[Tuple[Path, Path]]:
    shared = work / "shared"
    shared.mkdir(parents=True)
    shared.chmod(0o755)
    with full_host_root(work / "system") as root:
        furnish(root)
        yield root, shared
