"""Control characters and marks of direction of strangers do not reach the terminal or the log."""
from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from ovirt_node_plugin.system.run import run
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, add_to_shipped_library
from tests.support.repositories import define_repo, installed

pytestmark = pytest.mark.root

MARKS = "\x1b[31m\x9b1A\u202e\u2066\x07"
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069]")


def check(answer: Answer, *, shown: str) -> None:
    """Assert that an answer names something by its escapes, and has no control characters."""
    assert UNPRINTABLE.findall(answer.text) == []
    assert shown in answer.text, answer.text


def rename_in_metadata(bundle: Path, name: str) -> None:
    """Give the package another name in the metadata of the bundle's repository."""
    (primary,) = (bundle / "repo/repodata").glob("*-primary.xml.gz")
    text = gzip.decompress(primary.read_bytes()).decode()
    plain = bundle.parent / "primary.xml"
    plain.write_text(text.replace("<name>tool</name>", f"<name>{name}</name>"), encoding="utf-8")
    run(["modifyrepo_c", "--remove", "primary", bundle / "repo/repodata"])
    run(["modifyrepo_c", "--mdtype=primary", plain, bundle / "repo/repodata"])


def test_names_in_os_release_are_escaped(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    with (node / "etc/os-release").open("a", encoding="utf-8") as stream:
        stream.write(f'PRETTY_NAME="Node {MARKS}"\nNAME="Node {MARKS}"\nVERSION="{MARKS}"\n')
    bundle = make_plugin(tmp_path, "tool")
    for words in (["install", bundle, "--dry-run", UNSIGNED], ["install", bundle, "-y", UNSIGNED]):
        check(dnf.plugin(node, *words), shown="tool")


def test_a_package_that_cannot_be_printed_is_refused(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before = installed(node)
    bundle = make_plugin(tmp_path, "tool")
    name = f"tool{MARKS[5:-1]}"  # XML has no ESC
    descriptor = bundle / "node-plugin.xml"
    rename_in_metadata(bundle, name)
    descriptor.write_text(descriptor.read_text(encoding="utf-8").replace(
        '<install name="tool"/>', f'<install name="{name}"/>'), encoding="utf-8")
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status != 0 and installed(node) == before
    check(answer, shown="\\u202e")


def test_a_dependency_that_cannot_be_printed_is_refused(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before = installed(node)
    bundle = make_plugin(tmp_path, "tool", requires=["helper"])
    helper = make_plugin(tmp_path, "helper")
    (rpm,) = (helper / "repo").glob("*.rpm")
    rpm.rename(bundle / "repo" / rpm.name)
    run(["createrepo_c", "--quiet", bundle / "repo"])
    (primary,) = (bundle / "repo/repodata").glob("*-primary.xml.gz")
    text = gzip.decompress(primary.read_bytes()).decode()
    plain = tmp_path / "primary.xml"
    plain.write_text(text.replace("<name>helper</name>", "<name>helper\u202e\x9b</name>"),
                     encoding="utf-8")
    run(["modifyrepo_c", "--remove", "primary", bundle / "repo/repodata"])
    run(["modifyrepo_c", "--mdtype=primary", plain, bundle / "repo/repodata"])
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 6 and installed(node) == before, answer.text
    check(answer, shown="a name with control characters")


def test_names_of_repositories_are_escaped(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    path = define_repo(node, "agent", "file:///nowhere")
    path.write_text(path.read_text(encoding="utf-8").replace("name=", f"name={MARKS}")
                    + f"\n[bad{MARKS}]\nname=x\nbaseurl=file:///nowhere\n", encoding="utf-8")
    check(dnf.plugin(node, "repos"), shown="agent")
    check(dnf.plugin(node, "list", "--available", "--enablerepo=agent"), shown="agent")


def test_names_of_files_in_a_bundle_are_escaped(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "tool")
    (bundle / "keys").mkdir()
    (bundle / "keys" / f"key{MARKS}").write_text("no key", encoding="utf-8")
    check(dnf.plugin(node, "install", bundle), shown="\\u202e")
    log = (node / "var/log/dnf.log").read_text(encoding="utf-8")
    assert UNPRINTABLE.findall(log) == []


def test_plain_dnf_prints_the_notes_with_escapes(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "tool")
    path = bundle / "tool.repo"
    path.write_text(path.read_text(encoding="utf-8") + f"key{MARKS}=1\n", encoding="utf-8")
    add_to_shipped_library(dnf, bundle, "tool")
    check(dnf(node, "repolist"), shown="\\u202e")
