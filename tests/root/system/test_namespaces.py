"""Mounts in the namespaces that this project makes, and outside of them."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest

from ovirt_node_plugin.errors import (
    CommandError,
    NeedsNewerImage,
    NodePluginError,
    Reason,
    Refused,
    SeveralReasons,
    Status,
)
from ovirt_node_plugin.isolation import program
from ovirt_node_plugin.system.namespaces import call_apart
from ovirt_node_plugin.system.run import StrPath, run
from tests.support.dnf_runner import TOP

# Prints whether a mount is there before and after its unmount outside, then makes a mount.
WITHIN = """
seen() { if grep -q "$1/inner" /proc/self/mounts; then echo mounted; else echo unmounted; fi; }
seen "$1"
echo go >&3
read -r _ <&4
seen "$1"
mount -t tmpfs within /mnt
"""
APART = """
import subprocess, sys
from ovirt_node_plugin.system.namespaces import run_apart
answer = run_apart(lambda: subprocess.run(sys.argv[1:], close_fds=False).returncode,
                   failed=lambda exc: print(exc) or 99)
sys.exit(answer.status)
"""
OUTSIDE = """
mount --make-rshared /  # as systemd makes it
mkdir "$1/inner" "$1/tmp"
mount -t tmpfs tmpfs "$1/inner"
mkfifo "$1/go" "$1/done"
(read -r _ <"$1/go"; umount "$1/inner"; echo done >"$1/done") &
shift
"$@" 3>"$0/go" 4<>"$0/done"
grep -c '^within ' /proc/self/mounts || true
"""


@pytest.mark.root
@pytest.mark.parametrize("way", ["apart", "program"])
def test_an_unmount_outside_reaches_the_namespace_and_no_mount_leaves_it(
        tmp_path: Path, way: str) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    words = ["sh", "-ec", WITHIN, "sh", str(folder)]
    start: Dict[str, List[StrPath]] = {
        "apart": [sys.executable, "-c", APART, *words],
        "program": program.argv(Path("/"), words, temporary=folder / "tmp", live=True)}
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", OUTSIDE, str(folder),
         str(folder), *start[way]],
        env={**os.environ, "PYTHONPATH": str(TOP)}, capture_output=True, text=True, check=False,
        timeout=60)
    assert (done.stdout.split(), done.stderr) == (["mounted", "unmounted", "0"], "")


@pytest.mark.root
def test_an_answer_comes_back_from_namespaces_of_its_own(tmp_path: Path) -> None:
    def mounted() -> str:
        run(["mount", "-t", "tmpfs", "tmpfs", tmp_path])
        return Path("/proc/self/mounts").read_text()

    assert os.readlink("/proc/self/ns/mnt") not in call_apart(
        lambda: os.readlink("/proc/self/ns/mnt"))
    assert str(tmp_path) in call_apart(mounted)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    run(["true"])  # programs can still be started here: no process namespace was entered


@pytest.mark.root
def test_an_error_comes_back_from_namespaces_of_its_own(tmp_path: Path) -> None:
    def refuse() -> str:
        raise Refused("it is refused", hint="Do it otherwise.")

    def break_with_a_status_of_its_own() -> str:
        error = NodePluginError("it is broken")
        error.status = Status.BROKEN
        raise error

    with pytest.raises(Refused, match="it is refused") as refused:
        call_apart(refuse)
    assert (refused.value.hint, refused.value.status) == ("Do it otherwise.", Status.REFUSED)
    with pytest.raises(NodePluginError, match="it is broken") as broken:
        call_apart(break_with_a_status_of_its_own)
    assert broken.value.status == Status.BROKEN
    with pytest.raises(NodePluginError, match=f"{tmp_path}/missing: No such file"):
        call_apart((tmp_path / "missing").read_text)
    with pytest.raises(NodePluginError, match="without an answer"):
        call_apart(lambda: os._exit(0))


@pytest.mark.root
@pytest.mark.parametrize("raised", [
    NeedsNewerImage("too old", hint="Take a newer one.", packages=["kernel-5"]),
    CommandError("it failed", hint="Try again.", argv=["false"], returncode=1),
    SeveralReasons("no", [Reason(Refused("one", hint="h"))]),
])
def test_an_error_with_more_than_message_and_hint_comes_back(raised: NodePluginError) -> None:
    def fail() -> str:
        raise raised

    with pytest.raises(NodePluginError) as error:
        call_apart(fail)
    assert (str(error.value), error.value.status) == (str(raised), raised.status)
