"""A damaged image is not merged into, and is not written again as a sound one."""
from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.program import Program

pytestmark = [pytest.mark.root]


@pytest.fixture(scope="module")
def damaged(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ISO of which 300 KiB in the middle are overwritten."""
    iso = tmp_path_factory.mktemp("damaged") / "node.iso"
    content = bytearray(built.iso("installer").read_bytes())
    middle = len(content) // 2
    content[middle:middle + (300 << 10)] = b"damage" * (50 << 10)
    iso.write_bytes(content)
    return iso


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})


def test_an_iso_that_does_not_match_its_checksum_is_refused(
        damaged: Path, agent: Path, program: Program, tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    for words in (("merge", damaged, agent, "-y", UNSIGNED, "-o", tmp_path / "out.iso"),
                  ("merge", damaged, agent, UNSIGNED, "--dry-run"),
                  ("shell", damaged, "-o", tmp_path / "out.iso", "--", "/bin/true")):
        answer = program(*map(str, words))
        assert answer.status == 10, answer.text
        assert "node.iso does not match its implanted checksum: the damage begins between" in (
            answer.err)
        assert "implantisomd5 --force" in answer.err and "Planning" not in answer.err
    assert sorted(os.listdir(tmp_path)) == before and list(program.work.iterdir()) == []


def test_inspect_tells_whether_the_implanted_checksum_matches(
        damaged: Path, built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    assert "Checksum     : implanted MD5: matches\n" in succeeded(
        program("inspect", built.iso("installer"))).out
    without = succeeded(program("inspect", built.iso("tree-live")))
    assert "Note : There is no checksum to compare" in " ".join(without.out.split())
    changed = tmp_path / "changed.iso"  # in a file that inspect does not read
    content = built.iso("installer").read_bytes()
    changed.write_bytes(content.replace(b"timezone --utc Etc/UTC", b"timezone --utc Etc/GMT"))
    answer = program("inspect", "--json", changed)
    assert answer.status == 10 and answer.json["target"]["name"] == "oVirt Node 4.5.5"
    (checksum,) = answer.json["checksums"]
    assert "the damage" in checksum.pop("problem")
    assert checksum == {"source": "implanted", "algorithm": "md5", "matches": False,
                        "signed_by": ""}
    unreadable = program("inspect", damaged)
    assert unreadable.status == 10 and "does not match" in unreadable.text
    assert "the damage begins between" in unreadable.text
    changed.write_bytes(content.replace(b"hsqs", b"xxxx"))  # no inspection ends without it
    for command, words in (("inspect", ()), ("merge", ("agent", "--dry-run"))):
        error = program(command, changed, *words)
        assert error.status == 10
        assert "changed.iso does not match its implanted checksum: the damage" in error.err


def test_an_image_is_compared_with_the_checksums_that_the_command_line_names(
        built: support.Fixtures, agent: Path, program: Program, tmp_path: Path) -> None:
    iso, sums = built.iso("tree-live"), tmp_path / "SHA256SUMS"
    digest = hashlib.sha256(iso.read_bytes()).hexdigest()
    sums.write_text(f"{digest} *{iso.name}\n")
    document = succeeded(program("inspect", iso, "--json", "--sha256", digest,
                                 "--checksum-file", sums)).json
    assert [(item["source"], item["algorithm"], item["matches"]) for item in
            document["checksums"]] == [("--sha256", "sha256", True), (str(sums), "sha256", True)]
    assert document["notes"] == []
    merge = ("merge", iso, agent, "--dry-run", UNSIGNED)
    planned = succeeded(program(*merge, "--checksum-file", sums))
    assert "Note: There is no checksum" not in planned.out and "Installing agent" in planned.out
    assert f"Note: There is no checksum to compare {iso} with;" in succeeded(program(*merge)).out
    sums.write_text(f"{'0' * 64}  {iso.name}\n")
    for words in (merge, ("inspect", iso), ("shell", iso, "--", "/bin/true")):
        answer = program(*words[:2], "--checksum-file", sums, *words[2:])
        assert answer.status == 10 and f"{iso} is not the image that {sums} names" in answer.err
        assert program(*words[:2], "--sha256", "0" * 64, *words[2:]).status == 10
        assert program(*words[:2], "--sha256", "0", *words[2:]).status == 2
