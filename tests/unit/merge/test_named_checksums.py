"""The line of an image in a list of checksums: found by name, and refused if it proves nothing."""
from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Callable, Sequence, Tuple, Type

import pytest

from ovirt_node_plugin.errors import BadImage, NodePluginError, Refused, UsageError
from ovirt_node_plugin.images.digests import Digests
from ovirt_node_plugin.merge.input.named_checksums import (
    CheckedImage,
    NamedChecksums,
    check_image,
    named_checksums,
)
from ovirt_node_plugin.system.limits import CHECKSUM_LIST_BYTES
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import run

pytestmark = pytest.mark.unit

CONTENT = b"hsqs: a squashfs"
MD5, SHA1, SHA256, SHA512 = (hashlib.new(name, CONTENT).hexdigest()
                             for name in ("md5", "sha1", "sha256", "sha512"))
OTHER = "0" * 64

Check = Callable[[str], CheckedImage]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "node-4.5.5.iso"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def check(image: Path, tmp_path: Path) -> Check:
    """Compares the image with a list that has this text."""
    def checked(text: str) -> CheckedImage:
        path = tmp_path / "CHECKSUM"
        path.write_text(text)
        return check_image(image, NamedChecksums(file=path), run=run, progress=Silent())
    return checked


@pytest.mark.parametrize(("text", "algorithms"), [
    (f"{OTHER}  node.iso\n{SHA256}  node-4.5.5.iso\n", ["sha256"]),
    (f"{SHA256} *iso/node-4.5.5.iso\n{OTHER} *iso/node-4.5.5.iso.old\n", ["sha256"]),
    (f"# node-4.5.5.iso: 16 bytes\nSHA256 (node-4.5.5.iso) = {SHA256.upper()}\n", ["sha256"]),
    (f"MD5 (node-4.5.5.iso) = {MD5}\nSHA512 (node-4.5.5.iso) = {SHA512}\n", ["sha512"]),
    (f"{SHA512}  node-4.5.5.iso\n{SHA256}  node-4.5.5.iso\n", ["sha512", "sha256"]),
    (f"{SHA256}  node-4.5.5.iso\n{SHA256}  ./node-4.5.5.iso\n", ["sha256"]),
    (f"{SHA256}\n", ["sha256"]),
])
def test_an_image_that_its_line_describes_is_accepted(
        text: str, algorithms: Sequence[str], check: Check) -> None:
    checked = check(text)
    assert [comparison.algorithm for comparison in checked.comparisons] == algorithms
    assert all(comparison.matches for comparison in checked.comparisons) and not checked.notes


REFUSED: Sequence[Tuple[str, Type[NodePluginError], str]] = (
    ("", UsageError, "CHECKSUM has no checksum of node-4.5.5.iso"),
    (f"{SHA256}  a\n{SHA256}  node-4.5.5.iso.old\n", UsageError,
     "CHECKSUM has no checksum of node-4.5.5.iso; it has those of a, node-4.5.5.iso.old"),
    (f"{SHA256}  NODE-4.5.5.iso\n", UsageError, "has no checksum of node-4.5.5.iso"),
    (f"{OTHER}  node-4.5.5.iso\n", BadImage,
     f"node-4.5.5.iso is not the image that .*CHECKSUM names: its SHA256 is {SHA256}, not {OTHER}"),
    (f"{SHA512}  node-4.5.5.iso\n{OTHER}  node-4.5.5.iso\n", BadImage, "is not the image"),
    (f"{SHA256}  node-4.5.5.iso\n{OTHER}  old/node-4.5.5.iso\n", Refused,
     "has two different SHA256 checksums of node-4.5.5.iso"),
    (f"{MD5}  node-4.5.5.iso\n{SHA1}  node-4.5.5.iso\n", Refused,
     "has only MD5, SHA1 of node-4.5.5.iso, with which a changed image can be made to agree"),
    (f"{OTHER}\n", BadImage, "is not the image"),
    (f"{SHA256[:40]}\n", Refused, "has only SHA1"),
    ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
     f"{SHA256}  node-4.5.5.iso\n", Refused, "contains an incomplete signed text"),
    (f"{SHA256}  node-4.5.5.iso\n-----BEGIN PGP SIGNED MESSAGE-----\n\n{SHA256}  a\n"
     "-----BEGIN PGP SIGNATURE-----\n", UsageError, "it has those of a"),
)


@pytest.mark.parametrize(("text", "error", "message"), REFUSED)
def test_a_list_that_proves_nothing_is_refused(
        text: str, error: Type[NodePluginError], message: str, check: Check) -> None:
    with pytest.raises(error, match=message):
        check(text)


def test_only_the_text_inside_the_signature_counts_and_a_note_tells_it_was_not_checked(
        check: Check) -> None:
    checked = check(f"{OTHER}  node-4.5.5.iso\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
                    f"- {SHA256}  node-4.5.5.iso\n-----BEGIN PGP SIGNATURE-----\n\nx\n"
                    f"-----END PGP SIGNATURE-----\n{OTHER}  node-4.5.5.iso\n")
    assert checked.comparisons[0].matches and "was not checked" in checked.notes[0]


def test_the_name_may_be_that_of_the_file_to_which_the_image_is_a_link(
        image: Path, tmp_path: Path) -> None:
    latest, names = tmp_path / "latest.iso", tmp_path / "SHA256SUMS"
    latest.symlink_to(image.name)
    names.write_text(f"{SHA256}  node-4.5.5.iso\n")
    (tmp_path / "SHA256SUMS.gpg").write_bytes(b"\x88")
    checked = check_image(latest, NamedChecksums(file=names), run=run, progress=Silent())
    assert checked.comparisons[0].matches
    assert checked.notes == (f"The signature {names}.gpg of {names} was not checked;"
                             " --checksum-key names its key.",)


def test_a_sha256_on_the_command_line(image: Path, tmp_path: Path) -> None:
    named = named_checksums(f" {SHA256.upper()}\n", None, None)
    checked = check_image(image, named, run=run, progress=Silent())
    assert [(comparison.source, comparison.matches) for comparison in checked.comparisons] == [
        ("--sha256", True)]
    with pytest.raises(BadImage, match="is not the image that --sha256 names"):
        check_image(image, NamedChecksums(OTHER), run=run, progress=Silent())
    with pytest.raises(UsageError, match="is a folder, which has no checksum"):
        check_image(tmp_path, named, run=run, progress=Silent())
    without = check_image(image, NamedChecksums(), run=run, progress=Silent())
    assert without.notes[0].startswith(f"There is no checksum to compare {image} with")
    missing = tmp_path / "missing"
    for path, checksums in ((tmp_path, NamedChecksums()), (missing, named)):
        checked = check_image(path, checksums, run=run, progress=Silent())
        assert checked == CheckedImage(Digests(path))


@pytest.mark.parametrize("sha256", [SHA256[:-1], SHA512, MD5, f"sha256:{SHA256}", "x" * 64])
def test_what_is_no_sha256_is_refused(sha256: str) -> None:
    with pytest.raises(UsageError, match="is not a SHA-256, which has 64"):
        named_checksums(sha256, None, None)


def test_a_key_without_a_list_is_refused() -> None:
    with pytest.raises(UsageError, match="--checksum-key names the key of a list"):
        named_checksums("", None, Path("key"))


def test_lists_and_keys_that_cannot_be_read_are_refused(image: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "text").write_text(f"{SHA256}  {image.name}\n")
    with open(tmp_path / "sparse", "wb") as stream:
        stream.truncate(CHECKSUM_LIST_BYTES + 1)
    for file, key, message in (
            ("missing", None, "missing cannot be read: No such file"),
            ("fifo", None, "fifo cannot be read: not a regular file"),
            ("sparse", None, f"larger than {CHECKSUM_LIST_BYTES} bytes"),
            ("text", "missing", "missing cannot be read"),
            ("text", "text", "text contains no OpenPGP public key")):
        named = NamedChecksums(file=tmp_path / file, key=tmp_path / key if key else None)
        with pytest.raises(UsageError, match=message):
            check_image(image, named, run=run, progress=Silent())
