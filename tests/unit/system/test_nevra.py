"""NEVRAs: composition from their parts, and the name in one."""
from __future__ import annotations

import pytest

from ovirt_node_plugin.system.nevra import make_evr, make_nevra, name_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("epoch", "evr"), [
    (None, "1.0-2"), (0, "1.0-2"), ("0", "1.0-2"), ("", "1.0-2"), (3, "3:1.0-2"), ("3", "3:1.0-2"),
])
def test_an_epoch_of_0_is_omitted(epoch: object, evr: str) -> None:
    assert make_evr(epoch, "1.0", "2") == evr


def test_a_key_has_no_architecture() -> None:
    assert make_nevra("gpg-pubkey", "1-2", "") == "gpg-pubkey-1-2"
    assert make_nevra("bash", "1:5.1-2.el9", "x86_64") == "bash-1:5.1-2.el9.x86_64"


@pytest.mark.parametrize("name", ["bash", "python3-dnf-plugin-node-plugin", "a.b-c"])
def test_the_name_ends_before_version_and_release(name: str) -> None:
    for evr in ("1.0-2.el9", "3:1.0-2"):
        assert name_of(make_nevra(name, evr, "noarch")) == name
    assert name_of("bash") == "bash"
