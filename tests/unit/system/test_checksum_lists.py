"""Every form of a list of checksums is read; what is no line of one is passed over."""
from __future__ import annotations

import hashlib
from typing import Dict, List, Tuple

import pytest

from ovirt_node_plugin.system.checksum_lists import (
    ListedDigest,
    bare_digest,
    listed_digests,
    treeinfo_digests,
)
from tests.support.calls import calls_of

pytestmark = pytest.mark.unit

MD5, SHA256, SHA512 = (hashlib.new(name, b"x").hexdigest() for name in ("md5", "sha256", "sha512"))

FORMS: Dict[str, Tuple[str, str, str]] = {  # line: name, algorithm, digest
    f"{SHA256}  node.iso": ("node.iso", "sha256", SHA256),
    f"{SHA256} *node.iso": ("node.iso", "sha256", SHA256),
    f"{SHA256} node.iso": ("node.iso", "sha256", SHA256),
    f"  {SHA256}  ./a b/node.iso": ("./a b/node.iso", "sha256", SHA256),
    f"{SHA256.upper()}  node.iso\r": ("node.iso", "sha256", SHA256.upper()),
    f"\\{SHA256}  a\\\\b\\nc\\rd": ("a\\b\nc\rd", "sha256", SHA256),
    f"{SHA256}  a\\nb": ("a\\nb", "sha256", SHA256),
    f"{SHA512}  node.iso": ("node.iso", "sha512", SHA512),
    f"{MD5}  ./isolinux/isolinux.bin": ("./isolinux/isolinux.bin", "md5", MD5),
    f"SHA256 (node.iso) = {SHA256}": ("node.iso", "sha256", SHA256),
    f"SHA256(node.iso)= {SHA256}": ("node.iso", "sha256", SHA256),
    f"SHA512 (a (1).iso) = {SHA512}": ("a (1).iso", "sha512", SHA512),
    f"\\SHA256 (a\\nb) = {SHA256}": ("a\nb", "sha256", SHA256),
}
OTHERS = ("", "# node.iso: 123 bytes", "Hash: SHA256", f"{SHA256[:-1]}  node.iso", SHA256,
          f"{SHA256}\tnode.iso", f"BLAKE2b (node.iso) = {SHA512}", f"MD5 (node.iso) = {SHA256}",
          f"SHA256 (node.iso) = {SHA512}", f"x{SHA256}  node.iso", f"{SHA256[:50]}  node.iso")


def values(listed: ListedDigest) -> Tuple[str, str, str]:
    return listed.name.decode(), listed.algorithm, listed.digest


def test_each_form_of_a_line_is_read() -> None:
    text = "\n".join(FORMS).encode()
    listed: List[ListedDigest] = list(listed_digests(text))
    assert list(map(values, listed)) == list(FORMS.values())
    for item in listed:
        assert text[item.start:item.start + len(item.digest)].decode() == item.digest


def test_other_lines_are_passed_over() -> None:
    for line in OTHERS:
        assert list(listed_digests(line.encode())) == [], line


def test_a_treeinfo_has_its_digests_in_one_section() -> None:
    text = (f"[general]\nname = sha256:{SHA256}\n\n[checksums]\n"
            f"images/a b.img = sha256:{SHA256}\r\nimages/x=md5:{MD5}\nbad = sha256:{MD5}\n"
            f"[images-x86_64]\nkernel = sha256:{SHA256}\n").encode()
    assert list(map(values, treeinfo_digests(text))) == [
        ("images/a b.img", "sha256", SHA256), ("images/x", "md5", MD5)]


def test_a_file_that_is_a_digest_only() -> None:
    single = bare_digest(f"{SHA256}\n".encode(), b"node.iso")
    assert single is not None and values(single) == ("node.iso", "sha256", SHA256)
    assert bare_digest(f"{SHA256}  node.iso".encode(), b"node.iso") is None


@pytest.mark.parametrize("line", ["0" * 128, "SHA256 (" * 16, "[" * 128, "= " * 64, " " * 128])
def test_the_work_grows_with_the_size_only(line: str) -> None:
    def read(lines: int, separator: str) -> int:
        data = separator.join([line] * lines).encode()
        return calls_of(lambda: (list(listed_digests(data)), list(treeinfo_digests(data)),
                                 bare_digest(data, b"x")))

    for separator in ("\n", ""):
        assert read(400, separator) < 5 * max(read(100, separator), 100)
