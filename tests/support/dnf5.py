"""A Debian sid with DNF 5 in which this checkout is installed."""
from __future__ import annotations

import contextlib
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest

from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.system.run import run

TOP = Path(__file__).resolve().parent.parent.parent
_PACKAGES = ("dnf5", "rpm", "python3", "python3-rpm", "python3-lxml")
_SITE = "/usr/lib/python3/dist-packages"


@functools.lru_cache(maxsize=None)
def tree() -> Path:
    """Return the tree of Debian sid, which is read only. The first call on a machine builds it.

    sid changes every day. If the tree cannot be built, the test is skipped with
    debootstrap's output. Raises CommandError if debootstrap is missing.
    """
    run(["debootstrap", "--version"])
    try:
        return Path(run([TOP / "tools" / "chroot", "dnf5", "sid", *_PACKAGES]).strip())
    except CommandError as exc:
        pytest.skip(f"there is no Debian sid with DNF 5 to be had: {exc.output}")


@dataclass(frozen=True)
class Dnf5Answer:
    """The exit status and output of one run of DNF 5."""

    status: int
    text: str


class Dnf5Machine:
    """A system with DNF 5; ``top`` is the path of its root on this machine."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def __call__(self, *words: object) -> Dnf5Answer:
        """Run dnf5 with ``words``."""
        completed = subprocess.run(
            ["chroot", str(self.top), "dnf5", *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "COLUMNS": "200"})
        return Dnf5Answer(completed.returncode, completed.stdout)


@contextlib.contextmanager
def dnf5_machine(work: Path) -> Iterator[Dnf5Machine]:
    """Yield a system in the new folder ``work``: an overlay with this checkout installed."""
    work.mkdir()
    with contextlib.ExitStack() as stack:
        def mount(*words: object, at: Path) -> None:
            at.mkdir(parents=True, exist_ok=True)
            run(["mount", *map(str, words), at])
            stack.callback(run, ["umount", at])

        mount("-t", "tmpfs", "tmpfs", at=work)
        for name in ("upper", "work"):
            (work / name).mkdir()
        top = work / "root"
        mount("-t", "overlay", "overlay", "-o",
              f"lowerdir={tree()},upperdir={work / 'upper'},workdir={work / 'work'}", at=top)
        mount("-t", "proc", "proc", at=top / "proc")
        mount("--bind", "/dev", at=top / "dev")
        run(["make", "-C", TOP, "install", f"DESTDIR={top}", f"BUILD={work / 'build'}",
             f"SITELIB={_SITE}", "PLUGINDIR=/usr/lib/dnf-plugins"])
        # Debian enables a plugin that keeps all packages and needs createrepo_c
        (top / "etc/dnf/libdnf5-plugins/local.conf").write_text(
            "[main]\nname = local\nenabled = 0\n")
        yield Dnf5Machine(top)
