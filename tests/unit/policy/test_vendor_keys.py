"""The files that bind keys to vendors, and the floor that is read with them."""
from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest

from ovirt_node_plugin.config import Config
from ovirt_node_plugin.errors import NodePluginError, Refused, UsageError
from ovirt_node_plugin.policy.trust_floor import read_floor
from ovirt_node_plugin.policy.vendor_keys import VendorKeys, binding_lines, read_vendors
from ovirt_node_plugin.registry.trust_level import TrustLevel

pytestmark = pytest.mark.unit

ONE, TWO = "ab" * 20, "cd" * 20
KEY = b"\xc6\x01\x04"  # a packet of a key, which is read, but not verified here


def vendors(folder: Path, *texts: str) -> Dict[str, VendorKeys]:
    for number, text in enumerate(texts):
        (folder / f"{number}.conf").write_text(text)
    return read_vendors([folder, folder / "missing"])


def test_keys_of_a_vendor_may_be_in_several_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    known = vendors(
        tmp_path, f"# a comment\n[ACME [Storage] = Inc.]\nfingerprint = {ONE.upper()}\n",
        f"[Other]\nkey = {tmp_path}/key\n[ACME [Storage] = Inc.]\nfingerprint={TWO}\n")
    assert known["ACME [Storage] = Inc."] == VendorKeys(frozenset([ONE, TWO]))
    assert known["Other"].files == (KEY,) and len(known["Other"].fingerprints) == 1
    assert set(known) == {"ACME [Storage] = Inc.", "Other"}


def test_the_lines_that_a_message_shows_bind_the_vendor_of_any_name(tmp_path: Path) -> None:
    for vendor in ("ACME", "[x]", "fingerprint = y", "# a", "a]b", "\u0410CME"):
        text = "\n".join(binding_lines(vendor, [TWO, ONE]))
        assert vendors(tmp_path, text) == {vendor: VendorKeys(frozenset([ONE, TWO]))}


@pytest.mark.parametrize(("text", "message"), [
    (f"fingerprint = {ONE}", "1: .* is neither"), ("[A]\nkeys = x", "2: .* is neither"),
    ("[A]\nfingerprint = abc", "2: 'abc' is not a fingerprint"), ("[ ]", "1: .* is neither"),
    ("[A]\nkey = /missing/key", "2: /missing/key cannot be read"),
    ("[A]\nkey = /dev/null", "2: /dev/null cannot be read"),
    ("[A]\nkey = /etc/os-release", "is not the absolute path of a file of public keys")])
def test_a_file_that_is_not_valid_is_an_error_with_its_line(
        tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        vendors(tmp_path, text)


def test_a_file_that_others_can_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "0.conf"
    path.write_text("[A]\n")
    path.chmod(0o666)
    with pytest.raises(UsageError, match="can be changed by others than root"):
        read_vendors([tmp_path])


def test_the_option_raises_the_floor_and_never_lowers_it() -> None:
    signed = Config(trust=TrustLevel.SIGNED, vendors=())
    assert read_floor(signed).level is TrustLevel.SIGNED
    assert read_floor(signed, option="vendor").level is TrustLevel.VENDOR
    assert read_floor(Config(vendors=()), nogpgcheck=True).nogpgcheck
    for config, option, nogpgcheck, error, message in (
            (signed, "any", False, Refused, "below the level of trust of this site, signed"),
            (signed, "", True, Refused, "--nogpgcheck is not allowed"),
            (Config(vendors=()), "signed", True, Refused, "--nogpgcheck is not allowed"),
            (signed, "catalog", False, Refused, "demands a catalog of plugins"),
            (signed, "Signed", False, UsageError, "is no level of trust")):
        with pytest.raises(NodePluginError, match=message) as caught:
            read_floor(config, option=option, nogpgcheck=nogpgcheck)
        assert isinstance(caught.value, error)
