"""Metadata that do not fit the RPMs of a repository: what the messages say, and that it helps."""
from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.repositories import define_repo, installed, web_server

pytestmark = pytest.mark.root


def test_metadata_that_do_not_fit_the_files_of_a_bundle_are_refused(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    bundle, before = make_plugin(tmp_path, "tool"), installed(node)
    (rpm,) = (bundle / "repo").glob("*.rpm")
    data = rpm.read_bytes()

    def refusal(source: Path) -> list[str]:
        answer = dnf.plugin(node, "install", source, "-y", UNSIGNED)
        assert (answer.status, installed(node)) == (1, before), answer.text
        lines = answer.err.splitlines()
        return lines[lines.index(
            "Error: the metadata of the repository bundle:tool do not fit its files:") + 1:]

    rpm.write_bytes(data + b"x")
    assert refusal(bundle)[0] == f"  'tool-1.0-1.noarch.rpm' has {len(data) + 1} bytes, not" \
                                 f" {len(data)}"
    rpm.write_bytes(data[:-1] + b"x")
    assert refusal(bundle)[:2] == [
        "  'tool-1.0-1.noarch.rpm' has another checksum",
        "Either they are stale, as after an RPM was built again, or somebody changed the file."]
    rpm.unlink()
    run(["tar", "-C", tmp_path, "-cf", tmp_path / "tool.tar", bundle.name])
    assert refusal(tmp_path / "tool.tar") == [
        "  'tool-1.0-1.noarch.rpm' is missing",
        "They are stale: they name files that are not there.",
        "Nothing was changed. If the files there are those of the vendor, make the metadata again:"
        " createrepo_c --update repo, in the folder of the bundle, and make its tar again"]
    rpm.with_name("again.rpm").write_bytes(
        support.quick_rpm("tool", "1.0", files={"/usr/share/tool": "built again"}).read_bytes())
    command = refusal(bundle)[-1].rpartition(": ")[2]
    run([*shlex.split(command), "--quiet"])
    assert dnf.plugin(node, "install", bundle, "-y", UNSIGNED).status == 0


def test_stale_metadata_of_a_server_are_called_that(node: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "rpms", "tool")
    rpm, before = repo.add("tool", "1.0"), installed(node)
    (tmp_path / "node-plugin.xml").write_text(support.descriptor_xml("tool"))
    repo.finish(descriptor=tmp_path / "node-plugin.xml")
    with web_server(repo.folder) as web:
        define_repo(node, "tool", web.url.replace("://", "://user:secret@"))
        for data, told in ((rpm.read_bytes()[:-1] + b"x", "A file is not the one that the"),
                           (None, "The metadata name a file that is not there: they are stale.")):
            rpm.unlink() if data is None else rpm.write_bytes(data)
            answer = dnf.plugin(node, "install", "tool", "-y", UNSIGNED, "--enablerepo=tool",
                                "--setopt=tool.retries=1")
            assert (answer.status, installed(node)) == (1, before), answer.text
            assert told in answer.err and "secret" not in answer.err
            assert "add --refresh. Else who runs the repository has to make" in answer.err
    define_repo(node, "tool", f"file://{repo.folder}")
    answer = dnf.plugin(node, "install", "tool", "-y", UNSIGNED, "--enablerepo=tool")
    assert f"createrepo_c --update --keep-all-metadata {repo.folder}" in answer.err
