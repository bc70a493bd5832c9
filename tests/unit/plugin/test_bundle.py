"""Bundles as folders and tars, and everything that is refused as a bundle."""
from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from ovirt_node_plugin.errors import BadBundle, DescriptorError, UsageError
from ovirt_node_plugin.plugin.bundle import bundle_of_repo, opened, read_bundle, repo_files_in
from tests.support.sample_bundle import DESCRIPTOR, REPO, edit_descriptor, make_bundle

pytestmark = pytest.mark.unit


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "cim")


def refusal(folder: Path) -> str:
    """Return the message that refuses a folder."""
    with pytest.raises(BadBundle) as caught:
        read_bundle(folder, source="cim")
    return caught.value.message


def test_a_folder_is_read_in_place(folder: Path) -> None:
    (folder / "b.repo").write_text("", encoding="utf-8")
    (folder / ".hidden.repo").write_text("[x]", encoding="utf-8")
    with opened(folder) as bundle:
        assert bundle.descriptor.name == "cim"
        assert (bundle.directory, bundle.source) == (folder, str(folder))
        assert bundle.repo_files == (folder / "b.repo", folder / "cim.repo")
        assert bundle.repository == folder / "repo"
        assert bundle.keys == (folder / "keys" / "vendor.asc",)
    assert folder.is_dir()


def test_a_descriptor_alone_is_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "node-plugin.xml").write_text(
        edit_descriptor('<repo id="cim"/>', ""), encoding="utf-8")
    bundle = read_bundle(tmp_path, source="x")
    assert (bundle.repo_files, bundle.repository, bundle.keys) == ((), None, ())


@pytest.mark.parametrize("top", [".", "cim-1.0"])
def test_a_tar_is_unpacked_while_the_bundle_is_open(
        folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("TMPDIR", str(work))
    with tarfile.open(tmp_path / "cim.tar.gz", "w:gz") as out:
        out.add(folder, arcname=top)
    with opened(tmp_path / "cim.tar.gz") as bundle:
        assert bundle.directory is not None
        assert work in bundle.directory.parents
        assert bundle.source == str(tmp_path / "cim.tar.gz")
        assert [p.name for p in (*bundle.repo_files, *bundle.keys)] == ["cim.repo", "vendor.asc"]
    assert list(work.iterdir()) == []


def test_a_tar_that_is_no_bundle_leaves_nothing_unpacked(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("TMPDIR", str(work))
    (tmp_path / "a").write_text("x", encoding="utf-8")
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        out.add(tmp_path / "a", arcname="a")
    with pytest.raises(BadBundle, match=r"a\.tar is not a bundle: it has no node-plugin\.xml"), \
            opened(tmp_path / "a.tar"):
        raise AssertionError("not reached")
    assert list(work.iterdir()) == []


def test_a_missing_path_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none cannot be opened: No such file"), \
            opened(tmp_path / "none"):
        raise AssertionError("not reached")


def test_the_error_for_a_path_without_a_bundle_names_the_expected_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello\n", encoding="utf-8")
    os.mkfifo(tmp_path / "fifo")
    for name, message in (("empty", "has no node-plugin.xml"),
                          ("text", "damaged, or not an archive"),
                          ("fifo", "neither a folder nor a file")):
        with pytest.raises(BadBundle, match=message) as caught, opened(tmp_path / name):
            raise AssertionError("not reached")
        assert "A bundle is a folder" in caught.value.hint


@pytest.mark.parametrize("name", ["evil.repo", "keys/evil.asc", "repo/evil.rpm", "evil"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "../../.."])
def test_a_link_to_outside_the_bundle_is_refused(folder: Path, name: str, target: str) -> None:
    (folder / name).symlink_to(target)
    assert refusal(folder).startswith(f"cim: {name!r} is a link that leads out of the bundle")


@pytest.mark.parametrize("name", ["node-plugin.xml", "repo", "keys"])
def test_a_part_that_links_outside_the_bundle_is_refused(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to("../elsewhere")
    assert "leads out of the bundle" in refusal(folder)


def test_a_link_inside_the_bundle_is_accepted(folder: Path) -> None:
    (folder / "cim.repo").rename(folder / "the-repo")
    (folder / "cim.repo").symlink_to("the-repo")
    assert read_bundle(folder, source="x").repo_files == (folder / "cim.repo",)


def test_a_device_or_fifo_in_a_bundle_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "x.repo")
    assert refusal(folder) == "cim: 'x.repo' is neither file, folder nor link"


@pytest.mark.parametrize(("text", "message"), [
    ("[other]\nname=x\n", "no .repo file has cim; node-plugin.xml does not name 'other'"),
    (REPO + "[other]\nname=x\n", "node-plugin.xml does not name 'other'"),
    ("", "the repos of node-plugin.xml (cim) are not those of its .repo files (none)"),
    (REPO + "[main]\ngpgcheck=0\n", "has a section [main], which is dnf's own"),
    (REPO + "[DEFAULT]\ngpgcheck=0\n", "does not name 'DEFAULT'"),
    ("name=x\n", "cim.repo:1: expected a section such as [ID]"),
    ("[cim]\nname=x\nnonsense\n", "cim.repo:3: expected a line KEY=VALUE"),
    (REPO + REPO, "cim.repo:5: expected one section [cim], found a second"),
    ("[cim]\nname=x\nname=y\n", "cim.repo:3: expected one name in [cim], found a second"),
    ("[cim]\nname=\xff\n", "cim.repo is not UTF-8: byte 11"),
    ("[cim]\n" + "#" * (1 << 20), "is larger than 1048576 bytes"),
])
def test_a_repo_file_that_contradicts_the_descriptor_is_refused(
        folder: Path, text: str, message: str) -> None:
    (folder / "cim.repo").write_bytes(text.encode("latin-1"))
    assert message in refusal(folder)


def test_a_repo_id_in_two_files_is_refused(folder: Path) -> None:
    (folder / "b.repo").write_text(REPO, encoding="utf-8")
    assert refusal(folder) == f"{folder}/cim.repo and b.repo both have the repo cim"


def test_a_repo_file_with_percent_signs_and_variables_is_accepted(folder: Path) -> None:
    (folder / "cim.repo").write_text(
        "[cim]\nbaseurl=https://example.com/%(x)s/$releasever/%20\n", encoding="utf-8")
    bundle = read_bundle(folder, source="x")
    assert (bundle.repo_files, bundle.descriptor.repo_ids) == ((folder / "cim.repo",), ("cim",))


def test_a_repository_without_repodata_is_refused(folder: Path) -> None:
    (folder / "repo" / "repodata" / "repomd.xml").unlink()
    assert "repo/ is not a repository: repo/repodata/repomd.xml is missing" in refusal(folder)


def test_a_file_that_is_no_key_is_refused(folder: Path) -> None:
    (folder / "keys" / "a.asc").write_bytes(b"\x99\x01binary")
    assert refusal(folder) == f"{folder}/keys/a.asc is not an armored GPG public key"


def test_an_invalid_descriptor_is_named_with_its_path(folder: Path) -> None:
    (folder / "node-plugin.xml").write_text("<x/>", encoding="utf-8")
    with pytest.raises(DescriptorError, match=f"^{folder}/node-plugin.xml:1:1: expected"):
        read_bundle(folder, source="cim")


def test_a_bundle_for_a_newer_tool_is_refused(folder: Path) -> None:
    (folder / "node-plugin.xml").write_text(
        edit_descriptor('tool min="0.1"', 'tool min="99"'), encoding="utf-8")
    assert "plugin cim 1.0 needs ovirt-node-plugin 99 or newer" in refusal(folder)


def test_a_descriptor_from_a_repository_is_a_bundle_without_a_folder() -> None:
    bundle = bundle_of_repo(DESCRIPTOR.encode(), repo_id="cim")
    assert (bundle.directory, bundle.source, bundle.repo_files) == (None, "repo cim", ())
    with pytest.raises(DescriptorError, match="^node-plugin.xml of repo cim:1:1: "):
        bundle_of_repo(b"<x/>", repo_id="cim")


def test_listing_repo_files_does_not_read_them(folder: Path) -> None:
    (folder / "cim.repo").write_bytes(b"\xff not even text")
    (folder / "out.repo").symlink_to("/etc/passwd")
    (folder / "folder.repo").mkdir()
    assert repo_files_in(folder) == (folder / "cim.repo",)


def test_a_tar_of_deeply_nested_folders_leaves_nothing(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        for depth in range(1, 1900):
            folder = tarfile.TarInfo("a/" * depth)
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
    with pytest.raises(BadBundle, match="more than 100 levels of folders"):
        with opened(tmp_path / "b.tar"):
            pass
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_folder_with_deeply_nested_folders_is_refused(folder: Path) -> None:
    deep = folder
    for _ in range(102):
        deep /= "a"
        deep.mkdir()
    assert refusal(folder) == f"{folder} has more than 100 levels of folders"


def test_the_numbers_of_repo_files_and_keys_are_limited(folder: Path) -> None:
    key = (folder / "keys/vendor.asc").read_bytes()
    for number in range(100):
        (folder / f"keys/{number}.asc").write_bytes(key)
    assert refusal(folder) == f"{folder} has 101 keys; 100 are allowed"
    for number in range(100):
        (folder / f"{number}.repo").write_text("")
    assert refusal(folder) == "cim has 101 .repo files; 100 are allowed"


def test_the_size_of_a_folder_is_limited(folder: Path) -> None:
    (folder / "repo/sparse").write_bytes(b"")
    os.truncate(folder / "repo/sparse", 9 << 30)
    assert "more than 100000 files and folders, or 8589934592 bytes" in refusal(folder)
