"""Five products as vendors package them, on the full Node and on a host."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from ovirt_node_plugin.system.run import run
from tests.support.agent_plugins import changes_to_full_node
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.full_host import full_host_root
from tests.support.full_node import full_node
from tests.support.products import PRODUCTS, write_product

pytestmark = [pytest.mark.root, pytest.mark.slow]

# A second version: what upgrades replace, and what they keep.
UPGRADED = ("agent", "backup")
# What exists while a product is installed, in the folders from which the system reads.
_WANTS = "etc/systemd/system/multi-user.target.wants"
EFFECTS = {
    "agent": (f"{_WANTS}/zabbix-agent2.service", "etc/zabbix/zabbix_agent2.conf"),
    "storage": (f"{_WANTS}/netapp-path-monitor.service", "etc/multipath/conf.d/netapp.conf",
                "etc/udev/rules.d/99-netapp.rules"),
    "driver": ("etc/modules-load.d/node-plugin-driver-mpt3sas_dup.conf",
               "etc/depmod.d/mpt3sas_dup.conf", "usr/lib/firmware/updates/mpt3sas_dup.bin"),
    "backup": ("usr/lib/systemd/system/networker.service", f"{_WANTS}/networker.service",
               "opt/nsr/res/servers"),
    "site": ("etc/systemd/system/sshd.service.d/site.conf", "var/lib/example-site",
             "etc/pki/ca-trust/source/anchors/example.pem")}
ANOTHER_ORDER = ("driver", "site", "agent", "storage", "backup")


@pytest.fixture(params=["node", "host"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The full Node, and the host that is made of it; EL's kernels list their symbols."""
    (kernel,) = os.listdir(full_node().tree / "usr/lib/modules")
    open_root = full_node().root if request.param == "node" else full_host_root
    with open_root(tmp_path / "full") as made:
        modules = made / "usr/lib/modules" / kernel
        if request.param == "host":  # which has no kernel
            modules.mkdir()
            for name in ("order", "builtin", "builtin.modinfo"):
                (modules / f"modules.{name}").touch()
            run(["depmod", "-b", made, kernel])
        (modules / "symvers").write_text("0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
        yield made


def test_each_of_five_products_goes_in_verifies_and_comes_out_without_a_trace(
        dnf: Dnf, root: Path, tmp_path: Path) -> None:
    before = changes_to_full_node(root)
    for name in PRODUCTS:
        succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, write_product(tmp_path, name)))
        assert f"{name} 1.0: ok" in succeeded(dnf.plugin(root, "verify")).text
        assert [path for path in EFFECTS[name] if not os.path.lexists(root / path)] == []
        assert not (root / "etc/dracut.conf.d/kmod-redhat-mpt3sas.conf").exists()
        succeeded(dnf.plugin(root, "remove", "-y", name))
        assert changes_to_full_node(root) == before, name


def test_five_products_together_are_upgraded_and_removed_in_another_order_without_a_trace(
        dnf: Dnf, root: Path, tmp_path: Path) -> None:
    before = changes_to_full_node(root)
    succeeded(dnf.plugin(root, "install", "-y", UNSIGNED,
                         *(write_product(tmp_path, name) for name in PRODUCTS)))
    succeeded(dnf.plugin(root, "install", "-y", UNSIGNED,
                         *(write_product(tmp_path, name, "1.1") for name in UPGRADED)))
    versions = {plugin["name"]: plugin["version"]
                for plugin in succeeded(dnf.plugin(root, "list", "--json")).json["plugins"]}
    assert versions == {name: "1.1" if name in UPGRADED else "1.0" for name in PRODUCTS}
    succeeded(dnf.plugin(root, "verify"))
    succeeded(dnf.plugin(root, "remove", "-y", *ANOTHER_ORDER[:2]))
    succeeded(dnf.plugin(root, "verify"))
    for name in ANOTHER_ORDER[2:]:
        assert f": {name}\n" in succeeded(dnf.plugin(root, "manifest", name)).text
    succeeded(dnf.plugin(root, "remove", "-y", *ANOTHER_ORDER[2:]))
    assert changes_to_full_node(root) == before
