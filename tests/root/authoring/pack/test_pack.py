"""``ovirt-node-plugin pack``: a plugin as it is published."""
from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Container, Iterator, List, Mapping, Sequence

import pytest

from ovirt_node_plugin.authoring.pack import pack as pack_module
from ovirt_node_plugin.authoring.pack.pack import PackedPlugin, PackOrder, pack
from ovirt_node_plugin.cli.main import main
from ovirt_node_plugin.errors import (
    NeedsNewerImage,
    Reasons,
    Refused,
    RolledBack,
    UnmetDependency,
    UsageError,
)
from ovirt_node_plugin.plugin import bundle_files
from ovirt_node_plugin.plugin.bundle import opened
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import Polled, StrPath, run
from tests import support
from tests.support.adhoc import quick_rpm
from tests.support.dnf_runner import TOP, Dnf, environment, succeeded
from tests.support.program import Program
from tests.support.repositories import web_server
from tests.support.rpms import make_repo
from tests.support.signing import signing_key

pytestmark = pytest.mark.root

CORE_LISTS = (TOP / "etc/ovirt-node-plugin/core.d",)
DESCRIPTOR = """<?xml version="1.0" encoding="UTF-8"?>
<!-- </name> -->
<node-plugin schema-version="1">
  <name>agent</name>
  <version>2.0</version>
  <vendor>ÄCME &amp; Söhne / EMEA</vendor>
  <summary>The agent</summary>
  <url>https://example.org/</url>
  <license>MIT</license>
  <packages>
    <install name="agent"/>
  </packages>
  <settings>
    <udev-rules name="60-agent.rules" source="files/60.rules"/>
  </settings>
</node-plugin>
"""
STEM = "ACME-Sohne-EMEA-agent-2.0"
AGENT: Mapping[str, str] = {"/opt/acme/agent": "x"}


def write(folder: Path, rpms: Sequence[Path] = (), *, descriptor: str = DESCRIPTOR) -> Path:
    """Write the folder of a plugin as a vendor has it: without metadata, and with other files."""
    (folder / "repo").mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "node-plugin.xml").write_text(descriptor, encoding="utf-8")
    (folder / "files/60.rules").write_text("# none\n")
    (folder / "README.md").write_text("notes\n")
    for rpm in rpms or [quick_rpm("agent", "2.0", files=AGENT)]:
        shutil.copy(rpm, folder / "repo")
    return folder


def packed(bundle: Path, output: Path, **options: object) -> PackedPlugin:
    output.mkdir(exist_ok=True)
    order = PackOrder(bundle, output, core_lists=CORE_LISTS, **options)  # type: ignore[arg-type]
    return pack(order, run=run, progress=Silent())


@pytest.fixture(name="key")
def _key(built: support.Fixtures, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with signing_key(built.key, monkeypatch) as fingerprint:
        yield fingerprint


def test_a_signed_plugin_installs_by_its_repo_file_from_its_tar_and_from_the_library(
        key: str, node: Path, dnf: Dnf, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    before = quick_rpm("agent", "2.0", files=AGENT).read_bytes()
    with web_server(out) as web:
        result = packed(write(tmp_path / "agent"), out, key=key,
                        baseurl=f"{web.url}/{STEM}/repo")
        assert (result.folder, result.baseurl) == (out / STEM, f"{web.url}/{STEM}/repo/")
        shutil.copy(out / STEM / "agent.repo", node / "etc/yum.repos.d")
        succeeded(dnf.plugin(node, "install", "agent", "--enablerepo=agent", "-y",
                             f"--trust-key={key}"))
    assert (tmp_path / "agent/repo/agent-2.0-1.noarch.rpm").read_bytes() == before
    (node / "etc/yum.repos.d/agent.repo").unlink()
    succeeded(dnf.plugin(node, "remove", "agent", "-y"))
    succeeded(dnf.plugin(node, "add", result.archive))
    for bundle in ("agent", result.archive, result.folder):
        plan = succeeded(dnf.plugin(node, "install", bundle, "--dry-run", f"--trust-key={key}"))
        assert "install udev rules 60-agent.rules from files/60.rules" in plan.text
        assert f"Signed by Node Plugin Fixtures <fixtures@example.com> ({key.lower()})" in plan.text
    # GnuPG itself accepts the signatures, by the key beside them
    run(["gpg", "--batch", "--import", out / STEM / "repo/RPM-GPG-KEY-agent"])
    for signature, signed in ((f"{STEM}.tar.zst.asc", f"{STEM}.tar.zst"),
                              (f"{STEM}/repo/repodata/repomd.xml.asc",
                               f"{STEM}/repo/repodata/repomd.xml")):
        run(["gpg", "--batch", "--verify", out / signature, out / signed])
    with pytest.raises(Refused, match="exists already"):
        packed(tmp_path / "agent", out, key=key)
    assert packed(tmp_path / "agent", out, key=key, force=True).signature


def test_a_plugin_becomes_the_same_bytes_in_another_folder_and_at_another_time(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = quick_rpm("tool", "1", files={"/opt/acme/tool": "x"})
    first = write(tmp_path / "a", [quick_rpm("agent", "2.0", files=AGENT), tool])
    other = write(tmp_path / "other", [tool, quick_rpm("agent", "2.0", files=AGENT)])
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    make_repo(other / "repo")  # metadata of the vendor, which are made again
    results = [packed(first, tmp_path / "out"), packed(other, tmp_path / "else")]
    assert len({result.sha256 for result in results}) == 1
    assert not results[0].unchanged and packed(other, tmp_path / "out").unchanged
    assert sorted(os.listdir(tmp_path / "out")) == [STEM, f"{STEM}.tar.zst"]
    assert results[0].left_out == ("README.md",)
    with opened(results[0].archive or Path(), run=run) as bundle:
        assert bundle.descriptor.files == {"files/60.rules": b"# none\n"}
    assert [run(["find", out / STEM, "-printf", "%P %s %m\n", "-type", "f"])
            for out in (tmp_path / "out",)] == [
                run(["find", tmp_path / "else" / STEM, "-printf", "%P %s %m\n", "-type", "f"])]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    (other / "files/60.rules").write_text("# other\n")
    with pytest.raises(Refused, match="exists already"):
        packed(other, tmp_path / "out")
    replaced = packed(other, tmp_path / "out", force=True)
    assert "2001-09-09" in run(["tar", "--utc", "-tvf", replaced.archive or ""])
    assert sorted(os.listdir(tmp_path / "out")) == [STEM, f"{STEM}.tar.zst"]


def test_errors_are_named_and_nothing_is_written(
        program: Program, tmp_path: Path, key: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    broken = write(tmp_path / "broken", descriptor=DESCRIPTOR.replace("60.rules", "61.rules"))
    answer = program("pack", broken, "-o", out, "--json")
    assert answer.status == 7
    assert [each["code"] for each in answer.json["findings"] if each["severity"] == "error"] == [
        "settings/source"]
    assert (answer.json["packed"], answer.json["path"]) == (False, str(broken))
    text = program("pack", broken, "-o", out)
    assert text.status == 7 and text.out.endswith("Nothing was packed: 1 error.\n"), text.text
    invalid = write(tmp_path / "invalid", descriptor=DESCRIPTOR.replace("version>", "versin>"))
    assert "descriptor/schema" in program("pack", invalid, "-o", out).out
    (tmp_path / "empty").mkdir()
    assert program("pack", tmp_path / "empty", "-o", out).status == 7
    good = write(tmp_path / "good")
    for words, status, message in (
            ([good, "-o", out, "--sign", "nobody@example.com"], 2, "has no secret key nobody"),
            ([good, "-o", good], 2, "which is never written to"),
            ([good, "-o", tmp_path / "none"], 2, "there is no folder"),
            ([good / "node-plugin.xml", "-o", out], 2, "is not a folder"),
            ([good, "-o", out, "--baseurl", "example.com/x"], 2, "is not an address"),
            ([good, "-o", out, "--complete", "http://example.com/"], 2, "is not protected"),
            ([good, "-o", out, "--complete", tmp_path / "empty"], 2, "neither the folder of a")):
        answer = program("pack", *words)
        assert (answer.status, message in answer.err) == (status, True), answer.text
    assert os.listdir(out) == []


@pytest.mark.parametrize("failing", ["createrepo_c", "modifyrepo_c", "rpmsign", "zstd", "gpg"])
def test_a_program_that_fails_leaves_the_outputs_as_they_were(
        failing: str, key: str, tmp_path: Path) -> None:
    bundle, out = write(tmp_path / "agent"), tmp_path / "out"
    packed(bundle, out)
    before = {name: os.stat(out / name).st_ino for name in os.listdir(out)}

    def broken(argv: Sequence[StrPath], *, ok: Container[int] = (0,), stdin: bytes = b"",
               polled: Polled = None) -> str:
        if argv[0] == failing and (failing != "gpg" or str(argv[-1]).endswith(".zst")):
            return run(["false"])
        return run(argv, ok=ok, stdin=stdin, polled=polled)

    with pytest.raises(RolledBack):
        pack(PackOrder(bundle, out, key=key, force=True), run=broken, progress=Silent())
    assert {name: os.stat(out / name).st_ino for name in os.listdir(out)} == before


def test_the_programs_get_these_arguments(key: str, tmp_path: Path) -> None:
    started: List[List[str]] = []

    def recorded(argv: Sequence[StrPath], *, ok: Container[int] = (0,), stdin: bytes = b"",
                 polled: Polled = None) -> str:
        started.append([os.fspath(word) for word in argv])
        return run(argv, ok=ok, stdin=stdin, polled=polled)

    date = "1000000000"
    (tmp_path / "out").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", date)
        pack(PackOrder(write(tmp_path / "agent"), tmp_path / "out", key=key), run=recorded,
             progress=Silent())
    (work,) = {Path(argv[-1]).parents[1] for argv in started if argv[0] == "createrepo_c"}
    repo, metadata = f"{work}/{STEM}/repo", f"{work}/{STEM}/repo/repodata"
    make = ["createrepo_c", "--quiet", "--no-database", "--general-compress-type=gz",
            "--checksum=sha256", f"--revision={date}", "--set-timestamp-to-revision", "--", repo]
    gpg = ["gpg", "--batch", "--no-tty"]
    detach = [*gpg, "--quiet", "--local-user", key, "--armor", "--detach-sign", "--output"]
    add = ["modifyrepo_c", "--compress-type=gz"]
    files = next(argv[-2] for argv in started if argv[1] == "--mdtype=node-plugin-files")
    # lint and the check of signatures start others, and gpg with a home of their own
    own = [argv for argv in started if "--homedir" not in argv
           and argv[0] in ("createrepo_c", "modifyrepo_c", "zstd", "gpg")]
    assert own.pop(2)[:len(detach)] == detach  # the trial
    assert own == [
        [*gpg, "--with-colons", "--list-secret-keys", "--", key],
        [*gpg, "--armor", "--export-options", "export-minimal", "--export", "--", key],
        make, make,
        [add[0], "--mdtype=node-plugin", add[1], f"{work}/{STEM}/node-plugin.xml", metadata],
        [add[0], f"--mdtype={bundle_files.METADATA_TYPE}", add[1], files, metadata],
        [*detach, f"{metadata}/repomd.xml.asc", "--", f"{metadata}/repomd.xml"],
        ["zstd", "-10", "-q", "--no-progress", "-T1", "-o", f"{work}/{STEM}.tar.zst", "--",
         f"{work}/plain.tar"],
        [*detach, f"{work}/{STEM}.tar.zst.asc", "--", f"{work}/{STEM}.tar.zst"]]
    assert [argv[-3:] for argv in started if argv[0] == "rpmsign"] == [
        [f"_gpg_name {key}", "--addsign", f"{repo}/agent-2.0-1.noarch.rpm"]]


def test_what_a_plugin_requires_is_added_and_core_packages_are_not(
        node: Path, tmp_path: Path) -> None:
    agent = quick_rpm("agent", "2.0", files=AGENT, requires=["liba", "core-free", "glibc"])
    base = make_repo(tmp_path / "base", [
        quick_rpm("liba", "1", requires="libb >= 2"), quick_rpm("libb", "1"),
        quick_rpm("libb", "2", requires="glibc"), quick_rpm("core-free", "1"),
        quick_rpm("glibc", "99", requires="other"), quick_rpm("other", "1"),
        quick_rpm("unused", "1"), quick_rpm("agent", "3")])
    bundle = write(tmp_path / "agent", [agent])
    result = packed(bundle, tmp_path / "out", complete=(str(base),))
    assert result.completion.added == (
        "core-free-1-1.noarch", "liba-1-1.noarch", "libb-2-1.noarch")
    assert result.completion.needed == ("glibc-99-1",)
    assert len(result.packages) == 4 and result.report.findings
    succeeded_in_root = packed(bundle, tmp_path / "root", complete=(str(node), str(base)))
    assert succeeded_in_root.completion.needed == ()
    assert succeeded_in_root.completion.added == result.completion.added
    newer = write(tmp_path / "newer", [
        quick_rpm("agent", "2.0", files=AGENT, requires="glibc >= 99")])
    with pytest.raises(NeedsNewerImage, match=r"The Node must have: glibc-99-1") as caught:
        packed(newer, tmp_path / "root", complete=(str(node), str(base)))
    assert caught.value.packages == ("glibc-99-1.noarch",)
    lacking = write(tmp_path / "lacking", [
        quick_rpm("agent", "2.0", files=AGENT, requires="nothing-has-this")])
    for words in ((str(node), str(base)), (str(base),)):
        with pytest.raises(UnmetDependency, match="nothing provides nothing-has-this"):
            packed(lacking, tmp_path / "root", complete=words)
    with pytest.raises(UsageError, match="only one can be"):
        packed(lacking, tmp_path / "root", complete=(str(node), str(node)))


def test_pack_needs_no_privileges_and_clean_removes_what_a_killed_one_left(
        program: Program, dnf: Dnf, key: str, tmp_path: Path) -> None:
    bundle, out = write(tmp_path / "agent"), tmp_path / "out"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    answer = succeeded(dnf.run([
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"HOME={out}",
        f"PYTHONPATH={environment().get('PYTHONPATH', '')}", "/usr/bin/python3",
        *program.argv("pack", bundle, "-o", out)]))
    assert f"Packed plugin agent 2.0:\n  {out}/{STEM}/\n" in answer.out
    left = out / f".{STEM}.ovirt-node-plugin-abcdefgh"
    left.mkdir()
    (left / "lock").touch()
    os.utime(left, (1, 1))
    assert str(left) in succeeded(program("clean", out)).out
    assert not left.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_is_no_defect_of_the_plugin(
        number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, out = write(tmp_path / "agent"), tmp_path / "out"
    out.mkdir()

    def ended(*_: object, **__: object) -> None:
        with Reasons().collected():  # as checks do
            os.kill(os.getpid(), number)

    monkeypatch.setattr(pack_module, "lint_on", ended)
    with pytest.raises(SystemExit) as caught:
        main(["pack", str(bundle), "-o", str(out)])
    assert caught.value.code == 128 + number
    assert os.listdir(out) == []
