"""Scriptlets in an image have the system of a container around them; nothing of it stays."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Callable, Dict

import pytest

from ovirt_node_plugin.system.path_sets import SURROUNDINGS
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

# Each line fails without what it uses; the last ones leave something behind.
USE = """set -e
for name in null zero full random urandom tty ptmx; do test -c /dev/$name; done
test "$(echo text | cat /dev/stdin)" = text && test "$(echo text | cat /dev/fd/0)" = text
test -d /dev/pts && echo x > /dev/shm/left && echo x > /dev/left && ! echo x > /dev/full
test "$(head -c 9 /dev/urandom | wc -c)" = 9
grep -q MemTotal /proc/meminfo && test -e /proc/self/exe
test -d "$(mktemp -d)" && test -f "$(mktemp -p /var/tmp)" && test -k /tmp && test -k /var/tmp
mkdir /run/left-$$ && echo x > /run/left-$$/pid && echo x > /tmp/left && echo x > /var/tmp/left"""
SECTIONS = ("pre", "post", "preun", "postun", "posttrans")


def lacking(root: Path) -> None:
    """Remove everything, with the folders themselves."""
    for name in SURROUNDINGS:
        shutil.rmtree(root / name)


def filled(root: Path) -> None:
    """Make files of other kinds, as scriptlets of an image's build leave them."""
    for name in SURROUNDINGS:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "old").write_text("old")
    (root / "dev/null").unlink(missing_ok=True)
    (root / "dev/null").write_text("a plain file")


@pytest.mark.parametrize("prepare, isolation", [(lacking, "on"), (filled, "off")])
def test_every_scriptlet_has_it_and_leaves_nothing(
        dnf: Dnf, node: Path, tmp_path: Path, prepare: Callable[[Path], None],
        isolation: str) -> None:
    prepare(node)
    dnf.configure(isolation=isolation)
    before = tree_state(node)
    scriptlets: Dict[str, str] = dict.fromkeys(SECTIONS, USE)
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, make_plugin(
        tmp_path, "user", "1", requires="busybox", scriptlets=scriptlets)))
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, make_plugin(
        tmp_path, "user", "2", requires="busybox", scriptlets=scriptlets)))
    failed = dnf.plugin(node, "install", "-y", UNSIGNED, make_plugin(
        tmp_path, "fails", requires="busybox", scriptlets={"post": f"{USE}\nfalse"}))
    assert failed.status == 8 and "exit status 1" in failed.text, failed.text
    succeeded(dnf.plugin(node, "remove", "-y", "user"))
    assert state_differences(before, tree_state(node)) == []
