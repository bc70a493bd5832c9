"""The library: found by name, added whole or not at all, dropped."""
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
from ovirt_node_plugin.plugin.library import Library, repo_files
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


def test_folders_that_are_not_there_are_an_empty_library(library: Library) -> None:
    assert library.names() == ()
    assert library.entries() == ()
    assert library.find("cim") is None
    assert repo_files(library.folders) == ()


def test_an_added_bundle_is_found_and_is_the_same(library: Library, tmp_path: Path) -> None:
    source = make_bundle(tmp_path / "any-name")
    (source / "repo" / "tool").write_text("x", encoding="utf-8")
    (source / "repo" / "tool").chmod(0o4777)
    (source / "latest").symlink_to("repo/tool")
    place = add(library, source)
    assert place == library.folders[0] / "cim" == library.find("cim")
    assert listing(place) == listing(source)
    assert stat.S_IMODE((place / "repo" / "tool").stat().st_mode) == 0o755
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert os.readlink(place / "latest") == "repo/tool"
    assert listing(library.folders[0]) == sorted(
        ["cim"] + [f"cim/{name}" for name in listing(source)])


def test_the_first_folder_wins_and_all_versions_are_known(
        library: Library, tmp_path: Path) -> None:
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


def test_a_damaged_bundle_is_reported_and_hides_no_other(library: Library) -> None:
    folder = library.folders[1]
    make_bundle(folder / "cim")
    make_bundle(folder / "renamed")
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "node-plugin.xml").write_text("<x", encoding="utf-8")
    (folder / "a-file").write_text("", encoding="utf-8")
    (folder / ".work-x").mkdir()
    found = {e.name: e.problem for e in library.entries()}
    assert list(found) == ["broken", "cim", "empty", "renamed"]
    assert found["cim"] == ""
    assert "broken/node-plugin.xml:1:" in found["broken"]
    assert "has no node-plugin.xml" in found["empty"]
    assert found["renamed"] == f"{folder}/renamed holds plugin cim, not renamed"
    assert library.find("broken") == folder / "broken"


@pytest.mark.parametrize(("there", "new"), [("1.0", "1.1"), ("1.0", "1.0"), ("1.0~rc", "1.0")])
def test_the_same_or_a_newer_version_takes_the_place(
        library: Library, tmp_path: Path, there: str, new: str) -> None:
    add(library, make_bundle(tmp_path / "a", descriptor=version(there)))
    (library.folders[0] / "cim" / "old-file").write_text("", encoding="utf-8")
    add(library, make_bundle(tmp_path / "b", descriptor=version(new)))
    assert [e.descriptor.version for e in library.entries() if e.descriptor] == [new]
    assert "cim/old-file" not in listing(library.folders[0])
    assert os.listdir(library.folders[0]) == ["cim"]


def test_an_older_version_is_refused_with_the_way_out(library: Library, tmp_path: Path) -> None:
    add(library, make_bundle(tmp_path / "a", descriptor=version("1.10")))
    with pytest.raises(Refused, match="1.10, which is newer than 1.9") as caught:
        add(library, make_bundle(tmp_path / "b", descriptor=version("1.9")))
    assert caught.value.hint == "Drop it first: dnf node-plugin drop cim"
    assert os.listdir(library.folders[0]) == ["cim"]


def test_a_damaged_one_can_be_replaced(library: Library, tmp_path: Path) -> None:
    (library.folders[0] / "cim").mkdir(parents=True)
    add(library, make_bundle(tmp_path / "a"))
    assert [e.problem for e in library.entries()] == [""]


def test_a_copy_that_fails_leaves_the_old_one_and_nothing_else(
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


def test_a_swap_that_fails_puts_the_old_one_back(
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


def test_what_a_killed_process_moved_aside_is_put_back(library: Library, tmp_path: Path) -> None:
    add(library, make_bundle(tmp_path / "a"))
    work = library.folders[0] / ".work-killed"
    (work / "new").mkdir(parents=True)
    (work / "name").write_text("cim", encoding="utf-8")
    os.rename(library.folders[0] / "cim", work / "old")
    add(library, make_bundle(tmp_path / "b", descriptor=edit_descriptor(">cim<", ">other<")))
    assert library.names() == ("cim", "other")
    assert sorted(os.listdir(library.folders[0])) == ["cim", "other"]


def test_one_writer_at_a_time(library: Library, tmp_path: Path) -> None:
    library.folders[0].mkdir(parents=True)
    with locked(library.folders[0]), pytest.raises(Locked):
        add(library, make_bundle(tmp_path / "a"))


def test_a_plugin_of_a_repository_is_no_bundle_to_add(library: Library) -> None:
    with pytest.raises(UsageError, match="comes from repo cim: that is no bundle to add"):
        library.add(bundle_of_repo(DESCRIPTOR.encode(), repo_id="cim"))


def test_a_dropped_bundle_is_gone(library: Library, tmp_path: Path) -> None:
    place = add(library, make_bundle(tmp_path / "a"))
    assert library.drop("cim") == place
    assert listing(library.folders[0]) == []
    with pytest.raises(UnknownPlugin, match="the library has no plugin cim"):
        library.drop("cim")


def test_dropping_a_link_leaves_what_it_names(library: Library, tmp_path: Path) -> None:
    source = make_bundle(tmp_path / "a")
    library.folders[0].mkdir(parents=True)
    (library.folders[0] / "cim").symlink_to(source)
    assert [e.problem for e in library.entries()] == [""]
    library.drop("cim")
    assert library.names() == ()
    assert (source / "node-plugin.xml").is_file()


def test_one_that_a_package_brought_is_not_dropped_but_the_way_is_said(library: Library) -> None:
    place = make_bundle(library.folders[1] / "cim")
    with pytest.raises(Refused, match="put there by a package") as caught:
        library.drop("cim")
    assert caught.value.hint == f"Remove that package: dnf remove {place}/node-plugin.xml"
    assert place.is_dir()


@pytest.mark.parametrize("name", ["a/b", "..", ".", ".work-1", "", "A", "/etc", "a\0", "a\n"])
def test_a_name_that_no_plugin_can_have_is_a_usage_error(library: Library, name: str) -> None:
    for call in (library.find, library.drop, library.versions):
        with pytest.raises(UsageError, match="cannot be a plugin's name"):
            call(name)
