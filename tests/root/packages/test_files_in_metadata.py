"""The files of a plugin in the metadata of a repository: a tar of the folder files/."""
from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Callable, List, Tuple

import pytest

from ovirt_node_plugin.errors import BadBundle
from ovirt_node_plugin.packages.metadata import read_bundle_files
from ovirt_node_plugin.plugin import bundle_files
from ovirt_node_plugin.plugin.bundle import bundle_of_repo
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_configuration
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.repositories import web_server

pytestmark = [pytest.mark.root]

Member = Tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def tar(*members: Member) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_the_files_of_a_tar_are_read_whatever_its_form(tmp_path: Path) -> None:
    (tmp_path / "files/sub").mkdir(parents=True)
    (tmp_path / "files/a").write_text("a")
    (tmp_path / "files/sub/b").write_text("b")
    read = {"files/a": b"a", "files/sub/b": b"b"}
    for name in ("files.tar", "files.tar.gz", "files.tar.xz", "files.tar.zst", "files.tar.bz2"):
        for source in ("files", "./files"):
            run(["tar", "--create", "--auto-compress", f"--file={tmp_path / name}",
                 f"--directory={tmp_path}", source])
            assert read_bundle_files(tmp_path / name, repo_id="acme") == read
    assert bundle_of_repo(support.descriptor_xml("acme").encode(), repo_id="acme",
                          files=read).descriptor.files == read


FILE = member("files/a", b"x")


@pytest.mark.parametrize(("members", "text"), [
    ([FILE, member("files/b", kind=tarfile.SYMTYPE, link="a")], "files/b cannot be read"),
    ([FILE, member("files/b", kind=tarfile.SYMTYPE, link="/etc/shadow")], "may lead out of"),
    ([member("files", kind=tarfile.SYMTYPE, link=".")], "files is not a folder"),
    ([FILE, member("files/b", kind=tarfile.LNKTYPE, link="/etc/shadow")], "is a hard link"),
    ([FILE, member("files/b", kind=tarfile.CHRTYPE)], "is a device"),
    ([FILE, member("files/b", kind=tarfile.FIFOTYPE)], "is a fifo"),
    ([FILE, member("files/b", b"x", kind=tarfile.GNUTYPE_SPARSE)], "is a sparse file"),
    ([member("/files/a", b"x")], "has an absolute name"),
    ([member("files/../../a", b"x")], "has '..' in its name"),
    ([FILE, FILE], "is in the archive twice"),
    ([FILE, member("node-plugin.xml", b"x")], "is not a tar of the folder files/ only"),
    ([member("a", b"x")], "is not a tar of the folder files/ only"),
    ([member("files/a b", b"x")], "is not allowed in files/"),
    ([member("files/a", bytes((1 << 20) + 1))], "files/a is larger than 1048576 bytes"),
    ([], "is an empty archive")], ids=lambda case: case if isinstance(case, str) else "")
def test_a_tar_with_anything_else_is_refused(members: List[Member], text: str,
                                             tmp_path: Path) -> None:
    (tmp_path / "files.tar.gz").write_bytes(gzip.compress(tar(*members)))
    with pytest.raises(BadBundle) as caught:
        read_bundle_files(tmp_path / "files.tar.gz", repo_id="acme")
    assert text in caught.value.message
    assert caught.value.message.startswith("files/ of repo acme")


@pytest.mark.parametrize(("data", "text"), [
    (lambda: gzip.compress(bytes(50 << 20)), "is larger than 10485760 bytes"),
    (lambda: gzip.compress(tar(*(member(f"files/{number}", bytes(1 << 20))
                                 for number in range(9)))), "larger than 8388608 bytes"),
    (lambda: gzip.compress(tar(*(member(f"files/{number}") for number in range(201)))),
     "has more than 200 files"),
    (lambda: gzip.compress(b"no tar"), "is damaged, or not an archive"),
    (lambda: b"no gzip", "cannot be read"),
    (lambda: gzip.compress(tar(FILE))[:-9], "cannot be read")],
    ids=["bomb", "bytes", "files", "no tar", "no gzip", "cut off"])
def test_a_tar_beyond_the_limits_or_damaged_is_refused(data: Callable[[], bytes], text: str,
                                                       tmp_path: Path) -> None:
    (tmp_path / "files.tar.gz").write_bytes(data())
    with pytest.raises(BadBundle, match=text):
        read_bundle_files(tmp_path / "files.tar.gz", repo_id="acme")


def publish(folder: Path, value: str) -> Path:
    """Make a repository with the plugin acme, whose setting takes ``value`` from files/."""
    bundle = make_configuration(
        folder, "acme", files={"60.rules": f'KERNEL=="sd*", SYMLINK+="{value}"\n'},
        settings=['<udev-rules name="60-acme.rules" source="files/60.rules"/>'])
    run(["tar", "--create", f"--file={folder}/files.tar", f"--directory={bundle}", "files"])
    repo = support.make_repo(folder / "repo", descriptor=bundle / "node-plugin.xml")
    run(["modifyrepo_c", f"--mdtype={bundle_files.METADATA_TYPE}", folder / "files.tar",
         repo / "repodata"])
    return repo


def test_a_plugin_of_a_repository_has_its_files_also_after_dnf_ran_without_the_plugin(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    with web_server(publish(tmp_path / "first", "first")) as web:
        option = f"--repofrompath=acme,{web.url}"
        succeeded(dnf(node, "makecache", option, "--disableplugin=node_plugin"))
        words = ("install", "acme", option, UNSIGNED, f"--save-bundles={tmp_path / 'saved'}")
        plan = succeeded(dnf.plugin(node, *words, "--dry-run"))
        assert "install udev rules 60-acme.rules from files/60.rules" in plan.text
        succeeded(dnf.plugin(node, *words, "-y"))
    rules = node / "etc/udev/rules.d/60-acme.rules"
    assert "first" in rules.read_text()
    assert (tmp_path / "saved/acme/files/60.rules").read_text() == rules.read_text()
    rules.unlink()
    succeeded(dnf.plugin(node, "repair", "acme", "-y"))  # without the repository
    assert "first" in rules.read_text()

    second = publish(tmp_path / "second", "other")
    (packed,) = second.glob("repodata/*files.tar*")
    packed.write_bytes(packed.read_bytes()[:-1] + b"x")
    refused = dnf.plugin(node, "install", "acme", f"--repofrompath=acme2,file://{second}", UNSIGNED)
    assert refused.status == 1 and "hecksum" in refused.text, refused.text
