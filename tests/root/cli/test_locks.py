"""Locks and repositories of dnf: what a program that reads the JSON answers is told."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, environment

pytestmark = [pytest.mark.root]

NO_WAIT = "--setopt=exit_on_lock=1"


def held(lock: Path) -> Path:
    """Let this process hold a lock of dnf."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(str(os.getpid()))
    return lock


def test_a_lock_that_dnf_does_not_wait_for_gives_an_error_of_its_own_kind(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "acme", files={"/usr/share/acme": "x"})
    cache = f"--setopt=cachedir={tmp_path / 'cache'}"
    lock = held(tmp_path / "cache/metadata_lock.pid")
    answer = dnf.plugin(node, "list", "--available", "--json", cache, NO_WAIT)
    assert (answer.status, answer.json["error"]["kind"]) == (200, "Locked")
    assert str(os.getpid()) in answer.json["error"]["message"]
    lock.unlink()
    held(node / "var/lib/dnf/rpmdb_lock.pid")
    answer = dnf.plugin(node, "install", bundle, "-y", "--json", UNSIGNED, NO_WAIT)
    assert (answer.status, answer.json["error"]["kind"]) == (200, "Locked")
    assert not (node / "usr/share/acme").exists()


def test_waiting_for_a_lock_of_dnf_is_told_as_a_message(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    lock = held(tmp_path / "cache/metadata_lock.pid")
    argv = dnf.argv(node, "node-plugin", "list", "--available", "--json", "--progress",
                    f"--setopt=cachedir={tmp_path / 'cache'}")
    with subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, encoding="utf-8") as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "message" and "Waiting for process" in event["text"]:
                lock.unlink()
        assert event["event"] == "result"
    assert process.returncode == 0 and not lock.exists()


def test_a_repository_that_cannot_be_read_has_a_kind_of_its_own(dnf: Dnf, node: Path) -> None:
    answer = dnf(node, "node-plugin", "list", "--available", "--json",
                 "--repofrompath=broken,file:///none", "--repo=broken")
    assert (answer.status, answer.json["error"]["kind"]) == (1, "BadRepository")
