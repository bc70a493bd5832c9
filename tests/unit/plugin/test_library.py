"""The library of bundles: lookup by name, atomic additions, removal."""
from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, List

import pytest

from ovirt_node_plugin.errors import (
    Locked,
    NodePluginError,
    Refused,
    UnknownPlugin,
    UsageError,
)
from ovirt_node_plugin.plugin import library as module
from ovirt_node_plugin.plugin.bundle import bundle_of_repo, opened
from ovirt_node_plugin.plugin.library import Library, repo_files, repo_ids_in
from ovirt_node_plugin.system.entries import locked
from tests.support.sample_bundle import DESCRIPTOR, edit_descriptor, make_bundle

pytestmark = pytest.mark.unit


@pytest.fixture(name="library")
def _library(tmp_path: Path) -> Library:
    return Library((tmp_path / "etc" / "plugins.d", tmp_path / "usr" / "plugins.d"))


def add(library: Library, folder: Path) -> Path:
    """Add the bundle in ``folder``."""
    with opened(folder) as bundle:
        return library.add(bundle)


def version(text: str) -> str:
    """Return the sample descriptor of another version."""
    return edit_descriptor("<version>1.0<", f"<version>{text}<")


def listing(folder: Path) -> List[str]:
    """Return the names of everything below ``folder``."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_missing_folders_are_an_empty_library(library: Library) -> None:
    assert library.names() == ()
    assert library.entries() == ()
    assert library.find("cim") is None
    assert repo_files(library.folders) == ()


def test_an_added_bundle_is_found_unchanged(library: Library, tmp_path: Path) -> None:
    source = make_bundle(tmp_path / "any-name")
    (source / "repo" / "tool").write_text("x", encoding="utf-8")
    (source / "repo" / "tool").chmod(0o4777)
    (source / "latest").symlink_to("repo/tool")
    added = add(library, source)
    assert added == library.folders[0] / "cim" == library.find("cim")
    assert listing(added) == listing(source)
    assert stat.S_IMODE((added / "repo" / "tool").stat().st_mode) == 0o755
    assert stat.S_IMODE(added.stat().st_mode) == 0o755
    assert os.readlink(added / "latest") == "repo/tool"
    assert listing(library.folders[0]) == sorted(
        ["cim"] + [f"cim/{name}" for name in listing(source)])


def test_the_first_folder_wins_and_all_versions_are_known(library: Library, tmp_path: Path) -> None:
    make_bundle(library.folders[1] / "cim", descriptor=version("2.0"))
    make_bundle(library.folders[1] / "zzz", descriptor=edit_descriptor(">cim<", ">zzz<"))
    assert library.find("cim") == library.folders[1] / "cim"
    add(library, make_bundle(tmp_path / "b"))
    assert library.find("cim") == library.folders[0] / "cim"
    assert [e.descriptor.version for e in library.versions("cim") if e.descriptor] == ["1.0", "2.0"]
    assert library.names() == ("cim", "zzz")
    assert repo_files(library.folders) == (
        ("cim", library.folders[0] / "cim" / "cim.repo"),
        ("zzz", library.folders[1] / "zzz" / "cim.repo"))


def test_repo_ids_in_a_large_file_are_read(tmp_path: Path) -> None:
    """DNF reads files of any size; ids that are not known could be redefined by a bundle."""
    path = tmp_path / "large.repo"
    path.write_text("# comment\n" * 200_000 + "[main]\n[vendor]\nname = a\n[other]\n")
    assert repo_ids_in(path) == ["vendor", "other"]


def test_a_damaged_bundle_is_reported_and_hides_no_other(library: Library) -> None:
    folder = library.folders[1]
    make_bundle(folder / "cim")
    make_bundle(folder / "renamed")
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "node-plugin.xml").write_text("<x", encoding="utf-8")
    (folder / "a-file").write_text("", encoding="utf-8")
    (folder / ".work-x").mkdir()
    problems = {e.name: e.problem for e in library.entries()}
    assert list(problems) == ["broken", "cim", "empty", "renamed"]
    assert problems["cim"] == ""
    assert "broken/node-plugin.xml:1:" in problems["broken"]
    assert "has no node-plugin.xml" in problems["empty"]
    assert problems["renamed"] == f"{folder}/renamed has plugin cim, not renamed"
    assert library.find("broken") == folder / "broken"


@pytest.mark.parametrize(("old", "new"), [("1.0", "1.1"), ("1.0", "1.0"), ("1.0~rc", "1.0")])
def test_the_same_or_a_newer_version_replaces_a_bundle(library: Library, tmp_path: Path, old: str,
                                                       new: str) -> None:
    add(library, make_bundle(tmp_path / "a", descriptor=version(old)))
    (library.folders[0] / "cim" / "old-file").write_text("", encoding="utf-8")
    add(library, make_bundle(tmp_path / "b", descriptor=version(new)))
    assert [e.descriptor.version for e in library.entries() if e.descriptor] == [new]
    assert "cim/old-file" not in listing(library.folders[0])
    assert os.listdir(library.folders[0]) == ["cim"]


def test_an_older_version_is_refused_with_a_hint(library: Library, tmp_path: Path) -> None:
    add(library, make_bundle(tmp_path / "a", descriptor=version("1.10")))
    with pytest.raises(Refused, match="1.10, which is newer than 1.9") as caught:
        add(library, make_bundle(tmp_path / "b", descriptor=version("1.9")))
    assert caught.value.hint == "Drop it first: dnf node-plugin drop cim"
    assert os.listdir(library.folders[0]) == ["cim"]


def test_a_damaged_bundle_can_be_replaced(library: Library, tmp_path: Path) -> None:
    (library.folders[0] / "cim").mkdir(parents=True)
    add(library, make_bundle(tmp_path / "a"))
    assert [e.problem for e in library.entries()] == [""]


def test_a_failed_copy_keeps_the_old_bundle_and_leaves_no_files(
        library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(library, make_bundle(tmp_path / "a"))
    before = listing(library.folders[0])

    def full(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "repo/a.rpm")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_copy_file", full)
        with pytest.raises(NodePluginError, match="No space left on device") as caught:
            add(library, make_bundle(tmp_path / "b", descriptor=version("2.0")))
    assert caught.value.hint == "Nothing in it was changed."
    assert listing(library.folders[0]) == before


def test_a_failed_exchange_restores_the_old_bundle(
        library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(library, make_bundle(tmp_path / "a"))
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if source.name == "new":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(source))
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(NodePluginError, match="Input/output error"):
            add(library, make_bundle(tmp_path / "b", descriptor=version("2.0")))
    assert [e.descriptor.version for e in library.entries() if e.descriptor] == ["1.0"]
    assert os.listdir(library.folders[0]) == ["cim"]


def test_a_bundle_moved_by_a_killed_process_is_restored(library: Library, tmp_path: Path) -> None:
    add(library, make_bundle(tmp_path / "a"))
    work = library.folders[0] / ".work-killed"
    (work / "new").mkdir(parents=True)
    (work / "name").write_text("cim", encoding="utf-8")
    os.rename(library.folders[0] / "cim", work / "old")
    add(library, make_bundle(tmp_path / "b", descriptor=edit_descriptor(">cim<", ">other<")))
    assert library.names() == ("cim", "other")
    assert sorted(os.listdir(library.folders[0])) == ["cim", "other"]


def test_a_second_writer_is_refused(library: Library, tmp_path: Path) -> None:
    library.folders[0].mkdir(parents=True)
    with locked(library.folders[0]), pytest.raises(Locked):
        add(library, make_bundle(tmp_path / "a"))


def test_a_plugin_of_a_repository_cannot_be_added(library: Library) -> None:
    with pytest.raises(UsageError, match="comes from repo cim: that is not a bundle to add"):
        library.add(bundle_of_repo(DESCRIPTOR.encode(), repo_id="cim"))


def test_a_dropped_bundle_is_removed(library: Library, tmp_path: Path) -> None:
    added = add(library, make_bundle(tmp_path / "a"))
    assert library.drop("cim") == added
    assert listing(library.folders[0]) == []
    with pytest.raises(UnknownPlugin, match="the library has no plugin cim"):
        library.drop("cim")


def test_dropping_a_link_keeps_its_target(library: Library, tmp_path: Path) -> None:
    source = make_bundle(tmp_path / "a")
    library.folders[0].mkdir(parents=True)
    (library.folders[0] / "cim").symlink_to(source)
    assert [e.problem for e in library.entries()] == [""]
    library.drop("cim")
    assert library.names() == ()
    assert (source / "node-plugin.xml").is_file()


def test_a_bundle_of_a_package_is_not_dropped_and_the_hint_names_rpm(library: Library) -> None:
    bundle = make_bundle(library.folders[1] / "cim")
    with pytest.raises(Refused, match="which belongs to a package") as caught:
        library.drop("cim")
    assert caught.value.hint == f"Remove that package: dnf remove {bundle}/node-plugin.xml"
    assert bundle.is_dir()


@pytest.mark.parametrize("name", ["a/b", "..", ".", ".work-1", "", "A", "/etc", "a\0", "a\n"])
def test_an_invalid_plugin_name_is_a_usage_error(library: Library, name: str) -> None:
    for call in (library.find, library.drop, library.versions):
        with pytest.raises(UsageError, match="is not a valid plugin name"):
            call(name)
