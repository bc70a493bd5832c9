"""Where real products have their files, and what they need: nothing, an element, or a site's rule.

The lists are examples of the files of these packages. Those marked as uncertain are from
documents of the vendor or from memory, and were not compared with a package.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

import pytest

from ovirt_node_plugin.policy import other_places
from ovirt_node_plugin.policy.path_rules import PathPolicy, built_in, read_rules

pytestmark = pytest.mark.unit

TREE = "usr/lib/modules/5.14.0-427.el9.x86_64"
UNITS = "usr/lib/systemd/system"


@dataclass(frozen=True)
class Layout:
    """A product: files that ``fit``, those of ``homes`` that a site has to allow, by that folder.

    ``elsewhere`` are files of its packages that are refused, each with the words by which the hint
    says what to use instead; ``<leave-out>`` leaves them out.
    """

    fit: Sequence[str]
    homes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    modules: bool = False


LAYOUTS = {
    "Zabbix agent 2": Layout((
        "usr/sbin/zabbix_agent2", "etc/zabbix/zabbix_agent2.conf",
        "etc/zabbix/zabbix_agent2.d/plugins.d/ceph.conf", f"{UNITS}/zabbix-agent2.service",
        "usr/lib/tmpfiles.d/zabbix_agent2.conf", "etc/logrotate.d/zabbix-agent2",
        "var/log/zabbix/zabbix_agent2.log")),
    "Nagios NRPE": Layout((
        "usr/sbin/nrpe", "etc/nagios/nrpe.cfg", "etc/nrpe.d/disk.cfg", "etc/sysconfig/nrpe",
        f"{UNITS}/nrpe.service", "usr/lib/tmpfiles.d/nrpe.conf",
        "usr/lib64/nagios/plugins/check_disk", "var/spool/nagios/x")),
    "Prometheus node_exporter": Layout((
        "usr/bin/node_exporter", "etc/default/prometheus-node-exporter",
        f"{UNITS}/prometheus-node-exporter.service", "var/lib/prometheus/node-exporter/x",
        "usr/lib/sysusers.d/prometheus.conf")),
    # its %post copies the unit from /usr/lib/telegraf/scripts
    "Telegraf": Layout((
        "usr/bin/telegraf", "etc/telegraf/telegraf.conf", "etc/logrotate.d/telegraf",
        "usr/lib/telegraf/scripts/telegraf.service", "var/log/telegraf/x")),
    "Salt minion": Layout((
        "opt/saltstack/salt/bin/python3.10", "usr/bin/salt-minion", "etc/salt/minion",
        f"{UNITS}/salt-minion.service", "etc/logrotate.d/salt", "var/cache/salt/minion/x",
        "usr/share/fish/vendor_completions.d/salt-call.fish", "var/log/salt/minion")),
    "Tenable Nessus agent": Layout((
        "opt/nessus_agent/sbin/nessuscli", f"{UNITS}/nessusagent.service")),
    "CrowdStrike falcon-sensor": Layout((
        "opt/CrowdStrike/falconctl", "opt/CrowdStrike/KernelModuleArchive",
        f"{UNITS}/falcon-sensor.service")),
    "Qualys cloud agent": Layout(
        (f"{UNITS}/qualys-cloud-agent.service", "etc/init.d/qualys-cloud-agent",
         "var/log/qualys/x"),
        homes={"usr/local/qualys": ("usr/local/qualys/cloud-agent/bin/qualys-cloud-agent",)}),
    "Dell OMSA": Layout((  # uncertain
        "opt/dell/srvadmin/sbin/srvadmin-services.sh", "etc/opt/dell/srvadmin/x",
        "etc/init.d/instsvcdrv", f"{UNITS}/dsm_sa_datamgrd.service", "etc/pam.d/omauth",
        "etc/ld.so.conf.d/srvadmin.conf", "usr/share/snmp/mibs/x", "var/opt/dell/x")),
    "HPE amsd and ilorest": Layout((
        "sbin/amsd", f"{UNITS}/amsd.service", f"{UNITS}/smad.service", "etc/sysconfig/amsd",
        "usr/sbin/ilorest", "etc/ilorest/redfish.conf", "usr/lib64/ilorest_chif.so")),
    "Dell PowerPath": Layout((  # uncertain
        "opt/emcpower/x", "etc/opt/emcpower/EMCpower.LINUX-7.6/bin/powermt", "sbin/powermt",
        "etc/init.d/PowerPath", f"{UNITS}/PowerPath.service", "etc/emcp_registration",
        f"{TREE}/extra/powerpath/emcp.ko", "usr/lib/udev/rules.d/62-powerpath.rules",
        "etc/modprobe.d/powerpath.conf"),
        elsewhere={"etc/dracut.conf.d/powerpath.conf": "<initramfs-driver>"}, modules=True),
    "Veritas VxVM and VCS": Layout((  # uncertain
        "opt/VRTSvcs/bin/had", "opt/VRTS/bin/vxdisk", "etc/vx/kernel/vxio.ko.5.14.0-427.el9",
        "etc/VRTSvcs/conf/types.cf", "usr/sbin/vxdctl", "usr/lib/vxvm/bin/vxroot",
        f"{UNITS}/vxvm-boot.service", "usr/lib/udev/rules.d/41-VxVM-selinux.rules",
        f"{TREE}/veritas/vxvm/vxio.ko"),
        homes={"var/VRTSvcs": ("var/VRTSvcs/log/x",)}, modules=True),
    "Veritas NetBackup client": Layout(
        ("opt/VRTSpbx/bin/pbx_exchange", "etc/vx/vrtslog.conf", f"{UNITS}/netbackup.service"),
        homes={"usr/openv": ("usr/openv/netbackup/bin/bpcd", "usr/openv/lib/libnbbase.so")}),
    "NetWorker client": Layout(
        ("usr/sbin/nsrexecd", "usr/bin/save", "usr/lib/nsr/libnsr.so", "opt/nsr/admin/networkerrc",
         f"{UNITS}/networker.service", "usr/share/man/man8/save.8.gz"),
        homes={"nsr": ("nsr/res/nsrladb/x",)}),
    "IBM Storage Protect client": Layout(
        ("opt/tivoli/tsm/client/ba/bin/dsmc", "usr/lib64/libApiTSM64.so", "usr/bin/dsmc",
         f"{UNITS}/dsmcad.service"),
        homes={"usr/local/ibm": ("usr/local/ibm/gsk8_64/lib64/libgsk8ssl_64.so",)}),
    "Commvault": Layout((  # its own installer, not packages
        "opt/commvault/Base/cvd", "etc/CommVaultRegistry/Galaxy/x", "usr/bin/commvault",
        f"{UNITS}/commvault.Instance001.service", "var/log/commvault/x")),
    "Veeam agent": Layout((
        "usr/sbin/veeamservice", "usr/bin/veeamconfig", "etc/veeam/veeam.ini",
        f"{UNITS}/veeamservice.service", "var/lib/veeam/x", f"{TREE}/extra/veeamsnap.ko"),
        modules=True),
    "Mellanox OFED": Layout((
        f"{TREE}/extra/mlnx-ofa_kernel/drivers/infiniband/core/ib_core.ko",
        "etc/depmod.d/zz01-mlnx-ofa_kernel.conf", "etc/infiniband/openib.conf",
        "etc/modprobe.d/mlnx.conf", "etc/init.d/openibd", f"{UNITS}/openibd.service",
        "usr/lib/udev/rules.d/83-mlnx-sf-name.rules", "usr/sbin/mlnx_qos",
        "usr/lib/firmware/mellanox/mlxsw_spectrum.mfa2", "usr/src/ofa_kernel/x",
        "usr/share/infiniband/x"), modules=True),
    "NVIDIA vGPU manager": Layout((
        "usr/bin/nvidia-smi", "usr/lib64/libnvidia-ml.so.1", f"{UNITS}/nvidia-vgpud.service",
        "usr/share/nvidia/vgpu/vgpuConfig.xml", "usr/lib/firmware/nvidia/550.90/gsp_ga10x.bin",
        f"{TREE}/extra/nvidia/nvidia.ko", "etc/modprobe.d/nvidia.conf",
        "usr/lib/nvidia/sriov-manage"), modules=True),
    "Red Hat driver disk": Layout((
        f"{TREE}/extra/kmod-redhat-mpt3sas/mpt3sas.ko", "etc/depmod.d/mpt3sas.conf",
        "usr/lib/firmware/updates/mpt3sas.bin"),
        elsewhere={"etc/dracut.conf.d/kmod-redhat-mpt3sas.conf": "<initramfs-driver>"},
        modules=True),
    "Intel ice driver": Layout((
        f"{TREE}/updates/drivers/net/ethernet/intel/ice/ice.ko",
        "usr/lib/firmware/updates/intel/ice/ddp/ice.pkg"), modules=True),
}


@pytest.mark.parametrize("product", LAYOUTS)
def test_the_files_of_a_product_fit_or_the_message_says_what_they_need(
        product: str, tmp_path: Path) -> None:
    layout = LAYOUTS[product]
    rules = built_in(kernel_module=layout.modules)
    policy = PathPolicy(rules)
    assert {path: policy.objection(path) for path in layout.fit if policy.objection(path)} == {}
    for path, words in layout.elsewhere.items():
        assert policy.objection(path) and words in other_places.hint([path], tmp_path)
    refused = [path for paths in layout.homes.values() for path in paths]
    assert all(map(policy.objection, refused))
    if refused:
        head, _, lines = other_places.hint(refused, tmp_path).partition(":\n")
        assert lines.split("\n") == [f"  allow /{home}" for home in sorted(layout.homes)]
        assert head.endswith(f"write into {tmp_path}/site.conf")
        (tmp_path / "site.conf").write_text(lines)  # as said
        policy = PathPolicy([*rules, *read_rules([tmp_path])])
        assert [policy.objection(path) for path in refused] == [""] * len(refused)
