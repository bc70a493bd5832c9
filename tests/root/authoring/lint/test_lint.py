"""``ovirt-node-plugin lint`` of bundles with real packages."""
from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from pathlib import Path
from typing import Callable, Dict, Mapping, Sequence, Set

import pytest

from ovirt_node_plugin.authoring.lint.codes import CODES, Severity
from ovirt_node_plugin.authoring.lint.lint import Report, lint
from ovirt_node_plugin.cli.main import main
from ovirt_node_plugin.errors import UsageError
from ovirt_node_plugin.report import lint_data
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.target import identify
from tests import support
from tests.support import schemas
from tests.support.adhoc import quick_rpm
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf
from tests.support.keys import make_key
from tests.support.lint_cases import BUNDLE_CASES
from tests.support.rpms import make_repo

pytestmark = pytest.mark.root

DESCRIPTOR = """<node-plugin schema-version="1">
  <name>agent</name>
  <version>2.0</version>
  <vendor>ACME</vendor>
  <summary>The agent</summary>
  <url>https://example.com/</url>
  <license>MIT</license>
  <packages>
    <install name="agent"/>
  </packages>
  <settings>
    <udev-rules name="60-agent.rules" source="/usr/share/agent/agent.rules"/>
  </settings>
</node-plugin>
"""
FILES = {"/usr/share/agent/agent.rules": "# none\n"}


def write(folder: Path, *, descriptor: str = DESCRIPTOR, rpms: Sequence[Path] = (),
          version: str = "2.0", **package: object) -> Path:
    """Write a bundle with a package ``agent``, and further ``rpms``."""
    options: Dict[str, object] = {"files": FILES, **package}
    agent = quick_rpm("agent", version, **options)  # type: ignore[arg-type]
    shutil.rmtree(folder, ignore_errors=True)
    make_repo(folder / "repo", [agent, *rpms])
    (folder / "node-plugin.xml").write_text(descriptor)
    return folder


def codes(report: Report) -> Set[str]:
    return {finding.code for finding in report.findings}


@pytest.fixture(name="base", scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repo(tmp_path_factory.mktemp("base"), [
        quick_rpm("core", "1.0", provides="libcore = 1", files={"/usr/bin/core": "x"})])


@pytest.fixture(name="older", scope="module")
def _older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("older") / "agent", version="1.0",
                 descriptor=DESCRIPTOR.replace("2.0", "1.0"))


def _edited(old: str, new: str) -> Callable[[Path], object]:
    assert old in DESCRIPTOR
    return lambda folder: write(folder, descriptor=DESCRIPTOR.replace(old, new))


def _remake(folder: Path) -> None:
    """Replace an RPM by another one of its name, with the metadata as they were."""
    (rpm,) = (folder / "repo").glob("*.rpm")
    shutil.copy(quick_rpm("agent", "9"), rpm)


CASES: Mapping[str, Callable[[Path], object]] = {
    "repository/stale": _remake,
    "repository/unlisted": lambda folder: shutil.copy(quick_rpm("x", "1"), folder / "repo"),
    "repository/package": lambda folder: run(
        ["createrepo_c", "--quiet", "--location-prefix=..", folder / "repo"]),
    "packages/missing": _edited('install name="agent"', 'install name="agnt"'),
    "packages/unmet": lambda folder: write(folder, requires=["libcore = 1", "libother"]),
    "packages/path": lambda folder: write(folder, files={**FILES, "/root/agent": "x"}),
    "packages/header": lambda folder: write(
        folder, attributes={"/opt/agent/null": "%dev(c, 1, 3)"}),
    "packages/unsigned": lambda folder: None,
    "settings/source": _edited("agent.rules\"/>", "agnt.rules\"/>"),
    "settings/conflict": lambda folder: write(
        folder, files={**FILES, "/etc/udev/rules.d/60-agent.rules": "x"}),
    "settings/refused": _edited("<settings>", '<settings><config-file folder="none" name="a.conf"'
                                ' source="/usr/share/agent/agent.rules"/>'),
    "older/version": _edited("<version>2.0", "<version>0.9"),
    "older/package": lambda folder: write(folder, version="0.5"),
    "older/name": _edited("<name>agent", "<name>other"),
    "older/origin": _edited("ACME", "Somebody"),
}
"""For each kind of defect, a change of a valid bundle that causes it."""
# Those with tests of their own below; the last is raised where a root is known only.
OWN = {"packages/unchecked", "packages/key", "packages/license", "packages/core"}
# Those of test_lint_signatures.py
SIGNED = {"keys/state", "signature/invalid", "signature/key", "packages/signature"}
SILENCES = {"lint/silence", "lint/unused"}


def test_each_kind_of_defect_is_tested() -> None:
    assert {*CASES, *BUNDLE_CASES, *OWN, *SIGNED, *SILENCES} == set(CODES)


@pytest.mark.parametrize("code", sorted(CASES))
def test_each_kind_of_defect_of_packages_and_settings_is_found(
        tmp_path: Path, base: Path, older: Path, code: str) -> None:
    folder = write(tmp_path / "agent")
    report = lint(folder, run=run, against=[base], older=older)
    assert codes(report) == {"packages/unsigned"}
    CASES[code](folder)
    report = lint(folder, run=run, against=[base], older=older)
    assert code in codes(report)
    assert all(finding.reason and finding.mend for finding in report.findings)


def test_an_install_refuses_what_lint_calls_an_error_and_nothing_else(
        tmp_path: Path, node: Path, dnf: Dnf) -> None:
    wrong = []
    for code, change in CASES.items():
        folder = write(tmp_path / "agent")
        change(folder)
        answer = dnf.plugin(node, "install", folder, "--dry-run", UNSIGNED)
        refused = answer.status != 0
        errors = lint(folder, run=run, against=[node]).number(Severity.ERROR)
        if refused != (errors > 0):
            wrong.append((code, answer.status, answer.text))
    assert wrong == []


def test_a_tar_is_linted_like_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "agent", files={**FILES, "/root/agent": "x"})
    with tarfile.open(tmp_path / "agent.tar.gz", "w:gz") as out:
        out.add(folder, arcname="agent")
    assert lint(tmp_path / "agent.tar.gz", run=run).findings == lint(folder, run=run).findings


def test_without_a_base_the_dependencies_are_a_note(tmp_path: Path) -> None:
    folder = write(tmp_path / "agent", requires=["libcore = 1", "/usr/bin/core"])
    (note,) = [finding for finding in lint(folder, run=run).findings
               if finding.code == "packages/unchecked"]
    assert note.reason.endswith("was not looked for: /usr/bin/core, libcore = 1")


def test_all_missing_dependencies_are_named_with_the_package(tmp_path: Path, base: Path) -> None:
    folder = write(tmp_path / "agent", requires=["libcore = 1", "/usr/bin/core", "one", "two > 2"])
    (finding,) = [finding for finding in lint(folder, run=run, against=[base]).findings
                  if finding.code == "packages/unmet"]
    assert finding.reason == ("agent-2.0-1.noarch requires one, two > 2, which neither repo/ nor"
                              " the base provides")
    assert finding.file == "repo/agent-2.0-1.noarch.rpm"


def test_a_root_is_a_base(tmp_path: Path, node: Path) -> None:
    folder = write(tmp_path / "agent", requires=["vdsm", "nothing"])
    (finding,) = [finding for finding in lint(folder, run=run, against=[node]).findings
                  if finding.code == "packages/unmet"]
    assert "requires nothing, which" in finding.reason


NEEDS = """<requires>
    <node min="99"/><package name="none"/><package name="vdsm" min="99"/>
  </requires>
  <packages>"""


def test_what_a_node_does_not_have_is_found(tmp_path: Path, node: Path) -> None:
    newer = quick_rpm("vdsm", "98")
    folder = write(tmp_path / "agent", requires=["vdsm >= 98"], rpms=[newer])
    (finding,) = [finding for finding in lint(folder, run=run, against=[node]).findings
                  if finding.code == "packages/core"]
    assert "would be replaced or removed: vdsm-" in finding.reason
    write(tmp_path / "agent", descriptor=DESCRIPTOR.replace("<packages>", NEEDS))
    found = {finding.reason: finding.code
             for finding in lint(folder, run=run, against=[node]).findings
             if finding.code in ("packages/core", "packages/unmet")}
    (evr,) = [version for version in map(vdsm_version, found) if version]
    assert found == {
        "the descriptor needs none; the base has no none": "packages/unmet",
        f"the descriptor needs vdsm >= 99; the base has vdsm-{evr}": "packages/core",
        f"plugin agent 2.0 cannot go into {identify(node).name}: it needs oVirt Node 99 or"
        " newer.": "packages/core"}


def vdsm_version(reason: str) -> str:
    return reason.partition("the base has vdsm-")[2]


def test_a_folder_that_is_no_base_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "agent")
    with pytest.raises(UsageError, match="neither the folder of a repository nor that of a root"):
        lint(folder, run=run, against=[tmp_path])


def test_a_package_that_only_the_base_needs_is_not_judged(tmp_path: Path) -> None:
    unused = quick_rpm("unused", "1", files={"/root/unused": "x"})
    assert codes(lint(write(tmp_path / "agent", rpms=[unused]), run=run)) == {"packages/unsigned"}


def test_the_answer_and_the_exit_status_follow_from_the_severities(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, log = write(tmp_path / "agent"), tmp_path / "agent.sarif"
    assert main(["lint", str(folder), "--json", "--sarif", str(log)]) == 0
    (answer,) = schemas.validated(json.loads(capsys.readouterr().out),
                                  "answer-lint.json")["plugins"]
    assert (answer["errors"], answer["warnings"], answer["notes"]) == (0, 1, 0)
    assert main(["lint", str(folder), "--strict"]) == 9
    assert "warning packages/unsigned: agent-2.0-1.noarch has no" in capsys.readouterr().out
    (result,) = json.loads(log.read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("packages/unsigned", "warning")
    (folder / "lint.conf").write_text("packages/unsigned signed at the release\n")
    assert main(["lint", str(folder), "--strict"]) == 0
    assert "0 errors, 0 warnings, 0 notes; 1 silenced." in capsys.readouterr().out
    (result,) = lint_data.sarif([lint(folder, run=run)])["runs"][0]["results"]  # type: ignore[index]
    assert result["suppressions"][0]["justification"] == "signed at the release"
    CASES["packages/missing"](folder)
    assert main(["lint", str(folder)]) == 7


def test_a_signature_by_another_key_than_those_of_the_bundle_is_reported(
        tmp_path: Path, built: support.Fixtures) -> None:
    folder = write(tmp_path / "agent")
    built.key.sign(sorted((folder / "repo").glob("*.rpm")))
    make_repo(folder / "repo")
    (folder / "keys").mkdir()
    shutil.copy(built.key.path, folder / "keys")
    assert codes(lint(folder, run=run)) == set()
    other = make_key(tmp_path / "other")
    shutil.copy(other.path, folder / "keys" / built.key.path.name)
    (finding,) = lint(folder, run=run).findings
    assert finding.code == "packages/key"
    assert finding.reason.startswith("agent-2.0-1.noarch is signed by the key ")


def test_a_repository_with_the_plugin_in_its_metadata_is_linted(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    descriptor = DESCRIPTOR.replace("/usr/share/agent/agent.rules", "files/agent.rules")
    folder = write(tmp_path / "agent", descriptor=descriptor, files={"/root/agent": "x"})
    (folder / "files").mkdir()
    (folder / "files/agent.rules").write_text("# none\n")
    run(["tar", "-cf", tmp_path / "files.tar", "-C", folder, "files"])
    for kind, path in (("node-plugin", folder / "node-plugin.xml"),
                       ("node-plugin-files", tmp_path / "files.tar")):
        run(["modifyrepo_c", f"--mdtype={kind}", path, folder / "repo/repodata"])
    found = {(finding.file.rpartition("repo/")[2], finding.code, finding.line)
             for finding in lint(folder, run=run).findings}
    assert ("agent-2.0-1.noarch.rpm", "packages/path", 0) in found
    assert {(finding.file, finding.code, finding.line)
            for finding in lint(folder / "repo", run=run).findings} == found
    shutil.rmtree(folder / "files")
    write(tmp_path / "second")
    make_repo(tmp_path / "only-packages", [quick_rpm("core", "1.0")])
    (tmp_path / "files.tar").unlink()
    assert main(["lint", str(tmp_path), "--json"]) == 7
    answer = schemas.validated(json.loads(capsys.readouterr().out), "answer-lint.json")
    assert [plugin["path"] for plugin in answer["plugins"]] == [
        str(tmp_path / "agent"), str(tmp_path / "second")]
    assert main(["lint", str(tmp_path / "second"), str(folder / "repo")]) == 7
    out = capsys.readouterr().out
    assert f"{folder}/repo:\nagent-2.0-1.noarch.rpm: error packages/path: " in out


def test_a_repository_without_a_plugin_is_reported(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", [quick_rpm("agent", "2.0")])
    (finding,) = lint(repo, run=run).findings
    assert (finding.code, finding.reason) == (
        "bundle/form", "the metadata of the repository have no descriptor of a plugin")
    assert "modifyrepo_c" in finding.mend


def test_an_older_bundle_is_that_of_one_plugin(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    assert main(["lint", str(one), str(two), "--older", str(one)]) == 2
    assert "--older: there are several plugins" in capsys.readouterr().err


def test_packages_of_a_plugin_that_have_a_file_differently_are_found(
        tmp_path: Path, node: Path, dnf: Dnf) -> None:
    second = quick_rpm("second", "1", files={"/usr/share/agent/agent.rules": "# other\n"})
    folder = write(tmp_path / "agent", requires=["second"], rpms=[second])
    (finding,) = [finding for finding in lint(folder, run=run).findings
                  if finding.code == "packages/path"]
    assert finding.reason.startswith("/usr/share/agent/agent.rules in package ")
    answer = dnf.plugin(node, "install", folder, "--dry-run", UNSIGNED)
    assert (answer.status, "packages bring files that others have" in answer.text) == (6, True)


def test_metadata_that_call_an_rpm_otherwise_are_found(tmp_path: Path) -> None:
    folder = write(tmp_path / "agent")
    (primary,) = (folder / "repo/repodata").glob("*primary.xml*")
    assert primary.suffix == ".gz"
    text = gzip.decompress(primary.read_bytes()).replace(b'ver="2.0"', b'ver="3.0"')
    primary.unlink()
    run(["modifyrepo_c", "--remove", "primary", folder / "repo/repodata"])
    (folder / "primary.xml").write_bytes(text)
    run(["modifyrepo_c", "--mdtype=primary", folder / "primary.xml", folder / "repo/repodata"])
    found = {finding.code: finding.reason for finding in lint(folder, run=run).findings}
    assert found["repository/package"] == ("the metadata say agent-3.0-1.noarch, but the RPM is"
                                           " agent-2.0-1.noarch")


@pytest.mark.parametrize("version", ["1.0", "1.0-1"])
@pytest.mark.parametrize("against", ["the base", "nothing"])
def test_the_packages_of_the_version_that_is_asked_for_are_checked(
        tmp_path: Path, base: Path, version: str, against: str) -> None:
    newer = quick_rpm("agent", "3.0", files={"/root/newer": "x"}, requires=["libnone"])
    folder = write(tmp_path / "agent", version="1.0", rpms=[newer], descriptor=DESCRIPTOR.replace(
        '<install name="agent"/>', f'<install name="agent" version="{version}"/>'))
    report = lint(folder, run=run, against=[base] if against == "the base" else [])
    assert codes(report) == {"packages/unsigned"}
