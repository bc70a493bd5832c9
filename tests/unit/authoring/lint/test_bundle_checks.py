"""Everything that is wrong with a bundle as such, and what its vendor silences."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import pytest

import ovirt_node_plugin
from ovirt_node_plugin.authoring.lint import bundle_checks, silences
from ovirt_node_plugin.authoring.lint.codes import CODES, Severity
from ovirt_node_plugin.authoring.lint.findings import LintFinding
from ovirt_node_plugin.system.run import run
from tests.support.lint_cases import BUNDLE_CASES
from tests.support.sample_bundle import DESCRIPTOR, make_bundle

pytestmark = pytest.mark.unit
LIBRARY = Path(ovirt_node_plugin.__file__).parent


def findings(path: Path) -> Tuple[LintFinding, ...]:
    with bundle_checks.opened(path, run=run) as examined:
        return examined.findings


@pytest.mark.parametrize("code", sorted(BUNDLE_CASES))
def test_each_kind_of_defect_is_found(tmp_path: Path, code: str) -> None:
    folder = make_bundle(tmp_path / "cim")
    assert code not in {finding.code for finding in findings(folder)}
    BUNDLE_CASES[code](folder)
    (finding, *_) = [finding for finding in findings(folder) if finding.code == code]
    assert finding.reason and finding.mend and f"{folder}/" not in finding.reason


def test_all_defects_are_found_together_with_their_places(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "cim", descriptor=DESCRIPTOR.replace(
        "<name>cim", "<name>Cim").replace('id="cim"', 'id="main"'))
    (folder / "cim.repo").write_text("[cim]\nproxy=x\n\nsslverify=0\n[main]\n", encoding="utf-8")
    (folder / "keys/b.asc").write_text("x", encoding="utf-8")
    (folder / "files").mkdir()
    (folder / "files/a b").write_text("x", encoding="utf-8")
    found = {(finding.code, finding.file, finding.line, finding.column)
             for finding in findings(folder)}
    assert found == {
        ("descriptor/schema", "node-plugin.xml", 3, 3),
        ("descriptor/rule", "node-plugin.xml", 21, 5), ("repo-file/option", "cim.repo", 2, 1),
        ("repo-file/option", "cim.repo", 4, 1), ("repo-file/form", "cim.repo", 0, 0),
        ("keys/form", "keys/b.asc", 0, 0), ("files/name", "files/a b", 0, 0),
        ("lint/incomplete", "", 0, 0)}


def test_unsafe_entries_are_all_named_and_nothing_is_read_through_them(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "cim")
    for name in ("a", "keys/b"):
        (folder / name).symlink_to("/etc/shadow")
    (folder / "node-plugin.xml").unlink()
    (folder / "node-plugin.xml").symlink_to("/etc/shadow")
    os.mkfifo(folder / "fifo")
    assert {finding.file for finding in findings(folder) if finding.code == "bundle/entry"} == {
        "a", "keys/b", "node-plugin.xml", "fifo"}
    assert {finding.code for finding in findings(folder)} == {"bundle/entry", "lint/incomplete"}


def test_the_number_of_findings_of_a_hostile_bundle_is_limited(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "cim")
    (folder / "cim.repo").write_text(
        "[cim]\n" + "".join(f"o{number}=1\n" for number in range(20_000)), encoding="utf-8")
    assert len(findings(folder)) < 200


def silenced(folder: Path) -> Dict[str, str]:
    """Return the reasons of the silenced findings by code, and the texts of findings about it."""
    with bundle_checks.opened(folder, run=run) as examined:
        first, about_file = silences.of_file(folder)
        second, about_comments = silences.of_descriptor(
            (folder / "node-plugin.xml").read_bytes())
        applied = silences.apply([*examined.findings, *about_file, *about_comments],
                                 [*first, *second])
    return {finding.code: finding.silenced or finding.reason for finding in applied}


def test_a_file_and_comments_silence_findings_by_code_with_a_reason(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "cim", descriptor=DESCRIPTOR.replace(
        "<license>GPL-2.0-or-later</license>",
        "<!-- lint: off descriptor/license in\n the EULA -->").replace(
            "<url>https://example.com/cim?a=1</url>", ""))
    (folder / "lint.conf").write_text("# why\ndescriptor/address  there is none  # yet\n",
                                      encoding="utf-8")
    assert silenced(folder) == {"descriptor/license": "in the EULA",
                                "descriptor/address": "there is none"}


@pytest.mark.parametrize(("line", "code", "text"), [
    ("descriptor/license", "lint/silence", "expected a reason after descriptor/license"),
    ("keys/form x", "lint/silence", "keys/form is an error, which an install refuses"),
    ("nothing \x1b[31m", "lint/silence", "expected the code of a finding, found 'nothing'"),
    ("\x1b[31m x", "lint/silence", "found '\\\\x1b[31m'"),
    ("packages/unsigned soon", "lint/unused", "packages/unsigned is silenced, but was not found"),
])
def test_a_line_that_silences_nothing_is_reported(tmp_path: Path, line: str, code: str,
                                                  text: str) -> None:
    folder = make_bundle(tmp_path / "cim")
    (folder / "lint.conf").write_text(f"{line}\n", encoding="utf-8")
    assert text in silenced(folder)[code]


@pytest.mark.parametrize("make", [
    lambda path: path.mkdir(), lambda path: path.symlink_to("/etc/shadow"), os.mkfifo,
    lambda path: path.write_bytes(b"\xff"), lambda path: path.write_bytes(b"#" * (2 << 20))])
def test_a_file_of_silences_that_is_no_small_text_is_reported(
        tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "lint.conf")
    (silence, about) = silences.of_file(tmp_path)
    assert (silence, [finding.code for finding in about]) == ([], ["lint/silence"])


def codes_in_library() -> List[str]:
    """Return every code that the library gives to an error or a finding."""
    texts = "\n".join(path.read_text(encoding="utf-8") for path in LIBRARY.rglob("*.py")
                      if path.name != "codes.py")
    return re.findall(r'(?:code(?:: str)? ?= ?|found\()"([a-z-]+/[a-z]+)"', texts)


def test_every_code_of_the_library_is_in_the_table_and_is_used() -> None:
    assert set(codes_in_library()) == set(CODES) - {"settings/refused"}  # the default


def test_what_an_install_refuses_is_an_error_and_nothing_else_is() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in LIBRARY.rglob("*.py")
                      if "authoring" not in path.parts)
    refused = set(re.findall(r'code ?= ?"([a-z-]+/[a-z]+)"', texts))
    assert {CODES[code].severity for code in refused} == {Severity.ERROR}
