"""Bundles that are named on the command line."""
from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from ovirt_node_plugin.operations.find import open_named
from ovirt_node_plugin.plugin.archive import SUFFIXES
from ovirt_node_plugin.plugin.library import Library
from ovirt_node_plugin.system.run import run
from tests import support


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_tar_with_any_suffix_is_a_bundle_and_no_name(
        built: support.Fixtures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        suffix: str) -> None:
    monkeypatch.chdir(tmp_path)
    run(["tar", "-C", built.bundle("snmp"), "-caf", tmp_path / f"snmp{suffix}", "."])
    with contextlib.ExitStack() as stack:
        bundles, names = open_named([f"snmp{suffix}"], Library(()), stack, run=run)
        assert [bundle.descriptor.name for bundle in bundles] == ["snmp"]
        assert names == []
