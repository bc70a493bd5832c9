"""``ovirt-node-plugin new``: the folder of a plugin, from its packages."""
from __future__ import annotations

import re
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.authoring.new import examine
from ovirt_node_plugin.plugin.bundle import read_bundle
from ovirt_node_plugin.plugin.descriptor import Descriptor, parse_descriptor
from ovirt_node_plugin.system.limits import (
    EXAMINED_FILE_BYTES,
    EXAMINED_FILES,
    EXAMINED_PACKAGES,
    SUGGESTIONS,
)
from tests.support.adhoc import quick_rpm
from tests.support.agent_plugins import changes_to_full_node
from tests.support.dnf_runner import Dnf, environment, succeeded
from tests.support.full_node import in_root
from tests.support.policy_module import REAL
from tests.support.program import Program
from tests.support.trust_root import ACME

pytestmark = [pytest.mark.root]

UNIT = "[Service]\nExecStart=/usr/libexec/acme/agent\n[Install]\nWantedBy=multi-user.target\n"
AGENT = {
    "/usr/lib/systemd/system/acme-agent.service": UNIT,
    "/usr/lib/systemd/system/acme-part.service": "[Service]\nExecStart=/usr/libexec/acme/part\n",
    "/usr/lib/systemd/system/acme-one@.service": UNIT,
    "/usr/libexec/acme/agent": "#!/bin/sh\nsleep 1000\n",
    "/usr/lib/sysusers.d/acme.conf": 'u acme - "ACME agent" /var/lib/acme /sbin/nologin\n',
    "/usr/lib/firewalld/services/acme.xml":
        '<service><port port="5999" protocol="tcp"/></service>\n',
    "/usr/lib/udev/rules.d/60-acme.rules": 'KERNEL=="acme*", MODE="0660"\n',
    "/usr/lib/sysctl.d/60-acme.conf": "net.core.somaxconn = 1024\n",
    "/etc/logrotate.d/acme": "/var/log/acme.log {\n  weekly\n}\n",
}
# The small Node has no firewalld.
SMALL_AGENT = {path: text for path, text in AGENT.items() if "firewalld" not in path}
# Outside the allowed paths, and replaced by settings.
CARRIED = {
    "/etc/firewalld/services/acme.xml": AGENT["/usr/lib/firewalld/services/acme.xml"],
    "/etc/systemd/system/acme-agent.service.d/acme.conf": "[Service]\nNice=1\n",
    "/etc/ssh/sshd_config.d/acme.conf": "MaxSessions 10\n",
}
OUTSIDE = {
    "/etc/systemd/system/bad.service": UNIT,
    "/etc/systemd/system/sshd.service.d/bad.conf": "[Service]\nNice=1\n",
    "/etc/firewalld/services/bad.xml": '<service><port port="5998" protocol="udp"/></service>\n',
    "/etc/ssh/sshd_config.d/bad.conf": "MaxSessions 10\n",
    "/etc/dracut.conf.d/bad.conf": 'add_drivers+=" bad_driver "\n',
    "/nsr/bin/bad": "x\n",
    "/etc/yum.repos.d/bad.repo": "[bad]\n",
    "/usr/share/a--b/before_vm_start/50_bad": "#!/bin/sh\n",
}
SCRIPTLETS = {"post": "useradd -r bad\nsystemctl start bad\n"
                      "cat > /etc/systemd/system/bad-made.service < /dev/null\n"}
REMARK = re.compile(r"<!-- (<.*>) -->")


def new(program: Program, folder: Path, *rpms: Path) -> Descriptor:
    """Make the plugin ``acme`` in ``folder`` and return its descriptor."""
    succeeded(program("new", "acme", *(["--from", *rpms] if rpms else []), "--dir", folder))
    return read_bundle(folder, source="acme").descriptor


def texts(program: Program, folder: Path, *rpms: Path) -> List[str]:
    """Return the settings that are sure of the plugin made of ``rpms``."""
    answer = succeeded(program("new", "acme", "--json", "--dir", folder, "--from", *rpms)).json
    return [each["text"] for each in answer["settings"] if each["sure"]]


def uncommented(folder: Path) -> str:
    """Remove the marks around each element in a comment of a descriptor, and return it."""
    path = folder / "node-plugin.xml"
    text = REMARK.sub(r"\1", path.read_text())
    path.write_text(text)
    return text


def test_an_agent_installs_with_the_descriptor_as_it_was_made(
        program: Program, dnf: Dnf, full_root: Path, tmp_path: Path) -> None:
    rpm = quick_rpm("acme-agent", "1.2", files={
        **SMALL_AGENT, **CARRIED, "/var/lib/acme/": ""}, attributes={
        "/var/lib/acme/": "%attr(0750, acme, acme)"}, scriptlets={
            "pre": "getent passwd acme || useradd -r -d /var/lib/acme acme"})
    descriptor = new(program, tmp_path / "acme", rpm)
    assert (descriptor.name, descriptor.version, descriptor.license) == ("acme", "1.2", "MIT")
    assert [each.name for each in descriptor.installs] == ["acme-agent"]
    bundle = tmp_path / "acme"
    plan = succeeded(dnf.plugin(full_root, "install", "--dry-run", "--nogpgcheck", bundle))
    assert "enable service acme-agent.service" in plan.text
    succeeded(dnf.plugin(full_root, "install", "-y", "--nogpgcheck", bundle))
    services = in_root(full_root, "firewall-offline-cmd", "--list-services").split()
    assert "acme-plugin" in services and "acme" not in services
    succeeded(dnf.plugin(full_root, "verify"))
    succeeded(dnf.plugin(full_root, "remove", "-y", "acme"))
    assert changes_to_full_node(full_root) == []


def test_what_is_not_certain_is_a_comment_that_can_be_uncommented(
        program: Program, dnf: Dnf, node: Path, tmp_path: Path) -> None:
    rpm = quick_rpm("acme-agent", "1.2", files=SMALL_AGENT)
    assert texts(program, tmp_path / "acme", rpm) == [
        '<service name="acme-agent.service" state="enabled"/>']
    text = uncommented(tmp_path / "acme")
    for element in ('<user name="acme" gecos="ACME agent" home="/var/lib/acme"',
                    '<service name="acme-one@INSTANCE.service"', '<node min="4.5"/>',
                    '<sysctl name="net.core.somaxconn" value="1024"/>', "<udev-rules name="):
        assert element in text
    assert "acme-part" not in text and "/etc/logrotate.d/acme of acme-agent" in text
    answer = dnf.plugin(node, "install", "--assumeno", "--nogpgcheck", tmp_path / "acme")
    assert "enable service acme-one@INSTANCE.service" in answer.text, answer.text


def test_files_outside_the_allowed_paths_are_carried_or_named(
        program: Program, tmp_path: Path) -> None:
    folders = dict.fromkeys(("/nsr/bin/", "/nsr/empty/", "/nsr/empty/below/"), "")
    rpm = quick_rpm("bad", "1", files={**OUTSIDE, **folders}, scriptlets=SCRIPTLETS)
    words = ("acme", "--json", "--dir", tmp_path / "b", "--from", rpm)
    answer = succeeded(program("new", *words)).json
    sure = {each["text"] for each in answer["settings"] if each["sure"]}
    assert sure >= {
        '<firewall-service name="bad-plugin"><port port="5998" protocol="udp"/></firewall-service>',
        '<initramfs-driver name="bad_driver"/>', '<leave-out files="/etc/dracut.conf.d/bad.conf"/>',
        '<leave-out files="/etc/ssh/sshd_config.d/bad.conf"/>'}
    assert ('<config-file name="bad-plugin.conf" folder="sshd" source="files/etc/ssh/'
            'sshd_config.d/bad.conf"/>') in sure
    carried = {each["path"]: each["carried"] for each in answer["outside"]}
    assert carried == {path: path not in ("/etc/systemd/system/bad.service", "/nsr/bin/bad")
                       for path in OUTSIDE if "a--b" not in path} | {"/nsr/empty": False}
    assert "allow /nsr" in next(each["place"] for each in answer["outside"]
                                if each["path"] == "/nsr/bin/bad")
    assert ('<service name="bad-made.service" state="enabled" from="scriptlet"/>', False) in {
        (each["text"], each["sure"]) for each in answer["settings"]}
    remarks = " ".join(each["reason"] for each in answer["settings"])
    for remark in ("creates accounts", "starts services", "bad-made.service", "50_bad"):
        assert remark in remarks
    parse_descriptor(uncommented(tmp_path / "b").encode(), origin="uncommented")
    assert read_bundle(tmp_path / "b", source="b").descriptor.files[
        "files/etc/systemd/system/sshd.service.d/bad.conf"] == b"[Service]\nNice=1\n"


def test_accounts_that_nothing_declares_are_suggested(program: Program, tmp_path: Path) -> None:
    unit = "[Service]\nUser={}\nGroup={}\nExecStart=/bin/x\n"
    rpm = quick_rpm("x", "1", files={
        "/usr/lib/systemd/system/a.service": unit.format("runner", "helpers"),
        "/usr/lib/systemd/system/b.service": unit.format("acme", "root"),
        "/usr/lib/systemd/system/c.service": unit.format("%i", "c") + "DynamicUser=yes\n",
        "/usr/lib/sysusers.d/x.conf": "u acme -\n", "/opt/x/file": "x", "/opt/x/other": "x"},
        attributes={"/opt/x/file": "%attr(0640, owner, acme)",
                    "/opt/x/other": "%attr(-, vdsm, kvm)"},
        scriptlets={"pre": "useradd -r owner"})
    words = ("acme", "--json", "--dir", tmp_path / "b", "--from", rpm)
    answer = succeeded(program("new", *words)).json
    found = {each["text"]: each["reason"] for each in answer["settings"] if each["element"]}
    assert set(found) == {'<user name="owner"/>', '<user name="runner"/>', '<user name="acme"/>',
                          '<group name="helpers"/>'}
    assert found['<user name="runner"/>'].startswith("The unit a.service runs as user runner; no")
    assert found['<user name="owner"/>'].startswith("Files of x belong to user owner; a scriptlet")


def test_contents_of_files_give_names_ports_repositories_and_keys(
        program: Program, tmp_path: Path) -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n=\n"
    rpm = quick_rpm("acme", "1", files={
        "/usr/share/selinux/packages/acme-policy.pp": REAL, "/opt/acme/none.pp": "no module",
        "/usr/lib/systemd/system/acme.socket":
            "[Socket]\nListenStream=5999\n[Install]\nWantedBy=sockets.target\n",
        "/opt/acme/ca.pem": ACME, "/etc/pki/rpm-gpg/RPM-GPG-KEY-acme": key,
        "/etc/yum.repos.d/acme.repo": "[acme-el9]\nname=ACME\nbaseurl=https://acme.example/el9\n"
                                      "sslverify=0\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-acme"
                                      "\n[acme-test]\nbaseurl=https://acme.example/test\n"})
    words = ("acme", "--json", "--dir", tmp_path / "b", "--from", rpm)
    answer = succeeded(program("new", *words)).json
    found = {each["text"]: each for each in answer["settings"]}
    module = '<selinux-module source="/usr/share/selinux/packages/acme-policy.pp" name="real"/>'
    assert found[module]["sure"]
    assert not found['<firewall-port port="5999" protocol="tcp"/>']["sure"]
    assert "CN=" in found['<ca-certificate name="ca.pem" source="/opt/acme/ca.pem"/>']["reason"]
    assert "/opt/acme/none.pp is not a module" in " ".join(each["reason"] for each in
                                                          answer["settings"])
    bundle = read_bundle(tmp_path / "b", source="b")
    assert bundle.descriptor.repo_ids == ("acme-el9", "acme-test")
    text = (tmp_path / "b/acme.repo").read_text()
    assert "baseurl=https://acme.example/el9\n" in text and "\nsslverify" not in text
    assert [path.read_text() for path in bundle.keys] == [key]
    assert "Replace the addresses" not in (tmp_path / "b/README.md").read_text()


def test_a_folder_of_packages_is_taken_with_its_repositories_and_keys(
        program: Program, tmp_path: Path) -> None:
    place = tmp_path / "vendor"
    place.mkdir()
    words = ("acme", "--dir", tmp_path / "b", "--from", place)
    answer = program("new", *words)
    assert answer.status == 2 and "vendor has no RPM file" in answer.err
    for name in ("acme", "other"):
        rpm = quick_rpm(name, "1", files={f"/opt/{name}/x": "x"})
        (place / rpm.name).write_bytes(rpm.read_bytes())
    (place / "acme-1.src.rpm").write_text("not looked at")
    (place / "acme.repo").write_text("[acme-el9]\nbaseurl=https://acme.example/el9\n")
    (place / "RPM-GPG-KEY-acme").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n=\n")
    succeeded(program("new", *words))
    bundle = read_bundle(tmp_path / "b", source="b")
    assert [each.name for each in bundle.descriptor.installs] == ["acme", "other"]
    assert bundle.descriptor.repo_ids == ("acme-el9",)
    assert [path.name for path in bundle.keys] == ["RPM-GPG-KEY-acme"]


def test_headers_cannot_break_the_descriptor_and_the_terminal(
        program: Program, tmp_path: Path) -> None:
    evil = "/usr/share/x/before_vm_start/50_a&b<c>--é"
    descriptor = new(program, tmp_path / "b", quick_rpm(
        "evil", "1~rc1^x", files={evil: "x", "/usr/lib/sysusers.d/x.conf": "u \x1b[0m --> - x\n",
                                  "/usr/lib/sysctl.d/x.conf": "a.b = --><x>\x07\n"}))
    assert descriptor.version == "1~rc1^x" and descriptor.settings == ()
    text = uncommented(tmp_path / "b")
    assert "\x1b" not in text and "\x07" not in text
    parse_descriptor(text.encode(), origin="uncommented")


def test_a_plugin_without_packages_is_a_start(program: Program, tmp_path: Path) -> None:
    answer = succeeded(program("new", "acme", "--dir", tmp_path / "acme"))
    assert "To write:" in answer.text and "<vendor>" in answer.text
    assert {path.name for path in (tmp_path / "acme").iterdir()} == {
        "node-plugin.xml", "acme.repo", "README.md"}
    assert read_bundle(tmp_path / "acme", source="acme").descriptor.repo_ids == ("acme",)
    parse_descriptor(uncommented(tmp_path / "acme").encode(), origin="uncommented")


def test_nothing_is_overwritten_and_nothing_is_left_after_an_error(
        program: Program, tmp_path: Path) -> None:
    text = tmp_path / "text.rpm"
    text.write_text("no package")
    there = tmp_path / "there"
    there.mkdir()
    rpm = quick_rpm("acme-agent", "1.2", files=AGENT)
    for words, status, message in (
            (["acme", "--dir", there], 2, "exists already"),
            (["Acme", "--dir", tmp_path / "x"], 2, "is not a name of a plugin"),
            (["acme", "--dir", tmp_path / "a/b"], 2, "there is no folder"),
            (["acme", "--dir", tmp_path / "x", "--from", tmp_path / "y.rpm"], 2, "is not a file"),
            (["acme", "--dir", tmp_path / "x", "--from", rpm, rpm], 2, "is given twice"),
            (["acme", "--dir", tmp_path / "x", "--from", text], 1, "is no RPM package")):
        answer = program("new", *words)
        assert (answer.status, message in answer.err) == (status, True), answer.text
        assert program("new", *words, "--json").json["error"]["status"] == status
    assert list(there.iterdir()) == [] and not (tmp_path / "x").exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".acme")] == []


def test_it_needs_neither_root_nor_createrepo(program: Program, dnf: Dnf, tmp_path: Path) -> None:
    home = tmp_path / "vendor"
    home.mkdir()
    home.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    rpm = home / "acme-agent-1.2-1.noarch.rpm"
    rpm.write_bytes(quick_rpm("acme-agent", "1.2", files=AGENT).read_bytes())
    rpm.chmod(0o644)
    (home / "bin").mkdir()  # a PATH without createrepo_c
    answer = succeeded(dnf.run([
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"PATH={home}/bin",
        f"HOME={home}", f"PYTHONPATH={environment().get('PYTHONPATH', '')}", "/usr/bin/python3",
        *program.argv("new", "acme", "--dir", home / "acme", "--from", rpm)]))
    assert "createrepo_c is not installed" in answer.text
    assert "createrepo_c --quiet --no-database acme/repo" in (home / "acme/README.md").read_text()
    assert (home / "acme/repo" / rpm.name).read_bytes() == rpm.read_bytes()


def test_a_package_with_hundreds_of_files_makes_a_descriptor_that_loads(
        program: Program, tmp_path: Path) -> None:
    names = [f"{number:04}-{'long' * 50}" for number in range(150)]
    rpm = quick_rpm("many", "1", files={
        **{f"/usr/lib/systemd/system/{name[:60]}.service": UNIT for name in names},
        **{f"/nsr/{name}/x": "x" for name in names},
        "/usr/lib/sysctl.d/x.conf": "".join(f"a.b{name[:4]}=1\n" for name in names)})
    words = ("acme", "--json", "--dir", tmp_path / "acme", "--from", rpm)
    assert succeeded(program("new", *words)).json["complete"] is False
    descriptor = read_bundle(tmp_path / "acme", source="acme").descriptor
    assert 99 < len(descriptor.settings) <= SUGGESTIONS
    text = (tmp_path / "acme/node-plugin.xml").read_text()
    assert "and 100 more files" in text
    # the limits in ovirt-node-plugin(8)
    assert (SUGGESTIONS, examine._MOST_OF_A_KIND, EXAMINED_PACKAGES) == (200, 100, 100)
    assert (EXAMINED_FILES, EXAMINED_FILE_BYTES) == (200, 1 << 20)
