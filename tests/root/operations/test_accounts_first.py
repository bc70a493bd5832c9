"""Users and groups of a descriptor are there before the packages, and leave after them."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = pytest.mark.root

USER = '<user name="acmebk" home="/opt/acme"/>'
NEEDS = "grep -q ^acmebk: /etc/passwd && grep -q ^acmebk: /etc/group || exit 1"
# A scriptlet makes and removes an account of its own between those of the descriptor.
SCRIPTLETS: Mapping[str, str] = {
    "pre": f"{NEEDS}\necho own:x:700:700::/:/bin/false >>/etc/passwd",
    "post": f"{NEEDS}\ntest -O /opt/acme/data && exit 1\ntouch /opt/acme/state",
    "preun": f"{NEEDS}\nrm -f /opt/acme/state",
    "postun": f"{NEEDS}\nsed -i /^own:/d /etc/passwd",
}
FILES: Dict[str, Any] = {"files": {"/opt/acme/data": "secret"},
         "attributes": {"/opt/acme/data": "%attr(0750,acmebk,acmebk)"}}


def uid_of(root: Path, name: str) -> int:
    (line,) = [line for line in (root / "etc/passwd").read_text().splitlines()
               if line.startswith(f"{name}:")]
    return int(line.split(":")[2])


def test_accounts_are_there_from_before_the_unpacking_until_after_the_removal(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before = tree_state(node)
    bundle = make_plugin(tmp_path, "acme", settings=[USER], scriptlets=SCRIPTLETS, **FILES)
    heir = make_plugin(tmp_path, "heir", settings=[USER], files={"/opt/heir": "x"})
    succeeded(dnf.plugin(node, "install", bundle, "-y", UNSIGNED))
    info = (node / "opt/acme/data").stat()
    assert (info.st_uid, info.st_gid, info.st_mode & 0o777) == (
        uid_of(node, "acmebk"), info.st_uid, 0o750) and info.st_uid
    assert uid_of(node, "own") == 700
    succeeded(dnf.plugin(node, "verify"))
    (plugin,) = succeeded(dnf.plugin(node, "manifest", "acme", "--json")).json["plugins"]
    made_by = {(account["kind"], account["name"]): account["by"]
               for account in plugin["accounts"]}
    assert made_by == {("user", "acmebk"): "user acmebk", ("group", "acmebk"): "group acmebk",
                       ("user", "own"): "scriptlets"}
    succeeded(dnf.plugin(node, "install", heir, "-y", UNSIGNED))
    number = uid_of(node, "acmebk")
    succeeded(dnf.plugin(node, "remove", "acme", "-y"))
    assert uid_of(node, "acmebk") == number  # the other plugin's now
    succeeded(dnf.plugin(node, "verify"))
    succeeded(dnf.plugin(node, "remove", "heir", "-y"))
    assert state_differences(before, tree_state(node)) == []


def test_accounts_in_sysusers_files_of_packages_are_there_before_the_unpacking(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    """rpm before 4.19 packs such files without declaring their accounts in the header."""
    before = tree_state(node)
    bundle = make_plugin(
        tmp_path, "acme", scriptlets={"pre": NEEDS, "postun": NEEDS},
        files={"/usr/lib/sysusers.d/acme.conf": '# of acme\nu! acmebk - "A\tuser" /opt/acme\n'
               'u acmebk - "Acme" /opt/acme -\nr - 300-400\n', **FILES["files"]},
        attributes=FILES["attributes"])
    answer = succeeded(dnf.plugin(node, "install", bundle, "-y", UNSIGNED))
    assert "not created" not in answer.text
    assert (node / "opt/acme/data").stat().st_uid == uid_of(node, "acmebk") > 0
    succeeded(dnf.plugin(node, "verify"))
    succeeded(dnf.plugin(node, "remove", "acme", "-y"))
    assert state_differences(before, tree_state(node)) == []


def test_a_failed_install_takes_the_accounts_with_it(node: Path, dnf: Dnf,
                                                     tmp_path: Path) -> None:
    before = tree_state(node)
    bundle = make_plugin(tmp_path, "acme", settings=[USER], **FILES,
                         scriptlets={"pre": f"{NEEDS}\nexit 7"})
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 8 and "exit status 7" in answer.text, answer.text
    assert state_differences(before, tree_state(node)) == []
