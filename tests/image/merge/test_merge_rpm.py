"""Plugins merged into ovirt-node-ng-image-update: the RPM is an image like any other."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Dict, Iterator

import pytest

from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.images.image import opened
from ovirt_node_plugin.system.path_sets import IMAGE_VERSION
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.file_contexts import add_file_contexts, label
from tests.support.iso_contents import superblock
from tests.support.program import Program
from tests.support.signing import signing_key
from tests.support.update_rpm import FOLDER, NAME, RELEASE, VERSION, make_update_rpm

pytestmark = pytest.mark.root

_IMAGE_NVR = "ovirt-node-ng-4.5.6-0.20231130.0"
_SQUASHFS = f"{FOLDER}/{NAME}-{VERSION}-{RELEASE}.squashfs.img"


@pytest.fixture(scope="module")
def update(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An update RPM, with a squashfs that contains a filesystem image, as in oVirt Node."""
    folder = tmp_path_factory.mktemp("update")
    root = built.node_root(folder / "root")
    add_file_contexts(root)
    version = root / IMAGE_VERSION
    version.parent.mkdir(parents=True, exist_ok=True)
    version.write_text(f"{_IMAGE_NVR}\n")
    inner = folder / "outer/LiveOS/rootfs.img"
    inner.parent.mkdir(parents=True)
    with open(inner, "wb") as stream:
        stream.truncate(96 << 20)
    run(["mkfs.ext4", "-q", "-L", "LiveOS", "-b", "4096", "-d", root, inner])
    image = folder / Path(_SQUASHFS).name
    run(["mksquashfs", folder / "outer", image, "-comp", "gzip", "-no-progress"])
    return make_update_rpm(folder, [image])


@pytest.fixture
def signing(built: support.Fixtures, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The fingerprint of a key that rpmsign finds."""
    with signing_key(built.key, monkeypatch) as fingerprint:
        yield fingerprint


def query(path: Path, text: str) -> str:
    return run(["rpm", "-qp", "--nosignature", "--qf", text, path])


def squashfs_of(path: Path, folder: Path) -> Path:
    """Unpack an RPM with cpio(1) into the new ``folder``, and return the image in it."""
    folder.mkdir()
    archive = folder / "archive"
    run(["sh", "-c", 'rpm2cpio "$1" >"$2"', "sh", path, archive])
    run(["sh", "-c", 'cd "$1" && cpio --extract --make-directories --quiet <archive', "sh", folder])
    return folder / _SQUASHFS.lstrip("/")


def plugins_of(program: Program, image: Path) -> Dict[str, str]:
    """Return the plugins in an image: their versions by name."""
    document = succeeded(program("inspect", "--json", image)).json
    return {plugin["name"]: plugin["version"] for plugin in document["plugins"]}


def test_a_plugin_is_merged_into_an_update_rpm(
        program: Program, update: Path, built: support.Fixtures, signing: str,
        tmp_path: Path) -> None:
    agent = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    site = tmp_path / "site"
    site.mkdir()
    before = update.read_bytes()
    dry = succeeded(program("merge", update, agent, "--dry-run", UNSIGNED, "-o", site))
    assert f"The release of the RPM becomes {RELEASE}.site1." in dry.out
    assert list(site.iterdir()) == []
    answer = succeeded(program("merge", update, agent, "-o", site, "-y", UNSIGNED,
                               f"--sign={signing}"))
    (merged,) = site.iterdir()
    assert merged.name == f"{NAME}-{VERSION}-{RELEASE}.site1.noarch.rpm"
    assert answer.out.endswith(f"{merged} is written.\n")
    assert update.read_bytes() == before

    # rpm takes it as signed by the key, and dnf for newer than the original
    keyring = tmp_path / "keyring"
    run(["rpmkeys", "--dbpath", keyring, "--import", built.key.path])
    run(["rpmkeys", "--dbpath", keyring, "--checksig", "--define", "_pkgverify_level all", merged])
    shutil.copy2(update, site)
    run(["createrepo_c", "--quiet", site])
    latest = run(["dnf-3", "-q", "--installroot", tmp_path / "empty", "--releasever=9",
                  "--setopt=reposdir=/dev/null", f"--repofrompath=site,{site}", "--nogpgcheck",
                  "repoquery", "--latest-limit=1", NAME])
    assert latest.splitlines()[-1] == f"{NAME}-0:{VERSION}-{RELEASE}.site1.noarch"

    # the same files, of which only the image differs, and the image has the same form
    files = "[%{FILENAMES} %{FILEMODES} %{FILEUSERNAME} %{FILEFLAGS} %{FILELINKTOS}\\n]"
    assert query(merged, files) == query(update, files)
    new, old = (squashfs_of(path, tmp_path / name) for path, name in (
        (merged, "new"), (update, "old")))
    assert superblock(new) == superblock(old)
    assert (new.parent / "product.img").read_bytes() == (old.parent / "product.img").read_bytes()
    assert plugins_of(program, merged) == plugins_of(program, new) == {"agent": "1.0"}
    assert succeeded(program("extract", merged, "/opt/agent/text")).out == "hello\n"
    (tmp_path / "opened").mkdir()
    with opened(merged, tmp_path / "opened", run=run) as image:
        assert label(image.root / "opt/agent/text") == "text_t"
    # a Node has a volume with the name of each image
    assert succeeded(program("extract", merged, f"/{IMAGE_VERSION}")).out == (
        f"{_IMAGE_NVR}.site1\n")

    # the merged RPM is an image like any other
    assert "agent" in succeeded(program("manifest", merged, "agent")).out
    assert "agent" in program("diff", update, merged).out
    replayed = succeeded(program("merge", old, "--plugins-from", merged, agent, "--dry-run",
                                 UNSIGNED))
    assert "Installing agent 1.0" in replayed.out
    second = tmp_path / "second"
    second.mkdir()
    removal = succeeded(program("merge", merged, "--remove", "agent", "--dry-run"))
    assert f"The release of the RPM becomes {RELEASE}.site2." in removal.out
    succeeded(program("shell", merged, "-o", second, "--", "/bin/sh", "-c", "exit 0"))
    (changed,) = second.iterdir()
    assert changed.name == f"{NAME}-{VERSION}-{RELEASE}.site2.noarch.rpm"
    assert succeeded(program("extract", changed, f"/{IMAGE_VERSION}")).out == (
        f"{_IMAGE_NVR}.site2\n")


def test_a_shell_changes_the_image_in_an_update_rpm(
        program: Program, update: Path, tmp_path: Path) -> None:
    output = tmp_path / "a name.rpm"
    succeeded(program("shell", update, "--site-tag=acme7", "-o", output, "--",
                      "/bin/sh", "-c", "echo new >/opt/new"))
    assert query(output, "%{RELEASE}") == f"{RELEASE}.acme7"
    assert succeeded(program("extract", output, "/opt/new")).out == "new\n"


@pytest.mark.parametrize(("word", "message", "status"), [
    ("--site-tag=7", "7 is no tag of a release", Status.USAGE),
    ("--site-tag=a.b", "a.b is no tag of a release", Status.USAGE),
    ("--sign=nobody@example.com", "the RPM cannot be signed", Status.REFUSED)])
def test_what_no_rpm_can_have_is_refused_before_the_plan(
        word: str, message: str, status: Status, program: Program, update: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(tmp_path))
    answer = program("merge", update, "agent", "--dry-run", word)
    assert answer.status == status
    assert message in answer.err
    assert "Planning" not in answer.err


def test_a_folder_that_is_missing_is_reported(
        program: Program, update: Path, tmp_path: Path) -> None:
    answer = program("merge", update, "agent", "-o", f"{tmp_path}/site/")
    assert answer.status == Status.USAGE
    assert f"there is no folder {tmp_path}/site/ to write to" in answer.err


def test_a_site_tag_is_for_rpms_only(program: Program, update: Path, tmp_path: Path) -> None:
    image = squashfs_of(update, tmp_path / "unpacked")
    answer = program("merge", image, "agent", "--dry-run", "--site-tag=site1")
    assert answer.status == Status.USAGE
    assert "is not an RPM" in answer.err
