"""Scriptlets that replace what dnf opens after the transaction, in changes that fail or not."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded

pytestmark = [pytest.mark.root]

TRAPS = {
    "a log": "rm -f /var/log/dnf.log; ln -s OUT/file /var/log/dnf.log",
    "the folder of logs": "mv /var/log /moved; ln -s OUT /var/log",
    "the folder of caches": "mv /var/cache /moved; ln -s OUT /var/cache",
    "the cache": "rm -rf /var/cache/dnf; ln -s OUT /var/cache/dnf",
    "a file of the cache": "ln -sf OUT/file /var/cache/dnf/expired_repos.json",
    "the list of files to remove":
        "mkdir -p /var/cache/dnf; echo '[\"OUT/file\"]' > /var/cache/dnf/tempfiles.json",
    "the state": "mv /usr/share/dnf /moved; ln -s OUT /usr/share/dnf",
    "the link to the state": "rm /var/lib/dnf; ln -s OUT /var/lib/dnf",
}


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("trap", sorted(TRAPS))
def test_dnf_writes_and_removes_no_file_of_this_machine(
        dnf: Dnf, node: Path, tmp_path: Path, trap: str, status: int) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("of this machine")
    bundle = make_plugin(tmp_path, "traps", requires="busybox", scriptlets={
        "post": f"{TRAPS[trap].replace('OUT', str(outside))}; exit {status}"})
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle)
    assert status == 0 or answer.status == 8 and "rolled back" in answer.text, answer.text
    succeeded(dnf.plugin(node, "verify"))
    assert os.listdir(outside) == ["file"]
    assert (outside / "file").read_text() == "of this machine"
