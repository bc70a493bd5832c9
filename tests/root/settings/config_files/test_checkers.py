"""The checkers of the full Node for configuration and drop-ins, run as they are."""
from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.plugin.settings import ConfigFile, PlacedFile
from ovirt_node_plugin.settings.config_files import folders
from ovirt_node_plugin.settings.config_files.config_files import KIND
from ovirt_node_plugin.settings.engine import checking
from tests.support.agent_plugins import changes_to_full_node
from tests.support.applied import apply_all
from tests.support.settings_root import context, wanted_settings

pytestmark = [pytest.mark.root]

# By folder: a file's name, good contents, and bad ones with the line of the checker.
CASES: Dict[str, Tuple[str, Tuple[str, ...], Dict[str, str]]] = {
    "sshd": ("10-acme.conf", (
        "PermitRootLogin no\n", "Match User acme\n  PermitTTY no\n", "# nothing\n"), {
        "PermitRootLogni no\n": "/dev/stdin: line 1: Bad configuration option: PermitRootLogni",
        "\nPort no hostkeys available -- exiting.\n":
            "/dev/stdin line 2: Badly formatted port number"}),
    "sudoers": ("acme", (
        "acme ALL=(root) NOPASSWD: /opt/acme/run\n", "Defaults:acme !requiretty\n"), {
        "acme ALL=(root NOPASSWD: ALL\n": "stdin:1:16: syntax error"}),
    "chrony": ("acme.conf", ("server a.example iburst\n", "makestep 1 3\n"), {
        "serverr a.example\n": "Invalid directive at line 1 in file /dev/stdin",
        "makestep x y\n": "Could not parse makestep directive at line 1"}),
    "chrony-sources": ("acme.sources", ("server a.example iburst\n",), {
        "server\n": "Could not parse server directive at line 1"}),
    "profile": ("acme.sh", ("export A=1\nif true; then :; fi\n",), {
        "if true; then\n": "line 2: syntax error: unexpected end of file",
        "a=(\n": "line 1: unexpected EOF while looking for matching"}),
}


def test_every_folder_with_a_checker_is_tested() -> None:
    assert {folder.id for folder in folders.built_in() if folder.check} == set(CASES)


def test_each_checker_of_the_node_passes_good_files_and_refuses_bad_ones(full_root: Path) -> None:
    ctx = context(full_root)
    for folder, (name, good, bad) in CASES.items():
        for text, line in (*((text, "") for text in good), *bad.items()):
            with_file = replace(ctx, bundle_files={"files/acme": text.encode()})
            (item,) = KIND.wanted(ConfigFile(folder, name, "files/acme"), with_file)
            assert item.notes == ()
            if not line:
                checking.check([item], with_file, others={})
                continue
            with pytest.raises(Refused) as caught:
                checking.check([item], with_file, others={})
            assert line in str(caught.value) and "refuses the file" in str(caught.value)
    assert changes_to_full_node(full_root) == []


def test_a_checker_of_a_hostile_root_changes_only_that_root(
        full_root: Path, tmp_path: Path) -> None:
    """It runs as the other programs of a root do: sealed, without a terminal."""
    (full_root / "usr/sbin/visudo").unlink()
    (full_root / "usr/sbin/visudo").write_text(
        f"#!/bin/sh\n(echo x >{tmp_path}/out)\n(true </dev/tty) && echo a terminal >&2\n"
        "echo \"of $(cat)\" >&2\nexit 3\n")
    (full_root / "usr/sbin/visudo").chmod(0o755)
    ctx = replace(context(full_root), bundle_files={"files/acme": b"the file"})
    (item,) = KIND.wanted(ConfigFile("sudoers", "acme", "files/acme"), ctx)
    with pytest.raises(Refused, match="visudo ended with status 3") as caught:
        checking.check([item], ctx, others={})
    assert "of the file" in str(caught.value) and "a terminal" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_systemd_of_the_node_refuses_a_bad_drop_in(full_root: Path) -> None:
    ctx, before = context(full_root), changes_to_full_node(full_root)
    for text, line in (
            ("[Service]\nNice=5\n[Unit]\nWants=absent.service\n", ""),
            ("[Service]\nOfANewerSystemd=yes\n", ""),
            ("[Service\n", "/etc/systemd/system/sshd.service.d/10-acme.conf:1: Invalid section"),
            ("[Service]\nNice=abc\n", "10-acme.conf:2: Failed to parse nice priority 'abc'"),
            ("[Service]\nExecStart=/bin/true\n", "sshd.service has a bad unit file setting")):
        with_file = replace(ctx, bundle_files={"files/acme": text.encode()})
        items = wanted_settings(with_file, PlacedFile(
            "unit-drop-in", "files/acme", "10-acme.conf", "sshd.service"))
        with contextlib.ExitStack() as stack:
            if line:
                stack.enter_context(pytest.raises(Refused, match=f"checker refuses .*\n?.*{line}"))
            apply_all(items, with_file)
    shutil.rmtree(full_root / "etc/systemd/system/sshd.service.d")
    assert changes_to_full_node(full_root) == before
