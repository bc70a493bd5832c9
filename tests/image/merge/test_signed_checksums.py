"""Lists of checksums that GnuPG signed are verified with the named keys by the real gpgv."""
from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.merge.input.named_checksums import CheckedImage, NamedChecksums, check_image
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import run

CONTENT = b"hsqs: a squashfs"
LINE = f"{hashlib.sha256(CONTENT).hexdigest()}  node.iso\n"
OTHER = f"{'0' * 64}  node.iso\n"


class Signer:
    """Signs with the keys of a GNUPGHOME: ``publisher``, ``stranger`` and ``expired``."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def gpg(self, *words: str, data: bytes = b"") -> bytes:
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--quiet", "--pinentry-mode", "loopback",
             "--passphrase", "", *words], input=data, stdout=subprocess.PIPE, check=True).stdout

    def sign(self, text: str, *words: str, by: str = "publisher") -> str:
        """Return ``text`` clear-signed, or its signature with ``--detach-sign``."""
        names = [word for name in by.split() for word in ("--local-user", name)]
        return self.gpg(*(words or ("--clearsign",)), "--armor", *names,
                        data=text.encode()).decode()


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    signer = Signer(home)
    for name in ("publisher", "stranger"):
        signer.gpg("--quick-generate-key", name, "ed25519", "sign", "never")
    signer.gpg("--faked-system-time", "20200101T000000", "--quick-generate-key", "expired",
               "ed25519", "sign", "1d")
    yield signer
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


class Lists:
    """A folder with an image, and lists of checksums to compare it with."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self.folder = folder
        self.signer = signer
        (folder / "node.iso").write_bytes(CONTENT)

    def check(self, text: str, *, detached: str = "", key: str = "publisher",
              armored: bool = True) -> CheckedImage:
        """Compare the image with a list that has this text, and this signature beside it."""
        for name, content in (("SUMS", text), ("SUMS.asc", detached)):
            (self.folder / name).write_text(content)
        if not detached:
            (self.folder / "SUMS.asc").unlink()
        (self.folder / "key").write_bytes(self.signer.gpg(
            *(["--armor"] if armored else []), "--export", *key.split()))
        return check_image(
            self.folder / "node.iso",
            NamedChecksums(file=self.folder / "SUMS", key=self.folder / "key"),
            run=run, progress=Silent())


@pytest.fixture
def lists(tmp_path: Path, signer: Signer) -> Lists:
    return Lists(tmp_path, signer)


def test_a_valid_signature_is_accepted_and_its_owner_told(lists: Lists, signer: Signer) -> None:
    signed = signer.sign(f"# - comment\n- {LINE}{LINE}")
    detached = signer.sign(LINE, "--detach-sign")
    results: List[CheckedImage] = [
        lists.check(signed),
        lists.check(signed, armored=False, key="stranger publisher"),
        lists.check(f"{OTHER}{signed}{OTHER}"),
        lists.check(LINE, detached=detached),
        lists.check(signed, detached=signer.sign("x", by="stranger")),
        # of two signatures, one by a key that is not named
        lists.check(signer.sign(LINE, by="stranger publisher")),
        lists.check(LINE, detached=signer.sign(LINE, "--detach-sign", by="publisher stranger")),
    ]
    for result in results:
        assert result.comparisons[0].matches and result.notes == ()
        assert result.comparisons[0].signed_by == "publisher"


def test_another_signature_is_refused_with_the_reason(lists: Lists, signer: Signer) -> None:
    signed = signer.sign(LINE)
    strange = signer.sign(LINE, by="stranger")
    old = signer.gpg("--faked-system-time", "20200101T000100", "--clearsign", "--local-user",
                     "expired", data=LINE.encode()).decode()
    for text, detached, key, message in (
            (signed.replace("node.iso", "node.is0"), "", "publisher", "made for another content"),
            (strange, "", "publisher", "the known keys do not contain its key"),
            (strange + signed, "", "publisher", "was not accepted"),
            (signed + strange, "", "publisher", "was not accepted"),
            (signed + signed.replace("node.iso", "node.is0"), "", "publisher", "was not accepted"),
            (old, "", "expired", "its key has expired"),
            (LINE, "", "publisher", "SUMS is not signed, and has no signature beside it"),
            (LINE, signed, "publisher", "SUMS is not signed, and has no signature beside it"),
            (LINE, "text", "publisher", "gpgv cannot read it"),
            (OTHER, signer.sign(LINE, "--detach-sign"), "publisher", "made for another content"),
            (LINE, signer.sign(LINE, "--detach-sign", by="stranger"), "publisher",
             "the known keys do not contain its key")):
        with pytest.raises(Refused, match=message):
            lists.check(text, detached=detached, key=key)
