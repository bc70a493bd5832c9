"""Names, .repo files and descriptors of packed plugins, tars and the placing of outputs."""
from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from ovirt_node_plugin.authoring.pack import packed_names, packed_outputs, packed_repo, packed_tar
from ovirt_node_plugin.authoring.pack.packed_repo import PublishedRepo
from ovirt_node_plugin.errors import Refused, UsageError
from ovirt_node_plugin.plugin.descriptor import Descriptor, parse_descriptor
from ovirt_node_plugin.plugin.repo_file import parse

pytestmark = pytest.mark.unit

URL = "https://example.org/agent/el9/"
TEXT = """# the address
[agent]
name=Agent
mirrorlist=https://old.example.org/list
gpgkey=https://old.example.org/key
       https://old.example.org/key2
# the end
[other]
name=x\x0cgpgcheck=0\rgpgcheck=0
baseurl=https://old.example.org/
"""


def descriptor(more: str = "", *, vendor: str = "ACME", name: str = "agent") -> Descriptor:
    text = (f'<node-plugin schema-version="1"><!-- </name> --><name>{name}</name>'
            f"<version>1.0</version><vendor>{vendor}</vendor><summary>x</summary>{more}"
            '<settings><service name="a.service" state="enabled"/></settings></node-plugin>')
    return parse_descriptor(text.encode(), origin="node-plugin.xml")


@pytest.mark.parametrize(("vendor", "word"), [
    ("ACME", "ACME"), ("Müller &amp; Söhne", "Muller-Sohne"), ("../../etc", "etc"),
    ("a/b\\c: d", "a-b-c-d"), ("-rf *", "rf"), ("A" * 80, "A" * 64), ("株式会社", ""),
    ("ﬁrst~2+_", "first~2+_"), (".hidden.", "hidden")])
def test_the_vendor_becomes_a_word_of_a_file_name(vendor: str, word: str) -> None:
    made = descriptor(vendor=vendor)
    assert packed_names.vendor_word(made.vendor) == word
    assert packed_names.stem(made) == "-".join(filter(None, (word, "agent", "1.0")))


def test_options_of_one_repository_are_changed_and_all_else_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "agent.repo"
    path.write_bytes(TEXT.encode())
    made = packed_repo.published(tmp_path, descriptor(), [path], URL)
    assert made == PublishedRepo("agent", URL, path)
    assert packed_repo.name_keys(made, ["a", "b"], signed=True)
    parsed = parse(path)
    assert dict(parsed["agent"]) == {
        "name": "Agent", "baseurl": URL, "gpgkey": f"{URL}a\n{URL}b", "gpgcheck": "1",
        "repo_gpgcheck": "1"}
    assert dict(parsed["other"]) == {"name": "x\x0cgpgcheck=0\rgpgcheck=0",
                                     "baseurl": "https://old.example.org/"}
    assert [line for line in path.read_bytes().decode().split("\n") if line.startswith("#")] == [
        "# the address", "# the end"]
    packed_repo.change_options(path, "agent", {"baseurl": URL})
    assert path.read_text().count("baseurl") == 2


def test_a_plugin_without_a_repo_file_gets_one_with_an_address_only(tmp_path: Path) -> None:
    assert packed_repo.published(tmp_path, descriptor(), [], "") == PublishedRepo()
    assert list(tmp_path.iterdir()) == []
    for more in ("", "<repos/>", "<repos><!-- none --></repos>"):
        made = packed_repo.published(tmp_path, descriptor(more, name="a+b"), [], URL)
        assert made == PublishedRepo("a-b", URL, tmp_path / "a-b.repo")
        assert dict(parse(tmp_path / "a-b.repo")["a-b"])["baseurl"] == URL
        data = (tmp_path / "node-plugin.xml").read_bytes()
        assert parse_descriptor(data, origin="x").repo_ids == ("a-b",)
        assert b"<!-- </name> --><name>" in data


def test_an_address_is_for_the_repository_with_the_name_of_the_plugin(tmp_path: Path) -> None:
    path = tmp_path / "x.repo"
    path.write_text("[one]\nbaseurl=https://a/\n[two]\nbaseurl=https://b/\n")
    assert packed_repo.published(tmp_path, descriptor(), [path], "") == PublishedRepo()
    with pytest.raises(UsageError, match="several repositories, and none is called agent"):
        packed_repo.published(tmp_path, descriptor(), [path], URL)
    for text, same in (("https://a/b", "https://a/b/"), ("file:///x//", "file:///x/"), ("", "")):
        assert packed_repo.check_address(text) == same
    for text in ("a/b", "https://a b/", "https://a\n[x]", "javascript:x"):
        with pytest.raises(UsageError, match="is not an address"):
            packed_repo.check_address(text)


def test_a_tar_depends_on_names_contents_and_the_date_only(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True, mode=0o700)
        for file in (("sub/x", "a") if name == "one" else ("a", "sub/x")):
            (folder / file).write_text("x")
        (folder / "a").chmod(0o700)
        os.utime(folder / "a", (len(name), 5))
        packed_tar.write_tar(folder, tmp_path / f"{name}.tar", name="n", date=7)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert [(each.name, oct(each.mode), each.mtime, each.uid, each.uname)
                for each in tar.getmembers()] == [
            ("n", "0o755", 7, 0, "root"), ("n/a", "0o755", 7, 0, "root"),
            ("n/sub", "0o755", 7, 0, "root"), ("n/sub/x", "0o644", 7, 0, "root")]


def test_outputs_are_placed_together_or_not_at_all(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    for folder, names in ((work, "ab"), (out, "abc")):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(folder.name)
    with pytest.raises(Refused, match="a exists already"):
        packed_outputs.place(work, out, "abc", force=False)
    (work / "replaced").rmdir()
    rename = os.rename
    done = []

    def failing(source: Path, target: Path) -> None:
        done.append(source)
        if len(done) == 4:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        packed_outputs.place(work, out, "abc", force=True)
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys("abc", "out")
    monkeypatch.setattr(os, "rename", rename)
    (work / "replaced").rmdir()
    packed_outputs.place(work, out, "abc", force=True)
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys("ab", "work")
