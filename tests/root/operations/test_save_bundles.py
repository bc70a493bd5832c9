"""Bundles that an installation writes of plugins from repositories."""
from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf, succeeded

pytestmark = [pytest.mark.root]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """The RPM of a package that two plugins have."""
    return support.quick_rpm("acme-library", "1.0", files={"/opt/acme/library": "x"})


@pytest.fixture
def first(library: Path, tmp_path: Path) -> Path:
    """A bundle with that package only."""
    repo = support.RpmRepo(tmp_path / "first.rpms", "first")
    repo.add_file(library)
    return support.write_bundle(tmp_path / "first", support.descriptor_xml(
        "first", "1.0", repos=["first"], install=["acme-library"]), repo=repo)


def repository(folder: Path, library: Path, **scriptlets: str) -> str:
    """Make a repository with the plugin agent; return dnf's option that names it."""
    repo = support.RpmRepo(folder / "site", "site")
    repo.add("agent", "1.0", requires="acme-library", files={"/opt/agent/text": "hello"},
             scriptlets=scriptlets)
    repo.add_file(library)
    descriptor = folder / "site.xml"
    descriptor.write_text(support.descriptor_xml("agent", "1.0", repos=["site"]))
    repo.finish(descriptor=descriptor)
    return f"--repofrompath=site,{repo.folder}"


def test_a_saved_bundle_is_sufficient_without_the_repository(
        dnf: Dnf, node: Path, built: support.Fixtures, first: Path, library: Path, tmp_path: Path
        ) -> None:
    option, saved, other = repository(tmp_path, library), tmp_path / "saved", tmp_path / "other"
    succeeded(dnf.plugin(node, "install", first, "-y", UNSIGNED))
    words = ("install", "agent", option, f"--save-bundles={saved}", "-y", UNSIGNED)
    succeeded(dnf.plugin(node, *words))
    # the package that the root had already is in it too
    assert sorted(path.name for path in (saved / "agent/repo").glob("*.rpm")) == [
        "acme-library-1.0-1.noarch.rpm", "agent-1.0-1.noarch.rpm"]
    assert "<repos" not in (saved / "agent/node-plugin.xml").read_text()
    shutil.rmtree(tmp_path / "site")
    succeeded(dnf.plugin(built.node_root(other), "install", saved / "agent", "-y", UNSIGNED))
    assert (other / "opt/agent/text").read_text() == "hello\n"
    assert (other / "opt/acme/library").exists()


def test_saved_bundles_with_source_date_epoch_are_the_same(
        dnf: Dnf, node: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
        ) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    option, contents = repository(tmp_path, library), []
    for name in ("first", "second"):
        succeeded(dnf.plugin(node, "install", "agent", option, f"--save-bundles={tmp_path / name}",
                             "-y", UNSIGNED))
        succeeded(dnf.plugin(node, "remove", "agent", "-y"))
        contents.append({path.relative_to(tmp_path / name): path.read_bytes()
                         for path in (tmp_path / name).rglob("*") if path.is_file()})
        for path in tmp_path.rglob("*.rpm"):
            os.utime(path)
    assert contents[0] == contents[1] and len(contents[0]) >= 7


def test_a_failed_installation_leaves_no_bundle_and_keeps_an_existing_folder(
        dnf: Dnf, node: Path, library: Path, tmp_path: Path) -> None:
    option, saved = repository(tmp_path, library, pre="exit 1"), tmp_path / "saved"
    words = ("install", "agent", option, f"--save-bundles={saved}", "-y", UNSIGNED)
    failed = dnf.plugin(node, *words)
    assert failed.status == 8, failed.text
    assert list(saved.iterdir()) == []
    (saved / "agent").mkdir()
    (saved / "agent/mine").touch()
    refused = dnf.plugin(node, *words)
    assert refused.status == 2 and f"{saved}/agent exists already" in refused.err
    assert [path.name for path in (saved / "agent").iterdir()] == ["mine"]
