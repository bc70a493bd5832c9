"""The folder files/ of a bundle: what is read of it, and what is refused."""
from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Literal

import pytest

from ovirt_node_plugin.errors import BadBundle, DescriptorError
from ovirt_node_plugin.plugin import bundle_files
from ovirt_node_plugin.plugin.bundle import opened, read_bundle
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.library import Library
from tests.support.adhoc import descriptor_xml
from tests.support.sample_bundle import make_bundle

pytestmark = pytest.mark.unit


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = make_bundle(tmp_path / "cim")
    (folder / "files/sub").mkdir(parents=True)
    (folder / "files/60-a.rules").write_bytes(b"a\n")
    (folder / "files/sub/b@c:d.conf").write_bytes(b"\x00b")
    return folder


FILES = {"files/60-a.rules": b"a\n", "files/sub/b@c:d.conf": b"\x00b"}


def refusal(folder: Path) -> str:
    with pytest.raises(BadBundle) as caught:
        read_bundle(folder, source="cim")
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("form", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("top", ["cim", "."])
def test_a_folder_a_tar_and_the_library_have_the_same_files(
        folder: Path, tmp_path: Path, form: Literal["w", "w:gz", "w:xz"], top: str) -> None:
    bundle = read_bundle(folder, source="cim")
    assert bundle.descriptor.files == FILES
    with tarfile.open(tmp_path / "cim.tar", form) as out:
        out.add(folder, arcname=top)
    with opened(tmp_path / "cim.tar") as unpacked:
        assert unpacked.descriptor == bundle.descriptor
        place = Library((tmp_path / "library",)).add(unpacked)
    assert read_bundle(place, source="x").descriptor.files == FILES


def test_a_bundle_without_the_folder_has_no_files(tmp_path: Path) -> None:
    assert read_bundle(make_bundle(tmp_path / "cim"), source="cim").descriptor.files == {}


@pytest.mark.parametrize("name", ["a b", "\u00e4", "a\u0308", "a\x1b[31m", "x" * 250, "a$b"])
def test_a_name_that_is_not_plain_ascii_is_refused(folder: Path, name: str) -> None:
    (folder / "files" / name).write_text("x")
    message = refusal(folder)
    assert "is not allowed in files/" in message and "\x1b" not in message


@pytest.mark.parametrize("target", ["60-a.rules", "../keys/vendor.asc"])
def test_a_link_in_the_folder_is_refused_even_within_the_bundle(folder: Path,
                                                                target: str) -> None:
    (folder / "files/link").symlink_to(target)
    assert "cim: files/link" in refusal(folder)


def test_the_folder_itself_may_not_be_a_link_or_a_file(folder: Path) -> None:
    (folder / "files").rename(folder / "others")
    (folder / "files").symlink_to("others")
    assert "files is not a folder" in refusal(folder)
    (folder / "files").unlink()
    (folder / "files").write_text("x")
    assert "files is not a folder" in refusal(folder)


def test_a_special_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "files/fifo")
    assert "'files/fifo' is neither file, folder nor link" in refusal(folder)


def test_files_beyond_the_limits_are_refused(folder: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_files, "SOURCE_FILES", 1)
    assert "more than 1 files" in refusal(folder)
    monkeypatch.setattr(bundle_files, "SOURCE_FILES", 2)
    assert read_bundle(folder, source="cim").descriptor.files == FILES
    monkeypatch.setattr(bundle_files, "SOURCE_FILES_BYTES", 3)
    assert "or 3 bytes" in refusal(folder)
    monkeypatch.setattr(bundle_files, "SOURCE_FILE_BYTES", 1)
    assert "files/60-a.rules is larger than 1 bytes" in refusal(folder)


PACKAGES = '  <packages>\n    <install name="x"/>\n  </packages>\n'


@pytest.mark.parametrize("packages", [
    "", "<packages/>", '<packages><exclude name="y"/></packages>'])
def test_a_plugin_needs_packages_or_settings(packages: str) -> None:
    text = descriptor_xml("x", settings=['<logrotate source="files/a" name="a"/>'])
    assert PACKAGES in text
    settings_only = text.replace(PACKAGES, packages)
    assert parse_descriptor(settings_only.encode(), origin="x").installs == ()
    neither = descriptor_xml("x").replace(PACKAGES, packages)
    with pytest.raises(DescriptorError, match=r"x:\d+:\d+: expected an <install> or a setting"):
        parse_descriptor(neither.encode(), origin="x")


@pytest.mark.parametrize("source", ["files/../node-plugin.xml", "files/./a", "files//a", "files/",
                                    "keys/vendor.asc", "../files/a"])
def test_a_source_outside_the_folder_is_refused(source: str) -> None:
    text = descriptor_xml("x", settings=[f'<logrotate source="{source}" name="a"/>'])
    with pytest.raises(DescriptorError, match="as source|source of <logrotate>"):
        parse_descriptor(text.encode(), origin="x")
