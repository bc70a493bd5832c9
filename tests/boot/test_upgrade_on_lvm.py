"""A node on LVM is upgraded to an image without its plugin, which is restored."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests import support
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.imgbased import IMAGE, MARK, NEW, OLD
from tests.support.lvm_node import MAPPED, upgraded

pytestmark = [pytest.mark.root, pytest.mark.slow]

DNF = "dnf-3 -y --setopt=pluginpath=/payload/code/dnf-plugins --setopt=pluginconfpath=/payload/{} "
QUESTIONS = {
    "1-upgrade": DNF.format("restore") + "install ovirt-node-ng-image-update",
    "2-mounts": "findmnt --noheadings --output SOURCE / && ! grep /ovirt-node-plugin- /proc/mounts",
    "3-layer": f"lvs --noheadings --options lv_tags onn/{NEW} && cat /{MARK}"
               f" && mount -o ro /dev/onn/{NEW} /mnt && cat /mnt/etc/ovirt.plugins.d/snmp"
               " && ls /mnt/etc/systemd/system/multi-user.target.wants && umount /mnt",
    "4-removal": f"imgbase base --remove {IMAGE}",
    "5-refusal": DNF.format("refuse") + "reinstall ovirt-node-ng-image-update",
    "6-layers": "lvs --noheadings --options lv_name --select lv_tags=imgbased:layer",
    "7-boot": f"cat /var/log/grubby; ! test -e /{MARK}",
}


def test_a_plugin_is_restored_into_the_new_layer_and_an_upgrade_without_it_is_undone(
        built: support.Fixtures, node: Path, dnf: Dnf, tmp_path: Path) -> None:
    succeeded(dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys"))
    answers = upgraded(built, node, QUESTIONS, tmp_path / "machine")
    upgrade, mounts, layer, removal, refusal, layers, boot = (
        answers[name] for name in QUESTIONS)
    assert upgrade.status == 0, upgrade.text
    assert upgrade.text.splitlines().count(
        f"The new layer {NEW} has every plugin of this Node, in the same or a newer version;"
        " restored: snmp.") == 1
    assert (mounts.status, mounts.text) == (0, f"{MAPPED}\n")
    assert layer.status == 0, layer.text
    assert "imgbased:layer" in layer.text and 'mode="offline"' in layer.text
    assert "snmpd.service" in layer.text.split()
    assert removal.status == 0, removal.text
    assert (refusal.status, "snmp 1.0: missing" in refusal.text) == (1, True), refusal.text
    assert f"It is undone: {OLD} boots next." in refusal.text
    assert layers.text.split() == [OLD.partition("+")[0], OLD]
    assert (boot.status, boot.text) == (
        0, "".join(f"--info=ALL\n--set-default-index={index}\n" for index in (1, 0, 1)))
