"""Real products: their files, the settings that carry them, and what does not fit.

docs/products.md is made from this list and from the rules (products_page.py), and a test holds
the rules against it. The files are examples of those of the packages.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Sequence

TREE = "usr/lib/modules/5.14.0-427.el9.x86_64"
UNITS = "usr/lib/systemd/system"


@dataclass(frozen=True)
class Product:
    """A product: its files that ``fit``, and those of ``homes``, folders that a site has to allow.

    ``elsewhere`` are files of its packages that are refused, each with the words by which the hint
    says what to use instead; ``<leave-out>`` leaves them out. ``settings`` are elements of its
    descriptor. ``lacks`` are sentences: what no element carries, and why, ``gap`` the same in a few
    words. Without ``source`` the list is from memory.
    """

    ships: str
    fit: Sequence[str]
    installs: Sequence[str]
    settings: Sequence[str] = ()
    homes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    modules: bool = False
    gap: str = ""
    lacks: Sequence[str] = ()
    source: str = ""


def _service(*units: str, attributes: str = "") -> Sequence[str]:
    return [f'<service name="{unit}.service" state="enabled"{attributes}/>' for unit in units]


_SCRIPTS = "paths and units are in public installation scripts"
_NOT_RPM = "Its vendor ships an installer instead of RPMs: make RPMs of the installed files."
_REGISTER = ("It registers each host with {0}, by a command with a secret ({1}). Run it on each"
             " host after the first boot, never in the image: all hosts would have one identity.")
_KERNEL = ("The modules must be built for the kernel of the Node; the plan says which kernels load"
           " them.")

PRODUCTS: Mapping[str, Product] = {
    "Zabbix agent 2": Product(
        "RPM with a unit, configuration, logrotate and tmpfiles.",
        ("usr/sbin/zabbix_agent2", "etc/zabbix/zabbix_agent2.conf",
         "etc/zabbix/zabbix_agent2.d/plugins.d/ceph.conf", f"{UNITS}/zabbix-agent2.service",
         "usr/lib/tmpfiles.d/zabbix_agent2.conf", "etc/logrotate.d/zabbix-agent2",
         "var/log/zabbix/zabbix_agent2.log"),
        ("zabbix-agent2",),
        (*_service("zabbix-agent2"), '<firewall-port port="10050" protocol="tcp"/>'),
        gap="the server's name, by a package of yours",
        lacks=("The server's name is in zabbix_agent2.conf, a file of the package: ship a package"
               " with your own file in /etc/zabbix/zabbix_agent2.d.",)),
    "Nagios NRPE": Product(
        "RPMs with a unit, configuration and check programs.",
        ("usr/sbin/nrpe", "etc/nagios/nrpe.cfg", "etc/nrpe.d/disk.cfg", "etc/sysconfig/nrpe",
         f"{UNITS}/nrpe.service", "usr/lib/tmpfiles.d/nrpe.conf",
         "usr/lib64/nagios/plugins/check_disk", "var/spool/nagios/x"),
        ("nrpe", "nagios-plugins-disk"),
        (*_service("nrpe"), '<firewall-port port="5666" protocol="tcp"/>')),
    "Prometheus node_exporter": Product(
        "RPM with a unit, defaults and a system user.",
        ("usr/bin/node_exporter", "etc/default/prometheus-node-exporter",
         f"{UNITS}/prometheus-node-exporter.service", "var/lib/prometheus/node-exporter/x",
         "usr/lib/sysusers.d/prometheus.conf"),
        ("node-exporter",),
        (*_service("prometheus-node-exporter"), '<firewall-port port="9100" protocol="tcp"/>')),
    "Telegraf": Product(
        "RPM whose %post copies its unit from /usr/lib/telegraf/scripts.",
        ("usr/bin/telegraf", "etc/telegraf/telegraf.conf", "etc/logrotate.d/telegraf",
         "usr/lib/telegraf/scripts/telegraf.service", "var/log/telegraf/x"),
        ("telegraf",), _service("telegraf", attributes=' from="scriptlet"'),
        gap="its unit, in an image",
        lacks=("%post copies the unit only where systemd runs. On a host the service is enabled; in"
               " an image there is no unit, and the install is rolled back: put the unit into a"
               " package of your own there.",),
        source="the package's file list and scriptlet, in public copies"),
    "Salt minion": Product(
        "RPMs with Python and all modules in /opt/saltstack, and a unit.",
        ("opt/saltstack/salt/bin/python3.10", "usr/bin/salt-minion", "etc/salt/minion",
         f"{UNITS}/salt-minion.service", "etc/logrotate.d/salt", "var/cache/salt/minion/x",
         "usr/share/fish/vendor_completions.d/salt-call.fish", "var/log/salt/minion"),
        ("salt-minion",),
        (*_service("salt-minion"), '<persistent-path path="/etc/salt"/>'),
        gap="states that change the image",
        lacks=("States that install packages or write to /usr work against an image that is"
               " replaced as a whole: use it to observe and to run commands.",)),
    "Splunk universal forwarder": Product(
        "RPM with everything in /opt/splunkforwarder, and no unit.",
        ("opt/splunkforwarder/bin/splunk", "opt/splunkforwarder/etc/splunk-launch.conf",
         "opt/splunkforwarder/lib/libssl.so.3"),
        ("splunkforwarder",), ('<persistent-path path="/opt/splunkforwarder"/>',),
        gap="its unit, by a package of yours",
        lacks=('"splunk enable boot-start" writes the unit, to /etc/systemd/system. Put a unit into'
               " a package of your own, in /usr/lib/systemd/system, and enable it by <service>.",
               "The licence has to be accepted at the first start, by an option in that unit."),
        source="[Splunk: additional options for enable boot-start](https://help.splunk.com/en/"
               "splunk-enterprise/administer/admin-manual/10.4/start-splunk-enterprise-and-perform-"
               "initial-tasks/additional-options-for-enable-boot-start)"),
    "Datadog agent": Product(
        "RPM with everything in /opt/datadog-agent, configuration in /etc, and units.",
        ("opt/datadog-agent/bin/agent/agent", "etc/datadog-agent/datadog.yaml.example",
         "etc/datadog-agent/conf.d/disk.d/conf.yaml.default", f"{UNITS}/datadog-agent.service",
         f"{UNITS}/datadog-agent-trace.service"),
        ("datadog-agent",), _service("datadog-agent"),
        gap="its key, on each host",
        lacks=("datadog.yaml has the API key, a secret: write it on the hosts, and name"
               " /etc/datadog-agent in a <persistent-path>.",),
        source="[Datadog: Linux](https://docs.datadoghq.com/agent/supported_platforms/linux/)"),
    "Tenable Nessus agent": Product(
        "RPM with everything in /opt/nessus_agent, and a unit.",
        ("opt/nessus_agent/sbin/nessuscli", "opt/nessus_agent/lib/nessus/libjemalloc.so.2",
         "opt/nessus_agent/var/nessus/logs/x", f"{UNITS}/nessusagent.service"),
        ("NessusAgent",),
        (*_service("nessusagent"), '<persistent-path path="/opt/nessus_agent"/>'),
        gap="registration, on each host",
        lacks=(_REGISTER.format("its manager", "nessuscli agent link"),),
        source="Gentoo's package of the vendor's RPM; [Tenable: local agents commands]"
               "(https://docs.tenable.com/nessus/command-line-reference/Content/"
               "LocalAgentsCommands.htm)"),
    "CrowdStrike Falcon sensor": Product(
        "RPM with everything in /opt/CrowdStrike, and a unit.",
        ("opt/CrowdStrike/falconctl", "opt/CrowdStrike/KernelModuleArchive",
         f"{UNITS}/falcon-sensor.service"),
        ("falcon-sensor",),
        (*_service("falcon-sensor"), '<persistent-path path="/opt/CrowdStrike"/>'),
        gap="registration, on each host",
        lacks=(_REGISTER.format("its cloud", "falconctl -s --cid"),
               "Its kernel mode loads modules for known kernels only: check that of the Node, or"
               " use the user mode, which needs none."), source=_SCRIPTS),
    "Qualys cloud agent": Product(
        "RPM with everything in /usr/local/qualys, and a unit.",
        (f"{UNITS}/qualys-cloud-agent.service", "etc/init.d/qualys-cloud-agent",
         "var/log/qualys/x"),
        ("qualys-cloud-agent",), _service("qualys-cloud-agent"),
        homes={"usr/local/qualys": ("usr/local/qualys/cloud-agent/bin/qualys-cloud-agent",)},
        gap="registration, on each host",
        lacks=(_REGISTER.format("its cloud", "qualys-cloud-agent.sh ActivationId=..."),),
        source=_SCRIPTS),
    "Trend Micro Deep Security agent": Product(
        "RPM with everything in /opt/ds_agent, and a service that is only a SysV script.",
        ("opt/ds_agent/ds_agent", "opt/ds_agent/dsa_control", "etc/init.d/ds_agent",
         "var/opt/ds_agent/x"),
        ("ds_agent",), ('<persistent-path path="/opt/ds_agent"/>',),
        gap="its unit, by a package of yours; registration",
        lacks=("/etc/init.d/ds_agent is no unit: put one into a package of your own that calls it."
               " If your version has a unit, use that.",
               _REGISTER.format("its manager", "dsa_control -a"),
               "Its kernel modules are downloaded for the running kernel."),
        source=_SCRIPTS),
    "Dell OMSA": Product(
        "Some 30 RPMs (srvadmin-*) in /opt/dell/srvadmin, with units and PAM and SNMP files.",
        ("opt/dell/srvadmin/sbin/srvadmin-services.sh", "etc/opt/dell/srvadmin/x",
         "etc/init.d/instsvcdrv", f"{UNITS}/dsm_sa_datamgrd.service",
         f"{UNITS}/dsm_sa_eventmgrd.service", f"{UNITS}/dsm_om_connsvc.service",
         "etc/pam.d/omauth", "etc/ld.so.conf.d/srvadmin.conf", "usr/share/snmp/mibs/x",
         "var/opt/dell/x"),
        ("srvadmin-base", "srvadmin-server-cli", "srvadmin-storage-cli"),
        (*_service("dsm_sa_datamgrd", "dsm_sa_eventmgrd"),
         '<persistent-path path="/etc/opt/dell/srvadmin"/>'),
        gap="its web server, unless you add it",
        lacks=("The web server (srvadmin-webserver) needs dsm_om_connsvc.service and TCP port 1311;"
               " leave it out where a central console reads the hosts.",),
        source=f"{_SCRIPTS}; the list of files is from memory"),
    "HPE amsd and ilorest": Product(
        "RPMs with units, and a command for iLO.",
        ("sbin/amsd", f"{UNITS}/amsd.service", f"{UNITS}/smad.service", "etc/sysconfig/amsd",
         "usr/sbin/ilorest", "etc/ilorest/redfish.conf", "usr/lib64/ilorest_chif.so"),
        ("amsd", "ilorest"), _service("smad", "amsd"),
        source="[Rocky Linux: HPE ProLiant Agentless Management Service]"
               "(https://github.com/rocky-linux/documentation/pull/1943); paths from memory"),
    "Broadcom StorCLI": Product(
        "RPM with one command in /opt/MegaRAID. Dell's perccli is alike, in /opt/MegaRAID/perccli.",
        ("opt/MegaRAID/storcli/storcli64", "opt/MegaRAID/storcli/install_logs/x"),
        ("storcli",), source=_SCRIPTS),
    "Dell PowerPath": Product(
        "RPM with kernel modules, commands, udev rules and a boot script.",
        ("opt/emcpower/x", "etc/opt/emcpower/EMCpower.LINUX-7.6/bin/powermt", "sbin/powermt",
         "etc/init.d/PowerPath", f"{UNITS}/PowerPath.service", "etc/emcp_registration",
         f"{TREE}/extra/powerpath/emcp.ko", "usr/lib/udev/rules.d/62-powerpath.rules",
         "etc/modprobe.d/powerpath.conf"),
        ("DellEMCPower.LINUX",),
        ('<leave-out files="/etc/dracut.conf.d/powerpath.conf"/>',
         '<initramfs-driver name="emcp"/>', *_service("PowerPath"),
         '<persistent-path path="/etc/emcp_registration"/>',
         '<multipath-config source="files/powerpath.conf" name="powerpath.conf"/>'),
        elsewhere={"etc/dracut.conf.d/powerpath.conf": "<initramfs-driver>"}, modules=True,
        gap="storage domains; registration, on each host",
        lacks=(_KERNEL, "VDSM looks for storage domains on devices of multipathd. Two multipath"
               " programs must not have one LUN: files/powerpath.conf excludes those of PowerPath"
               " from multipathd, so use them for other things than storage domains.",
               "emcpreg registers each host, interactively, after the first boot."),
        source="sosreport's plugin for PowerPath, for /etc; the other files from memory"),
    "Veritas VxVM and VCS": Product(
        "RPMs in /opt/VRTS* with kernel modules for each kernel, commands and units.",
        ("opt/VRTSvcs/bin/had", "opt/VRTS/bin/vxdisk", "etc/vx/kernel/vxio.ko.5.14.0-427.el9",
         "etc/VRTSvcs/conf/types.cf", "usr/sbin/vxdctl", "usr/lib/vxvm/bin/vxroot",
         f"{UNITS}/vxvm-boot.service", "usr/lib/udev/rules.d/41-VxVM-selinux.rules",
         f"{TREE}/veritas/vxvm/vxio.ko"),
        ("VRTSvxvm", "VRTSvcs"), _service("vxvm-boot"),
        homes={"var/VRTSvcs": ("var/VRTSvcs/log/x",)}, modules=True,
        gap="modules outside /usr/lib/modules; storage domains",
        lacks=("Modules in /etc/vx/kernel are linked by a script at boot; the tool judges only"
               " those in /usr/lib/modules.",
               "VDSM looks for storage domains on devices of multipathd, not of VxVM.")),
    "Veritas NetBackup client": Product(
        "RPMs (VRTSnbpck, VRTSpbx, VRTSnbclt and others) in /usr/openv and /opt/VRTSpbx.",
        ("opt/VRTSpbx/bin/pbx_exchange", "etc/vx/vrtslog.conf", f"{UNITS}/netbackup.service"),
        ("VRTSnbpck", "VRTSpbx", "VRTSnbclt"),
        (*_service("netbackup"), '<firewall-port port="1556" protocol="tcp"/>',
         '<firewall-port port="13724" protocol="tcp"/>'),
        homes={"usr/openv": ("usr/openv/netbackup/bin/bpcd", "usr/openv/lib/libnbbase.so")},
        gap="its certificate, on each host",
        lacks=("Its installer asks for the server and fetches a certificate for each host: run that"
               " part (nbcertcmd) after the first boot.",),
        source="logs of the vendor's installer, for the packages; the files are from memory"),
    "Dell NetWorker client": Product(
        "RPM (lgtoclnt) with commands, libraries and a unit.",
        ("usr/sbin/nsrexecd", "usr/bin/save", "usr/lib/nsr/libnsr.so", "opt/nsr/admin/networkerrc",
         f"{UNITS}/networker.service", "usr/share/man/man8/save.8.gz"),
        ("lgtoclnt",),
        (*_service("networker"), '<firewall-port port="7937-7940" protocol="tcp"/>'),
        homes={"nsr": ("nsr/res/nsrladb/x",)},
        gap="its identity over an upgrade of the image",
        lacks=("/nsr holds the host's identity and must outlast an image; <persistent-path> takes"
               " no folder in /. Ask the vendor to move it to /var/lib.",),
        source="[IBM: Installing NetWorker](https://www.ibm.com/docs/en/netezza?topic=installation-"
               "installing-networker), for the packages; the list of files is from memory"),
    "IBM Storage Protect client": Product(
        "RPMs in /opt/tivoli/tsm, with GSKit in /usr/local/ibm.",
        ("opt/tivoli/tsm/client/ba/bin/dsmc", "usr/lib64/libApiTSM64.so", "usr/bin/dsmc",
         f"{UNITS}/dsmcad.service"),
        ("TIVsm-BA", "TIVsm-API64", "gskssl64", "gskcrypt64"),
        (*_service("dsmcad"), '<persistent-path path="/opt/tivoli/tsm/client/ba/bin"/>'),
        homes={"usr/local/ibm": ("usr/local/ibm/gsk8_64/lib64/libgsk8ssl_64.so",)},
        gap="dsm.sys, by a package of yours; its password",
        lacks=("dsm.sys names the server and is in the folder of the programs: ship it in a package"
               " of your own, and let each host keep its password file.",),
        source="[IBM: installing the backup-archive client](https://www.ibm.com/docs/en/"
               "SSEQVQ_8.1.20/client/t_inst_linuxzclient.html), for packages and folders"),
    "Commvault": Product(
        "An installer that writes to /opt/commvault and /etc/CommVaultRegistry.",
        ("opt/commvault/Base/cvd", "etc/CommVaultRegistry/Galaxy/x", "usr/bin/commvault",
         f"{UNITS}/commvault.Instance001.service", "var/log/commvault/x"),
        ("acme-commvault",),
        (*_service("commvault.Instance001"), '<persistent-path path="/etc/CommVaultRegistry"/>'),
        gap="RPMs, which it has not; registration",
        lacks=(_NOT_RPM, _REGISTER.format("its CommServe", "the installer's last step")),
        source=_SCRIPTS),
    "Veeam agent": Product(
        "RPMs with a unit, and a kernel module, veeamsnap or blksnap.",
        ("usr/sbin/veeamservice", "usr/bin/veeamconfig", "etc/veeam/veeam.ini",
         f"{UNITS}/veeamservice.service", "var/lib/veeam/x", f"{TREE}/extra/veeamsnap.ko"),
        ("veeam", "kmod-veeamsnap"),
        (*_service("veeamservice"), '<persistent-path path="/var/lib/veeam"/>'), modules=True,
        gap="the variant that compiles its module",
        lacks=(_KERNEL, "The variant that builds its module by DKMS needs compilers and kernel"
               " headers on the host; use the package with the built module, or the one without"
               " snapshots."),
        source="[veeam/veeamsnap](https://github.com/veeam/veeamsnap), for the module; the list of"
               " files is from memory"),
    "NVIDIA/Mellanox OFED": Product(
        "kmod packages for a kernel, and user space that replaces rdma-core.",
        (f"{TREE}/extra/mlnx-ofa_kernel/drivers/infiniband/core/ib_core.ko",
         "etc/depmod.d/zz01-mlnx-ofa_kernel.conf", "etc/infiniband/openib.conf",
         "etc/modprobe.d/mlnx.conf", "etc/init.d/openibd", f"{UNITS}/openibd.service",
         "usr/lib/udev/rules.d/83-mlnx-sf-name.rules", "usr/sbin/mlnx_qos",
         "usr/lib/firmware/mellanox/mlxsw_spectrum.mfa2", "usr/src/ofa_kernel/x",
         "usr/share/infiniband/x"),
        ("kmod-mlnx-ofa_kernel", "mlnx-ofa_kernel", "mlnx-tools"), _service("openibd"),
        modules=True,
        gap="user space that replaces the image's; firmware of adapters",
        lacks=(_KERNEL, "mlnxofedinstall removes the distribution's packages and upgrades the"
               " firmware of the adapters. A plugin does neither: take the RPMs for the Node's"
               " kernel from the ISO, and upgrade firmware apart.",
               "Packages that replace those of the image, such as its rdma-core, are refused."),
        source="[NVIDIA: Installing MLNX_OFED](https://docs.nvidia.com/networking/display/"
               "mlnxofedv590560113/installing+mlnx_ofed); a public list of files of the kmod"),
    "NVIDIA vGPU manager": Product(
        "RPM for RHEL with kernel modules, libraries, firmware and two units.",
        ("usr/bin/nvidia-smi", "usr/lib64/libnvidia-ml.so.1", f"{UNITS}/nvidia-vgpud.service",
         f"{UNITS}/nvidia-vgpu-mgr.service", "usr/share/nvidia/vgpu/vgpuConfig.xml",
         "usr/lib/firmware/nvidia/550.90/gsp_ga10x.bin", f"{TREE}/extra/nvidia/nvidia.ko",
         "etc/modprobe.d/nvidia.conf", "usr/lib/nvidia/sriov-manage"),
        ("NVIDIA-vGPU-rhel",),
        (*_service("nvidia-vgpud", "nvidia-vgpu-mgr"),
         '<kernel-module name="nouveau" blacklist="yes"/>',
         '<kernel-argument name="intel_iommu" value="on"/>',
         '<kernel-argument name="modprobe.blacklist" value="nouveau"/>'), modules=True,
        gap="SR-IOV at boot; the key of Secure Boot, at the console",
        lacks=(_KERNEL, "With Secure Boot the modules have to be signed by a key that each host's"
               " firmware knows: <module-signing-key>, and a person at the console.",
               "VFs of SR-IOV are made by sriov-manage at each boot: a unit of your own, or VDSM."),
        source="[Red Hat: managing NVIDIA vGPU devices](https://access.redhat.com/documentation/"
               "fr-fr/red_hat_enterprise_linux/9/html/configuring_and_managing_virtualization/"
               "assembly_managing-nvidia-vgpu-devices_assembly_managing-gpu-devices-in-virtual-"
               "machines), for nouveau; units from public packaging; other files from memory"),
    "Red Hat driver disk": Product(
        "kmod RPM of the Driver Update Program, here mpt3sas. MegaRAID and QLogic are alike.",
        (f"{TREE}/extra/kmod-redhat-mpt3sas/mpt3sas.ko", "etc/depmod.d/mpt3sas.conf",
         "usr/lib/firmware/updates/mpt3sas.bin"),
        ("kmod-redhat-mpt3sas",),
        ('<leave-out files="/etc/dracut.conf.d/kmod-redhat-mpt3sas.conf"/>',
         '<initramfs-driver name="mpt3sas"/>'),
        elsewhere={"etc/dracut.conf.d/kmod-redhat-mpt3sas.conf": "<initramfs-driver>"},
        modules=True,
        gap="the installer on an ISO",
        lacks=(_KERNEL, "The installer on an ISO boots its own initramfs: a disk that only this"
               " driver finds needs the driver disk there too."),
        source="the spec of kmod-redhat-mpt3sas, in public copies"),
    "Intel ice driver": Product(
        "kmod RPM with the module and its firmware package in updates.",
        (f"{TREE}/updates/drivers/net/ethernet/intel/ice/ice.ko",
         "usr/lib/firmware/updates/intel/ice/ddp/ice.pkg"),
        ("kmod-ice",), modules=True,
        gap="other kernels than those that it was built for",
        lacks=(_KERNEL, "The plan names the firmware, as it hides that of the image.")),
}
