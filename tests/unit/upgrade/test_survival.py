"""The fate of plugins when another root replaces theirs."""
from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, List, Mapping, Sequence

import pytest

from ovirt_node_plugin.registry.origin import Origin
from ovirt_node_plugin.registry.record import InstalledPackage, Record
from ovirt_node_plugin.registry.store import Registry
from ovirt_node_plugin.system.run import StrPath
from ovirt_node_plugin.upgrade.survival import (
    BROKEN,
    MISSING,
    NEWER,
    OLDER,
    SAME,
    Fate,
    fates,
    read_nevras,
)

pytestmark = pytest.mark.unit

NONE: Mapping[str, str] = {}
# of one plugin, from the oldest to the newest; those in one tuple are the same version
VERSIONS = (("0.9",), ("1.0~rc1",), ("1.0", "1.0-1"), ("1.0^git1.5",), ("1.0.1",), ("1.9",),
            ("1.10",), ("1:0.1", "1:0.1-7"))


def record(name: str, version: str, packages: Sequence[str] = (), *,
           vendor: str = "Acme") -> Record:
    return Record(
        name=name, version=version, vendor=vendor, summary="", installed_at="2026-11-29T12:00:00Z",
        tool="ovirt-node-plugin 1.0", mode="offline", source=f"/srv/{name}", target_kind="node",
        target_version="4.5.5", repos=(), settings=(),
        packages=tuple(InstalledPackage(nevra, "", "requested") for nevra in packages),
        recorded_origin=Origin(vendor, (), "/srv"))


def registry(*records: Record, damaged: Mapping[str, str] = NONE) -> Registry:
    return Registry({one.name: one for one in records}, damaged)


def fate(old: Registry, new: Registry, nevras: Sequence[str] = ()) -> Fate:
    (only,) = fates(old, new, nevras)
    return only


def pairs() -> List[Any]:
    """Return every pair of versions, with the state of a plugin that goes from one to the other."""
    levels = [(text, level) for level, texts in enumerate(VERSIONS) for text in texts]
    return [(old, new, SAME if before == after else NEWER if after > before else OLDER)
            for (old, before), (new, after) in itertools.product(levels, repeat=2)]


def test_versions_are_compared_as_rpm_does() -> None:
    for old, new, state in pairs():
        result = fate(registry(record("cim", old)), registry(record("cim", new)))
        assert (result.state, result.survives) == (state, state != OLDER), (old, new)
        assert (result.old_version, result.new_version) == (old, new)


def test_every_plugin_has_a_fate_and_no_other() -> None:
    old = registry(record("same", "1"), record("newer", "1"), record("older", "2"),
                   record("missing", "1"))
    new = registry(record("same", "1"), record("newer", "2"), record("older", "1"),
                   record("other", "1"))
    assert [(one.name, one.state, one.survives) for one in fates(old, new, ())] == [
        ("missing", MISSING, False), ("newer", NEWER, True), ("older", OLDER, False),
        ("same", SAME, True)]


@pytest.mark.parametrize("version", ["1", "2", "0.5"])
def test_a_plugin_without_its_packages_is_broken(version: str) -> None:
    old, new = (registry(record("cim", number, ["cim-2-1.noarch", "lib-1-1.x86_64"]))
                for number in ("1", version))
    result = fate(old, new, ["cim-2-1.noarch", "lib-1-2.x86_64"])
    assert (result.state, result.survives) == (BROKEN, False)
    assert result.problems == ("package lib-1-1.x86_64 of its record is not installed",)
    assert fate(old, new, ["cim-2-1.noarch", "lib-1-1.x86_64"]).state != BROKEN


def test_damaged_records_are_told() -> None:
    damaged = registry(damaged={"cim": "/etc/ovirt.plugins.d/cim is empty"})
    result = fate(registry(record("cim", "1")), damaged)
    assert (result.state, result.new_version) == (BROKEN, "")
    assert result.problems == ("/etc/ovirt.plugins.d/cim is empty",)
    # a plugin that is damaged here is sound there
    result = fate(damaged, registry(record("cim", "1")))
    assert (result.state, result.old_version) == (NEWER, "")
    assert result.notes == ("its record here is damaged: /etc/ovirt.plugins.d/cim is empty",)
    assert fate(damaged, registry()).state == MISSING


def test_another_origin_is_told() -> None:
    old, new = registry(record("cim", "1")), registry(record("cim", "2", vendor="Mallory"))
    assert fate(old, old).notes == ()
    result = fate(old, new)
    assert result.survives
    (note,) = result.notes
    assert "from Acme" in note and "to Mallory" in note


def test_packages_are_read_from_the_database_of_the_root(tmp_path: Path) -> None:
    database = tmp_path / "usr/share/rpm/rpmdb.sqlite"
    database.parent.mkdir(parents=True)
    database.touch()
    started: List[str] = []

    def rpm(argv: Sequence[StrPath], **_: Any) -> str:
        started.extend(map(str, argv))
        return "cim\t0\t1.0\t1\tnoarch\tab\nlib\t2\t1.0\t1\tx86_64\tcd\n"

    assert read_nevras(tmp_path, run=rpm) == {"cim-1.0-1.noarch", "lib-2:1.0-1.x86_64"}
    assert started[:5] == ["rpm", "--root", str(tmp_path), "--dbpath", "/usr/share/rpm"]
