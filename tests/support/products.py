"""Five products with the layouts of their vendors' packages, and a descriptor for each.

Names, paths, accounts and scriptlets are those of the real packages; the programs in them are
small stand-ins:

- agent: Zabbix agent 2, by the spec file in Zabbix' source RPMs for EL 9;
- storage: NetApp's Host Utilities, which have programs in /opt and links in /usr/sbin, with the
  multipath and udev files that array vendors' guides tell administrators to write;
- driver: a module of Red Hat's driver update programme, by the kmodtool of EL's kernel-rpm-macros;
- backup: the client of Dell NetWorker, whose %post puts its unit into /usr/lib/systemd/system;
- site: a site's own configuration, in files of the bundle.
"""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, List, Tuple

from tests import support
from tests.support.kmod import module_bytes
from tests.support.trust_root import ACME

BUILT_FOR = "5.14.0-427.13.1.el9_4.x86_64"  # a kernel that no root of the tests has
Contents = Tuple[List[str], List[str]]  # packages to install, and settings
_PROGRAM = "#!/bin/sh\nexit 0\n"
_HELPER = "/usr/lib/systemd/systemd-update-helper"


def write_product(folder: Path, name: str, version: str = "1.0") -> Path:
    """Write the bundle of one of PRODUCTS below ``folder`` and return it; RPMs are unsigned."""
    repo = support.RpmRepo(folder / f"{name}-{version}.repo", name)
    installs, settings = _PRODUCTS[name](repo, version)
    bundle = support.write_bundle(folder / f"{name}-{version}", support.descriptor_xml(
        name, version, repos=[name], install=installs, settings=settings), repo=repo)
    for file, text in _FILES.get(name, {}).items():
        (bundle / "files" / file).parent.mkdir(parents=True, exist_ok=True)
        (bundle / "files" / file).write_text(text)
    return bundle


def _unit_scriptlets(unit: str) -> Dict[str, str]:
    """Return what %systemd_post and its kin of systemd's macros expand to on EL 9."""
    def call(condition: str, verb: str) -> str:
        return (f"if [ $1 {condition} ] && [ -x {_HELPER} ]; then\n"
                f"    {_HELPER} {verb} {unit} || :\nfi")

    return {"post": call("-eq 1", "install-system-units"),
            "preun": call("-eq 0", "remove-system-units"),
            "postun": call("-ge 1", "mark-restart-system-units")}


def _agent(repo: support.RpmRepo, version: str) -> Contents:
    unit = "zabbix-agent2.service"
    account = ("getent group zabbix > /dev/null || groupadd -r zabbix\n"
               "getent passwd zabbix > /dev/null || useradd -r -g zabbix -d /var/lib/zabbix"
               " -s /sbin/nologin -c 'Zabbix Monitoring System' zabbix\n")
    repo.add(
        "zabbix-agent2", f"7.0.{version[-1]}", arch="x86_64", requires=["/bin/sh"],
        scriptlets={"pre": account, **_unit_scriptlets(unit)},
        files={"/usr/sbin/zabbix_agent2": f"{_PROGRAM}# {version}\n",
               "/etc/zabbix/zabbix_agent2.conf": f"Server=127.0.0.1\n# {version}\n",
               "/etc/zabbix/zabbix_agent2.d/": "",
               "/etc/zabbix/zabbix_agent2.d/plugins.d/ceph.conf": "# Plugins.Ceph.Timeout=\n",
               "/etc/logrotate.d/zabbix-agent2":
                   "/var/log/zabbix/zabbix_agent2.log {\n    create 0664 zabbix zabbix\n}\n",
               "/usr/lib/tmpfiles.d/zabbix_agent2.conf": "d /run/zabbix 0755 zabbix zabbix - -\n",
               f"/usr/lib/systemd/system/{unit}":
                   "[Service]\nUser=zabbix\nExecStart=/usr/sbin/zabbix_agent2\n"
                   "[Install]\nWantedBy=multi-user.target\n",
               "/var/log/zabbix/": ""},
        attributes={"/usr/sbin/zabbix_agent2": "%attr(0755,root,root)",
                    "/etc/zabbix/zabbix_agent2.conf": "%config(noreplace)",
                    "/etc/zabbix/zabbix_agent2.d/plugins.d/ceph.conf": "%config(noreplace)",
                    "/etc/logrotate.d/zabbix-agent2": "%config(noreplace)",
                    "/var/log/zabbix/": "%attr(0755,zabbix,zabbix)"})
    return ["zabbix-agent2"], [
        f'<service name="{unit}" state="enabled"/>', '<firewall-port port="10050" protocol="tcp"/>']


def _storage(repo: support.RpmRepo, version: str) -> Contents:
    tools = "/opt/netapp/santools"
    service = "netapp-path-monitor.service"
    repo.add(
        "netapp_linux_unified_host_utilities", "7.1", arch="x86_64", requires=["/bin/sh"],
        files={f"{tools}/sanlun": _PROGRAM, f"{tools}/san_version": _PROGRAM,
               f"{tools}/monitor": _PROGRAM, f"{tools}/before_vm_start.py": "#!/bin/sh\nexit 0\n",
               f"{tools}/NOTICE.PDF": "%PDF", f"{tools}/locale/de/messages": "Pfad",
               f"{tools}/multipath.conf":
                   'devices {\n  device {\n    vendor "NETAPP"\n    product "LUN"\n'
                   "    no_path_retry queue\n  }\n}",
               f"{tools}/99-netapp.rules":
                   'ACTION=="add|change", SUBSYSTEM=="block", ENV{ID_VENDOR}=="NETAPP",'
                   ' ATTR{queue/scheduler}="none"',
               f"/usr/lib/systemd/system/{service}":
                   f"[Service]\nExecStart={tools}/monitor\n[Install]\nWantedBy=multi-user.target\n"},
        links={"/usr/sbin/sanlun": f"{tools}/sanlun"},
        scriptlets={"post": "echo 'Host Utilities are installed.'",
                    "postun": f"[ $1 -ne 0 ] || rm -rf {tools}"},
        attributes={f"{tools}/{name}": "%attr(0755,root,root)"
                    for name in ("sanlun", "san_version", "monitor", "before_vm_start.py")})
    return ["netapp_linux_unified_host_utilities"], [
        f'<service name="{service}" state="enabled"/>',
        f'<multipath-config source="{tools}/multipath.conf" name="netapp.conf"/>',
        f'<udev-rules source="{tools}/99-netapp.rules" name="99-netapp.rules"/>',
        '<kernel-module name="dm_multipath" load="yes"/>',
        f'<leave-out files="{tools}/locale/**"/>', f'<leave-out files="{tools}/*.PDF"/>',
        f'<when target="node"><vdsm-hook point="before_vm_start" order="60" name="netapp"'
        f' source="{tools}/before_vm_start.py"/></when>']


def _driver(repo: support.RpmRepo, version: str) -> Contents:
    name, module = "kmod-redhat-mpt3sas", "mpt3sas_dup"
    folder = f"/lib/modules/{BUILT_FOR}/extra/{name}"
    index = (f'if [ -e "/boot/System.map-{BUILT_FOR}" ]; then\n'
             f'    /usr/sbin/depmod -aeF "/boot/System.map-{BUILT_FOR}" "{BUILT_FOR}" || :\nfi\n')
    links = ('if [ -x "/usr/sbin/weak-modules" ]; then\n    printf "%s\\n" "${modules[@]}"'
             " | /usr/sbin/weak-modules --{}-modules\nfi\n")
    listed = f"/var/run/rpm-{name}-modules"
    repo.add(
        name, "43.100", arch="x86_64", requires=["/bin/sh"],
        files={f"/usr{folder}/{module}.ko": module_bytes(
                   module, kernel=BUILT_FOR, fields=["alias=pci:v00001000d000000E1sv*sd*bc*sc*i*"]),
               f"/etc/depmod.d/{module}.conf": f"override {module} * weak-updates/{name}",
               f"/etc/dracut.conf.d/{name}.conf": f'add_drivers+=" {module} "',
               f"/usr/lib/firmware/updates/{module}.bin": b"\x7ffirmware",
               f"/etc/modprobe.d/{name}.conf": f"options {module} max_queue_depth=64",
               f"/usr/share/doc/{name}/greylist.txt": "# none"},
        scriptlets={"post": f"{index}modules=( $(find {folder} | grep '\\.ko$') )\n"
                            + links.replace("{}", "add"),
                    "preun": f"rpm -ql {name} | grep '\\.ko$' > {listed} || :",
                    "postun": f"{index}modules=( $(cat {listed}) )\nrm {listed}\n"
                              + links.replace("{}", "remove")},
        attributes={f"/etc/modprobe.d/{name}.conf": "%config(noreplace)"})
    return [name], [f'<kernel-module name="{module}" load="yes"/>',
                    '<kernel-module name="mptsas" blacklist="yes"/>',
                    '<leave-out files="/etc/dracut.conf.d/*.conf"/>']


def _backup(repo: support.RpmRepo, version: str) -> Contents:
    unit = "networker.service"
    repo.add(
        "lgtoclnt", f"19.10.0.{version[-1]}", arch="x86_64", requires=["/bin/sh"],
        files={"/usr/sbin/nsrexecd": _PROGRAM, "/usr/bin/save": _PROGRAM,
               "/usr/bin/recover": _PROGRAM, "/usr/lib/nsr/libnsr.so": b"\x7fELF",
               "/opt/nsr/admin/networkerrc": "# NSR_ENV=\n",
               f"/opt/nsr/admin/{unit}":
                   "[Service]\nType=forking\nExecStart=/usr/sbin/nsrexecd\nRestart=no\n"
                   "[Install]\nWantedBy=multi-user.target\n"},
        scriptlets={"post": f"cp -p /opt/nsr/admin/{unit} /usr/lib/systemd/system/{unit}\n"
                            "mkdir -p /opt/nsr/res\n"
                            "echo 'servers: backup.example.com' > /opt/nsr/res/servers",
                    "preun": f"[ $1 -ne 0 ] || rm -f /usr/lib/systemd/system/{unit}"},
        attributes={f"/usr/{path}": "%attr(0755,root,root)"
                    for path in ("sbin/nsrexecd", "bin/save", "bin/recover")})
    return ["lgtoclnt"], [
        f'<service name="{unit}" state="enabled" from="scriptlet"/>',
        '<firewall-service name="networker"><port port="7937-7940" protocol="tcp"/>'
        "</firewall-service>", '<persistent-path path="/opt/nsr/res"/>']


def _site(repo: support.RpmRepo, version: str) -> Contents:
    repo.add("example-site", version, files={"/usr/share/example-site/version": version})
    return ["example-site"], [
        '<ca-certificate source="files/ca.pem" name="example.pem"/>',
        '<sysctl name="vm.swappiness" value="1"/>',
        '<sysctl name="net.core.somaxconn" value="4096"/>',
        '<kernel-argument name="console" value="ttyS0,115200" repeat="yes"/>',
        '<user name="example-ops" shell="/bin/bash" gecos="Operators of the site"/>',
        '<unit-drop-in unit="sshd.service" source="files/sshd/limits.conf" name="site.conf"/>',
        '<tmpfiles source="files/site.conf" name="example-site.conf"/>']


# The files of bundles, by the names of products.
_FILES: Dict[str, Dict[str, str]] = {"site": {
    "ca.pem": ACME, "sshd/limits.conf": "[Service]\nLimitNOFILE=65536\n",
    "site.conf": "d /var/lib/example-site 0750 root root -\n"}}
_PRODUCTS: Dict[str, Callable[[support.RpmRepo, str], Contents]] = {
    "agent": _agent, "storage": _storage, "driver": _driver, "backup": _backup, "site": _site}
PRODUCTS = tuple(_PRODUCTS)
