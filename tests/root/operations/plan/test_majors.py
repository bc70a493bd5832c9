"""A root of another EL major: refusals, notes, and accounts that its packages declare."""
from __future__ import annotations

import base64
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import pytest
import rpm

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.operations.plan import majors
from ovirt_node_plugin.packages import rpmdb
from ovirt_node_plugin.packages.headers import read_header
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.target import el_major, identify
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf5 import dnf5_machine
from tests.support.dnf_runner import Dnf

pytestmark = pytest.mark.root


def set_os_release(root: Path, text: str) -> Path:
    """Write ``text`` to the os-release of ``root`` and return ``root``."""
    path = root / "etc/os-release"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.write_text(text)
    return root


NODE9 = ('ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9.1.2206.0"\nPLATFORM_ID="platform:el9"\n'
         'VARIANT_ID="ovirt-node"\nVARIANT="oVirt Node 4.5.5"\n')


@pytest.mark.parametrize("text, major", [
    (NODE9, 9),
    ('ID="rhel"\nVERSION_ID="10.1"\nPLATFORM_ID="platform:el10"\n', 10),
    ('ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.10"\n', 8),
    ('ID="centos"\nVERSION_ID="9"\n', 9),
    ('ID="centos"\nVERSION_ID="stream"\n', None),
    ('ID="fedora"\nVERSION_ID="44"\nPLATFORM_ID="platform:f44"\n', None),
    ('ID="debian"\nVERSION_ID="12"\n', None),
    ('ID="example"\nID_LIKE="rhel"\nVERSION_ID="9x"\n', None),
    ("", None)])
def test_the_major_is_read_from_os_release(tmp_path: Path, text: str, major: Optional[int]) -> None:
    assert el_major(set_os_release(tmp_path, text)) == major


def el_os_release(version: int) -> str:
    return f'ID="rhel"\nVERSION_ID="{version}.0"\nPLATFORM_ID="platform:el{version}"\n'


def check_majors(tmp_path: Path, machine_release: str, root_release: str, *,
                 enforcing: str = "") -> List[str]:
    machine = set_os_release(tmp_path / "machine", machine_release)
    if enforcing:
        (machine / "sys/fs/selinux").mkdir(parents=True)
        (machine / "sys/fs/selinux/enforce").write_text(enforcing)
    return list(majors.check(identify(set_os_release(tmp_path / "root", root_release)),
                             machine=machine))


@pytest.mark.parametrize("machine_major", range(8, 12))
@pytest.mark.parametrize("root_major", range(8, 12))
@pytest.mark.parametrize("enforcing", ["", "0", "1"])
def test_a_newer_root_is_refused_with_selinux_enforcing_and_else_noted(
        tmp_path: Path, machine_major: int, root_major: int, enforcing: str) -> None:
    if root_major > machine_major and enforcing == "1":
        with pytest.raises(Refused) as caught:
            check_majors(tmp_path, el_os_release(machine_major), el_os_release(root_major),
                         enforcing=enforcing)
        assert f"is EL {root_major} and this machine is EL {machine_major}" in caught.value.message
        assert f"a machine of EL {root_major}" in caught.value.hint
        return
    lines = check_majors(tmp_path, el_os_release(machine_major), el_os_release(root_major),
                         enforcing=enforcing)
    assert len(lines) == (machine_major != root_major)
    for line in lines:
        assert (f"{tmp_path / 'root'} is EL {root_major}" in line
                and f"which is EL {machine_major}" in line)
        assert ("read all that a newer one writes" in line) == (root_major < machine_major)


@pytest.mark.parametrize("machine_release, root_release", [
    ('ID="debian"\nVERSION_ID="12"\n', NODE9), (el_os_release(9), 'ID="fedora"\nVERSION_ID="44"\n'),
    (el_os_release(9), ""), (el_os_release(9), NODE9)])
def test_an_unknown_or_equal_major_is_not_noted(tmp_path: Path, machine_release: str,
                                                root_release: str) -> None:
    assert check_majors(tmp_path, machine_release, root_release, enforcing="1") == []


def machine_prefix(folder: Path, text: str, *, enforcing: str) -> Tuple[str, ...]:
    """Return a command prefix with which this machine has the os-release ``text``."""
    (folder / "os-release").write_text(text)
    (folder / "enter").write_text(
        f"set -e\nmount --bind {folder / 'os-release'} /etc/os-release\n"
        "mount -t tmpfs tmpfs /sys/fs\nmkdir /sys/fs/selinux\n"
        f'echo {enforcing} >/sys/fs/selinux/enforce\nexec "$@"\n')
    return ("unshare", "--mount", "--propagation", "slave", "sh", str(folder / "enter"))


def test_the_command_refuses_a_newer_root_and_notes_other_majors(
        node: Path, dnf: Dnf, bundle: Path, tmp_path: Path) -> None:
    words = ("node-plugin", "install", bundle, "--dry-run")
    set_os_release(node, NODE9)
    dnf.prefix = machine_prefix(tmp_path, el_os_release(8), enforcing="1")
    answer = dnf(node, *words)
    assert answer.status == 6, answer.text
    assert "is EL 9 and this machine is EL 8, with SELinux enforcing" in answer.err
    dnf.prefix = machine_prefix(tmp_path, el_os_release(8), enforcing="0")
    answer = dnf(node, *words)
    assert answer.status == 0 and "which is EL 8. What they need of" in answer.text, answer.text
    dnf.prefix = machine_prefix(tmp_path, el_os_release(10), enforcing="1")
    answer = dnf(node, *words)
    assert answer.status == 0 and "which is EL 10. Its own rpm may" in answer.text, answer.text
    dnf.prefix = machine_prefix(tmp_path, el_os_release(9), enforcing="1")
    answer = dnf(node, *words)
    assert answer.status == 0 and "which is EL" not in answer.text, answer.text


def sysusers_provides(*lines: str) -> List[str]:
    """Return the Provides that rpm 4.19 and later generate for lines of sysusers.d(5).

    The macro add_sysuser pads a line with NUL, so that the version contains no =.
    """
    kinds = {"u": "user({1})", "g": "group({1})", "m": "groupmember({1}/{2})"}
    provides = []
    for line in lines:
        words = line.split()
        padded = line.encode() + b"\0" * (-len(line) % 3)
        provides.append(
            f"{kinds[words[0][0]].format(*words)} = {base64.b64encode(padded).decode()}")
        if words[0] == "u":
            provides.append(f"group({words[1]})")
    return provides


def encoded_provides(*texts: str) -> List[str]:
    """Return Provides with which a package passes any text to systemd-sysusers."""
    return [f"user(x{number}) = {base64.b64encode(text.encode() + bytes(-len(text) % 3)).decode()}"
            for number, text in enumerate(texts)]


LINES = ("g agents -", "u agent - 'An agent' /opt/agent -", "m agent agents")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A plugin for EL10: its files belong to a user that the package declares."""
    return make_plugin(
        tmp_path, "agent", provides=sysusers_provides(*LINES),
        files={"/usr/lib/sysusers.d/agent.conf": "\n".join(LINES), "/opt/agent/data": "secret"},
        attributes={"/opt/agent/data": "%attr(0640,agent,agents)"})


def fields_by_name(root: Path, file: str) -> Dict[str, List[str]]:
    rows = [line.split(":") for line in (root / "etc" / file).read_text().splitlines()]
    return {line[0]: line[1:] for line in rows}


def test_accounts_of_a_package_are_read_from_its_header(bundle: Path) -> None:
    (package,) = bundle.rglob("agent-*.rpm")
    assert sorted(read_header(package).accounts) == sorted(LINES)
    odd = support.quick_rpm("odd", "1", provides=["user(odd) = 1.0", "user(plain)", "user() = Zw",
                                                  "other(x) = ZyB4IC0A",
                                                  *encoded_provides(
                                                      "# u x -", "r - 1-60000", "z x -", "  ")])
    assert read_header(odd).accounts == ()


def test_accounts_of_a_package_are_created_whatever_the_version_of_rpm(
        node: Path, dnf: Dnf, bundle: Path) -> None:
    """The root is EL 10. An rpm older than 4.19 does not create the accounts itself."""
    set_os_release(node,
                   el_os_release(10) + 'VARIANT_ID="ovirt-node"\nVARIANT="oVirt Node 4.5.5"\n')
    before = {name: (node / "etc" / name).read_bytes()
              for name in ("passwd", "group", "shadow", "gshadow", "passwd-")}
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    note = "are created by systemd-sysusers, since rpm"
    assert (note in answer.text) is not rpmdb.creates_accounts()
    user, groups = fields_by_name(node, "passwd")["agent"], fields_by_name(node, "group")
    assert user[4] == "/opt/agent" and groups["agents"][2] == "agent"
    info = (node / "opt/agent/data").stat()
    assert (info.st_uid, info.st_gid) == (int(user[1]), int(groups["agents"][1]))
    assert info.st_mode & 0o777 == 0o640 and info.st_uid and info.st_gid
    verified = dnf.plugin(node, "verify")
    assert verified.status == 0, verified.text
    answer = dnf.plugin(node, "remove", "agent", "-y")
    assert answer.status == 0, answer.text
    assert {name: (node / "etc" / name).read_bytes() for name in before} == before


def test_the_plan_names_accounts_and_creates_none(node: Path, dnf: Dnf, bundle: Path) -> None:
    answer = dnf.plugin(node, "install", bundle, "--dry-run")
    assert answer.status == 0, answer.text
    assert ("agents, agent in agents, agent" in answer.text) is not rpmdb.creates_accounts()
    assert "agent" not in fields_by_name(node, "passwd")


def test_fully_locked_users_are_created_locked(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    """Packages for EL10 contain u!, which systemd of EL9 rejects."""
    set_os_release(node,
                   el_os_release(10) + 'VARIANT_ID="ovirt-node"\nVARIANT="oVirt Node 4.5.5"\n')
    locked = make_plugin(tmp_path, "locked", provides=encoded_provides("u! lockeduser -"),
                         files={"/opt/locked": "x"})
    answer = dnf.plugin(node, "install", locked, "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    assert "lockeduser" in fields_by_name(node, "passwd")
    assert fields_by_name(node, "shadow")["lockeduser"][0].startswith("!")


def test_a_failing_transaction_removes_the_accounts(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bad = make_plugin(tmp_path, "bad", provides=sysusers_provides("u baduser -"),
                      files={"/opt/bad": "x"}, scriptlets={"pre": "exit 1"})
    before = (node / "etc/passwd").read_bytes()
    answer = dnf.plugin(node, "install", bad, "-y", UNSIGNED)
    assert answer.status == 8, answer.text
    assert (node / "etc/passwd").read_bytes() == before


SPEC = """\
Name: vendor
Version: 1
Release: 1
Summary: A package as rpm of EL10 and later builds it
License: MIT
BuildArch: noarch
%description
Its user is declared by a file of sysusers.d(5).
%install
install -d %{buildroot}/usr/lib/sysusers.d %{buildroot}/opt/vendor
echo 'u vendor - "The vendor" /opt/vendor -' >%{buildroot}/usr/lib/sysusers.d/vendor.conf
echo secret >%{buildroot}/opt/vendor/data
%files
/usr/lib/sysusers.d/vendor.conf
%attr(0600,vendor,vendor) /opt/vendor/data
"""


@pytest.mark.slow
def test_accounts_of_a_package_built_by_a_newer_rpm_are_created(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "repo", "vendor")
    with dnf5_machine(tmp_path / "machine") as newer:
        (newer.top / "vendor.spec").write_text(SPEC)
        run(["chroot", newer.top, "rpmbuild", "--define", "_topdir /build",
             "--define", "_rpmformat 4", "-bb", "/vendor.spec"])
        (package,) = (newer.top / "build").rglob("vendor-*.noarch.rpm")
        repo.add_file(package)
    bundle = support.write_bundle(
        tmp_path / "vendor", support.descriptor_xml("vendor", "1", repos=["vendor"]), repo=repo)
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    assert (node / "opt/vendor/data").stat().st_uid == int(
        fields_by_name(node, "passwd")["vendor"][1]) > 0
    assert dnf.plugin(node, "verify").status == 0


@pytest.mark.parametrize("version, macro, creates", [
    ("4.16.1.3", "", False), ("4.18.0", "/usr/bin/systemd-sysusers", False),
    ("4.19.1.1", "", False), ("4.19.1.1", "/usr/lib/rpm/sysusers.sh", True),
    ("6.0.0", "/usr/bin/systemd-sysusers", True)])
def test_rpm_creates_accounts_since_4_19_unless_its_macro_is_empty(
        monkeypatch: pytest.MonkeyPatch, version: str, macro: str, creates: bool) -> None:
    monkeypatch.setattr(rpm, "__version__", version)
    rpm.addMacro("__systemd_sysusers", macro)
    try:
        assert rpmdb.creates_accounts() is creates
    finally:
        rpm.delMacro("__systemd_sysusers")
