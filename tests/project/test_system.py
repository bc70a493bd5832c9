"""The system that tests change and boot: built once, read only, and always unmounted."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Mapping

import pytest

from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.system.run import run
from tests.support.container import booted
from tests.support.dnf_runner import TOP
from tests.support.full_host import full_host_root
from tests.support.full_node import full_node
from tests.support.rpms import FixtureError

pytestmark = [pytest.mark.root]

DEBOOTSTRAP = """#!/bin/sh
echo "$@" >>"$LOG"
for target; do case $target in */.new.*) break ;; esac; done
mkdir -p "$target/var/cache/apt" "$target/var/lib/apt/lists"
[ -z "$FAIL" ]
"""


@pytest.fixture
def fake(tmp_path: Path) -> Mapping[str, str]:
    """An environment with its own cache and a debootstrap that only makes folders."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/debootstrap"
    program.write_text(DEBOOTSTRAP)
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "FAIL": "",
            "XDG_CACHE_HOME": str(tmp_path / "cache"), "LOG": str(tmp_path / "log"),
            "DEBIAN_MIRROR": "file:///srv/mirror"}


def chroot(env: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(TOP / "tools/chroot"), *words], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def test_a_chroot_is_built_once_for_the_same_packages(fake: Mapping[str, str]) -> None:
    made = chroot(fake, "test", "bookworm", "dnf", "rpm")
    assert made.returncode == 0, made.stderr
    assert chroot(fake, "test", "bookworm", "rpm", "dnf", "rpm").stdout == made.stdout
    log = Path(fake["LOG"]).read_text().splitlines()
    assert len(log) == 1 and log[0].endswith(" file:///srv/mirror")
    assert log[0].startswith("--variant=minbase --include=dnf,rpm bookworm ")


def test_a_chroot_of_other_packages_or_another_recipe_replaces_it(fake: Mapping[str, str]) -> None:
    places = [Path(chroot(fake, *words, "test", "bookworm", name).stdout.strip())
              for words, name in (((), "dnf"), ((), "rpm"), (("--recipe", "2"), "rpm"))]
    assert [place.is_dir() for place in places] == [False, False, True]


def test_a_failed_build_leaves_no_chroot(fake: Mapping[str, str]) -> None:
    done = chroot({**fake, "FAIL": "yes"}, "test", "bookworm", "dnf")
    assert done.returncode != 0 and "debootstrap cannot make bookworm" in done.stderr
    assert chroot(fake, "test", "bookworm", "dnf").returncode == 0
    assert len(Path(fake["LOG"]).read_text().splitlines()) == 2


def mounts_below(folder: Path) -> int:
    return sum(f" {folder}" in line for line in Path("/proc/mounts").read_text().splitlines())


def test_changes_of_a_system_are_not_in_the_next_one(tmp_path: Path) -> None:
    with full_host_root(tmp_path / "one") as root:
        (root / "usr/share/written").write_text("")
        (root / "etc/passwd").unlink()
        assert "systemd\n" in run(["chroot", root, "rpm", "-qa", "--queryformat", "%{NAME}\\n"])
    with full_host_root(tmp_path / "two") as other:
        for root in (other, full_node().tree):
            assert (root / "etc/passwd").exists() and not (root / "usr/share/written").exists()
    assert mounts_below(tmp_path) == 0


def test_a_system_is_unmounted_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), full_host_root(tmp_path / "one"):
        raise ZeroDivisionError
    assert mounts_below(tmp_path) == 0


def test_a_failed_unmount_of_a_system_in_use_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="busy"), full_host_root(tmp_path / "one") as root:
        stream = open(root / "etc/passwd")
    stream.close()
    run(["umount", root])


def test_a_system_that_does_not_boot_is_reported_and_unmounted(tmp_path: Path) -> None:
    with pytest.raises(FixtureError, match="the container has not started"), \
            full_host_root(tmp_path / "one") as root:
        (root / "usr/sbin/init").unlink(missing_ok=True)
        (root / "usr/lib/systemd/systemd").unlink()
        with booted(root, shared=[]):
            pass
    assert mounts_below(tmp_path) == 0
