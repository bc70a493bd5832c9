"""The list of paths that programs read by themselves."""
from __future__ import annotations

import re
from collections import Counter

import pytest

from ovirt_node_plugin.system import read_paths
from ovirt_node_plugin.system.read_paths import paths_of

pytestmark = pytest.mark.unit

PARTS = {
    "reserved": [read_paths.RESERVED], "denied": list(read_paths.DENIED.values()),
    "state": list(read_paths.DENIED_STATE.values()), "reviewed": [read_paths.REVIEWED]}


@pytest.mark.parametrize("part", PARTS)
def test_every_path_has_a_source_and_is_listed_once_in_a_part(part: str) -> None:
    sources = {source: paths for own in PARTS[part] for source, paths in own.items()}
    for source in sources:
        assert re.search(r"\w\([1-8](?:ssl)?\)|\w+\.\w+|Specification|specification|README", source)
    counts = Counter(path for own in PARTS[part] for paths in own.values() for path in paths)
    assert {path for path, count in counts.items() if count > 1} == set()
    for path in counts:
        assert not path.startswith("/") and not {"", ".", ".."} & set(path.split("/"))


@pytest.mark.parametrize("path", [
    "etc/ld.so.conf", "etc/ld.so.cache", "etc/alternatives", "etc/imgbased.conf",
    "usr/lib*/python*/encodings*", "usr/lib/systemd/*.attached", "usr/lib/bootc",
    "usr/lib/ostree"])
def test_paths_that_once_were_missing_are_denied(path: str) -> None:
    assert path in {path for _, path in read_paths.denied()}
    assert path in read_paths.active()


def test_what_configures_dnf_is_reserved_and_not_only_denied() -> None:
    assert {"etc/yum.conf", "etc/yum", "etc/dnf", "etc/distro.repos.d"} <= set(
        paths_of(read_paths.CONFIGURING))
    assert set(paths_of(read_paths.CONFIGURING)) <= set(paths_of(read_paths.RESERVED))
