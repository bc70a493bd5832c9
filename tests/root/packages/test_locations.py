"""Packages that the repository inside a bundle names outside of the bundle."""
from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.system.run import run
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.repositories import installed, web_server

pytestmark = pytest.mark.root


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of the plugin ``tool``, with its one package inside."""
    return make_plugin(tmp_path, "tool")


def rename(bundle: Path, location: str) -> None:
    """Change the location of the package in the metadata, and move the RPM out of the bundle."""
    repo = bundle / "repo"
    (rpm,) = repo.glob("*.rpm")
    shutil.move(str(rpm), bundle.parent / rpm.name)
    (primary,) = (repo / "repodata").glob("*-primary.xml.gz")
    text, changes = re.subn(r"<location [^>]*/>", f"<location {location}/>",
                            gzip.decompress(primary.read_bytes()).decode())
    assert changes == 1
    plain = bundle.parent / "primary.xml"
    plain.write_text(text, encoding="utf-8")
    run(["modifyrepo_c", "--remove", "primary", repo / "repodata"])
    run(["modifyrepo_c", "--mdtype=primary", plain, repo / "repodata"])


@pytest.mark.parametrize("location", [
    'href="../../{rpm}"', 'href="x/../../../{rpm}"', 'href="{folder}/{rpm}"',
    'href="file://{folder}/{rpm}"', 'xml:base="file://{folder}" href="{rpm}"',
    'href="{url}/{rpm}"', 'xml:base="{url}" href="{rpm}"',
    'xml:base="ftp://127.0.0.1:9/x" href="{rpm}"'])
@pytest.mark.parametrize("words", [["--dry-run"], []])
def test_a_package_outside_of_the_bundle_is_refused(
        bundle: Path, node: Path, dnf: Dnf, location: str, words: List[str]) -> None:
    before = installed(node)
    with web_server(bundle.parent) as web:
        rename(bundle, location.format(rpm="tool-1.0-1.noarch.rpm", folder=bundle.parent,
                                       url=web.url))
        answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED, *words)
    assert answer.status == 7, answer.text
    assert re.search(r"names tool-1\.0-1\.noarch at '.*tool-1\.0-1\.noarch\.rpm', which is outside"
                     r" of the\s+bundle", answer.err)
    assert (installed(node), web.requests) == (before, [])


@pytest.mark.parametrize("location", [
    'href="../../primary.xml.gz"', 'href="/etc/passwd"', 'href="http://127.0.0.1:9/x"',
    'xml:base="http://127.0.0.1:9/" href="repodata/primary.xml.gz"'])
def test_metadata_outside_of_the_bundle_is_refused(
        bundle: Path, node: Path, dnf: Dnf, location: str) -> None:
    index = bundle / "repo/repodata/repomd.xml"
    text = index.read_text(encoding="utf-8")
    index.write_text(re.sub(r"<location [^>]*/>", f"<location {location}/>", text, count=1),
                     encoding="utf-8")
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 7, answer.text
    assert re.search(r"repo/repodata/repomd\.xml:\d+: '\S+' is outside of repo/", answer.err)


def test_a_bundle_is_installed_without_a_network(bundle: Path, node: Path, dnf: Dnf) -> None:
    offline = replace(dnf, prefix=("unshare", "--net", "--"))
    answer = offline.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    assert "tool-1.0-1.noarch" in installed(node)


def test_packages_in_folders_of_the_repository_are_installed(
        bundle: Path, node: Path, dnf: Dnf) -> None:
    (rpm,) = (bundle / "repo").glob("*.rpm")
    (bundle / "repo/Packages/t").mkdir(parents=True)
    rpm.rename(bundle / "repo/Packages/t" / rpm.name)
    run(["createrepo_c", "--quiet", bundle / "repo"])
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    assert "tool-1.0-1.noarch" in installed(node)
