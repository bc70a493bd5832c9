"""Files in a vendor's folders, and its repositories."""
from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.authoring.new import vendor_files, vendor_repos
from ovirt_node_plugin.plugin.repo_file import repo_ids
from tests.support.trust_root import ACME

pytestmark = pytest.mark.unit

UDEV = b'# x\nACTION=="add", KERNEL=="sd*", MODE="0600"\n'


def texts(path: str, content: bytes) -> List[str]:
    found = vendor_files.may_be_one(path)
    made = [each.text for each in vendor_files.suggestions("acme", path, content)]
    assert found or not made
    assert not any(each.sure for each in vendor_files.suggestions("acme", path, content))
    return made


@pytest.mark.parametrize(("path", "content", "element"), [
    ("/opt/acme/60-acme.rules", UDEV, '<udev-rules name="60-acme.rules" source='),
    ("/usr/share/acme/multipath.conf", b"devices {\n}\n", '<multipath-config name="acme.conf"'),
    ("/usr/share/acme/tmpfiles.conf", b"d /run/acme\n", '<tmpfiles name="acme.conf"'),
    ("/usr/share/acme/logrotate.conf", b"/x {\n  weekly\n}\n", '<logrotate name="acme"'),
    ("/etc/acme/ca.crt", ACME.encode(), '<ca-certificate name="ca.crt" source="/etc/acme/ca'),
])
def test_a_file_is_suggested_by_its_content(path: str, content: bytes, element: str) -> None:
    (text,) = texts(path, content)
    assert text.startswith(element) and f'source="{path}"' in text
    assert texts(path, b"something else\n") == []


def test_other_files_of_such_names_are_not_suggested() -> None:
    assert texts("/usr/share/polkit-1/rules.d/50-a.rules", b'polkit.addRule(function(a) {\n') == []
    assert texts("/opt/acme/key.pem", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY"
                 b"-----\n") == []
    assert texts("/opt/acme/many.pem", ACME.encode() * 11) == []
    assert texts("/opt/a\x1b[0m/60-acme.rules", UDEV) in ([], [""])


def test_repositories_are_taken_over_without_what_a_bundle_may_not_set() -> None:
    key = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n=\n"
    made = vendor_repos.taken_over({
        "/etc/yum.repos.d/acme.repo":
            b"[acme]\nname=ACME\nbaseurl=https://acme.example/el9\n  https://b.acme.example\n"
            b"enabled=1\nsslverify=0\nproxy=http://evil\n"
            b"gpgkey=file:///etc/pki/rpm-gpg/ACME, https://acme.example/key\n",
        "/etc/yum.repos.d/bad.repo": b"[a b]\n[main]\n[ok]\nname=\x1b[0m\n",
        "/etc/yum.repos.d/broken.repo": b"\xff", "/etc/pki/rpm-gpg/ACME": key,
        "/etc/pki/rpm-gpg/other": b"no key"})
    assert made.options["acme"] == {
        "name": "ACME", "baseurl": "https://acme.example/el9 https://b.acme.example",
        "gpgkey": "https://acme.example/key", "enabled": "0"}
    assert set(made.options) == {"acme", "ok"} and made.keys == {"keys/ACME": key}
    text = "\n".join(made.notes)
    for word in ("sslverify", "proxy", "file of an installed system", "broken.repo cannot be read"):
        assert word in text


def test_many_repositories_and_options_are_limited() -> None:
    text = "".join(f"[r{number}]\nbaseurl=http://x/\nx{number}=1\n" for number in range(9999))
    made = vendor_repos.taken_over({"/etc/yum.repos.d/x.repo": text.encode()})
    assert len(made.options) == 20 and len(made.notes) <= 21


def test_the_text_of_repositories_is_a_valid_file(tmp_path: Path) -> None:
    made = vendor_repos.taken_over({"/x.repo": "[é]\n[a]\nname = A # ; x\nbaseurl=\n  c\n"
                                    "[b]\nname=\u2028[c]\nmirrorlist=[d]\n".encode()})
    path = tmp_path / "a.repo"
    path.write_text(vendor_repos.text(made), encoding="utf-8")
    assert set(repo_ids([path])) == set(made.options) <= {"a", "b"}
