"""Plugins on a running system: their services start at once and stop with the removal."""
from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import pytest

from ovirt_node_plugin.system.run import run
from tests.support import quick_rpm
from tests.support.container import Container, booted
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import TOP, Answer, Dnf, environment
from tests.support.full_host import full_host_root

pytestmark = [pytest.mark.root]

HOST = 'ID="rhel"\nID_LIKE="fedora"\nNAME="Red Hat Enterprise Linux"\nVERSION_ID="9.4"\n'
NODE = ('ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\nVARIANT_ID="ovirt-node"\n'
        'VARIANT="oVirt Node 4.5.5"\nPRETTY_NAME="oVirt Node 4.5.5"\n')
LIVE = Path("/")
PARAMETER = "net.ipv4.ip_local_reserved_ports"
SERVER = '''
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    client.sendall(f"{sys.argv[2]} {os.getuid()} {os.getcwd()}".encode())
    client.close()
'''
ASK = '''
import socket, sys
try:
    print(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).recv(99).decode())
except ConnectionRefusedError:
    print("nobody")
'''


SITE = """<node-plugin schema-version="1">
  <name>site</name> <version>1.0</version> <vendor>Test</vendor> <summary>A site's sshd</summary>
  <settings>
    <config-file folder="sshd" name="50-site.conf" source="files/sshd.conf"/>
  </settings>
</node-plugin>
"""


def server_unit(port: int, *more: str) -> str:
    return "\n".join(["[Service]", f"ExecStart=/usr/bin/python3 /usr/libexec/serve-{port} {port}"
                      f" answer-{port}", *more, "[Install]", "WantedBy=multi-user.target", ""])


def unit(*lines: str) -> str:
    return "\n".join(["[Service]", *lines, "[Install]", "WantedBy=multi-user.target", ""])


class LiveHost:
    """A booted system with dnf, and bundles for it."""

    def __init__(self, machine: Container, work: Path) -> None:
        self.machine = machine
        self.work = work
        self.dnf = Dnf(work / "dnf", prefix=machine.prefix)
        self.before: Sequence[str] = ()

    def set_release(self, release: str) -> None:
        """Replace os-release, which is a link into /usr, by a file."""
        path = self.machine.root / "etc/os-release"
        path.unlink()
        path.write_text(release)

    def bundle(self, name: str, files: Mapping[str, str], settings: Sequence[str],
               version: str = "1.0", scriptlets: Optional[Mapping[str, str]] = None) -> Path:
        """Write a plugin with one package of the same name."""
        folder = self.work / f"{name}-{version}"
        return folder if folder.exists() else make_plugin(
            self.work, name, version, settings=settings, files=files, scriptlets=scriptlets)

    def plugin(self, *words: object, status: int = 0) -> Answer:
        """Run ``dnf node-plugin`` in the system; its exit status must be ``status``."""
        answer = self.dnf.plugin(LIVE, *words, UNSIGNED)
        assert answer.status == status, answer.text
        return answer

    def kill_during(self, *words: object, when: Callable[[], bool]) -> None:
        """Run ``dnf node-plugin`` and kill it as soon as a condition holds."""
        process = subprocess.Popen(
            self.dnf.argv(LIVE, "node-plugin", *words, "-y", UNSIGNED), env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not when() and time.monotonic() < until:
            time.sleep(0.05)
        # the child of nsenter is dnf, by its process id on this machine
        (inner,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(inner), signal.SIGKILL)
        process.wait(timeout=10)

    def expect_answer(self, port: int, *, expected: str) -> None:
        """Wait until a local port answers as expected; a program needs a moment to listen."""
        until = time.monotonic() + 10
        reply = ""
        while time.monotonic() < until and not reply.startswith(expected):
            reply = self.machine("python3", "-c", ASK, str(port))
            time.sleep(0.05)
        assert reply.startswith(expected), reply

    def wait_for_file(self, path: str) -> None:
        """Wait until a file exists that a unit makes."""
        until = time.monotonic() + 10
        while time.monotonic() < until and not self.machine("find", path, ok=(0, 1)):
            time.sleep(0.05)
        assert self.machine("find", path) == path

    def parameter(self) -> str:
        """Return a kernel parameter of the container."""
        return self.machine("sysctl", "-n", PARAMETER)

    def snapshot(self) -> Sequence[str]:
        """Return the state of the running system that plugins of these tests change."""
        ask = self.machine
        parts = [ask("systemctl", "list-units", "--plain", "--no-legend", "--all",
                    "--type=service,timer,path", "echo*", "good*", "bad*", "hang*"),
                ask("systemctl", "list-unit-files", "--no-legend"),
                self.parameter(), ask("firewall-cmd", "--list-all"), ask("rpm", "-qa"),
                ask("cat", "/etc/passwd", "/etc/group"), ask("ls", "-A", "/run"),
                ask("find", "/etc", "/usr/lib/systemd", "/usr/libexec", "-not", "-type", "d",
                    "-printf", "%p %M %u %g %s %l\\n"), ask("ls", "-A", "/var/lib")]
        return "\n".join(parts).splitlines()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHost]:
    """A booted host for all tests; each test restores it."""
    work = tmp_path_factory.mktemp("live")
    (work / "shared").mkdir()
    release = quick_rpm("redhat-release", "9.4", provides=["system-release = 9.4", "/bin/sh"])
    with full_host_root(work / "system") as root:
        run(["rpm", f"--root={root}", "--define=_dbpath /var/lib/rpm", "--install", release])
        (root / "etc/os-release").unlink()
        (root / "etc/os-release").write_text(HOST)
        with booted(root, shared=[TOP, work / "shared"]) as machine:
            yield LiveHost(machine, work / "shared")


@pytest.fixture
def host(running: LiveHost) -> Iterator[LiveHost]:
    """The host, whose state must be the same before and after a test."""
    if not running.before:
        running.before = running.snapshot()
    yield running
    running.set_release(HOST)
    running.dnf.configure()
    assert running.snapshot() == running.before


def echo_plugin(host: LiveHost, version: str = "1.0", *, reserved: str = "7070") -> Path:
    return host.bundle("echo", {
        "/usr/libexec/serve-7070": SERVER,
        "/usr/lib/systemd/system/echo.service":
            server_unit(7070, "User=echo", "WorkingDirectory=/run/echo/inner"),
        "/usr/lib/systemd/system/echo-tick.service": "[Service]\nExecStart=/bin/true\n",
        "/usr/lib/systemd/system/echo-tick.timer":
            "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n",
        "/usr/lib/systemd/system/echo-watch.path":
            "[Path]\nPathModified=/run/echo-asked\n[Install]\nWantedBy=paths.target\n",
        "/usr/lib/systemd/system/echo-watch.service":
            "[Service]\nType=oneshot\nExecStart=/bin/touch /run/echo-seen\n",
        # not enabled, as a container has no /dev/autofs
        "/usr/lib/systemd/system/srv-echo.automount":
            "[Automount]\nWhere=/srv/echo\n[Install]\nWantedBy=multi-user.target\n",
        "/usr/lib/systemd/system/srv-echo.mount":
            "[Mount]\nWhat=tmpfs\nWhere=/srv/echo\nType=tmpfs\n",
        "/usr/share/echo/tmpfiles.conf": "d /run/echo/inner 0750 echo echo -\n",
    }, ['<service name="echo.service" state="enabled"/>',
        '<service name="echo-tick.timer" state="enabled"/>',
        '<service name="echo-watch.path" state="enabled"/>',
        f'<sysctl name="{PARAMETER}" value="{reserved}"/>', '<user name="echo"/>',
        '<firewall-port port="7070" protocol="tcp"/>',
        '<tmpfiles source="/usr/share/echo/tmpfiles.conf" name="echo.conf"/>'], version)


def test_a_plugin_takes_effect_at_once_and_stops_when_it_is_removed(host: LiveHost) -> None:
    ask = host.machine
    plan = host.plugin("install", "--dry-run", echo_plugin(host)).text
    assert host.parameter() == ""
    for line in (f"set sysctl {PARAMETER} to 7070 now", "start service echo.service now",
                 "start service echo-tick.timer now",
                 "create what tmpfiles configuration echo.conf describes now"):
        assert line in plan
    host.plugin("install", "-y", echo_plugin(host))
    uid = ask("id", "-u", "echo")
    host.expect_answer(7070, expected=f"answer-7070 {uid} /run/echo/inner")
    assert ask.state("echo-tick.timer") == "active"
    ask("systemd-analyze", "verify", "echo-watch.path", "echo-tick.timer", "srv-echo.automount")
    ask("touch", "/run/echo-asked")
    host.wait_for_file("/run/echo-seen")
    assert host.parameter() == "7070"
    assert ask("firewall-cmd", "--query-port=7070/tcp") == "yes"
    assert "echo 1.0: ok" in host.plugin("verify").text
    assert "stop service echo.service now" in host.plugin("remove", "--dry-run", "echo").text
    host.plugin("remove", "-y", "echo")
    ask("rm", "/run/echo-asked", "/run/echo-seen")
    host.expect_answer(7070, expected="nobody")
    assert ask("firewall-cmd", "--query-port=7070/tcp", ok=(1,)) == "no"
    assert host.parameter() == ""
    assert not (ask.root / "proc/1/root/run/echo").exists()


@pytest.fixture
def sshd(host: LiveHost) -> Iterator[Callable[[], str]]:
    """A running sshd; the value returns its first line."""
    ask = host.machine
    ask("sh", "-c", "[ -e /etc/ssh/ssh_host_ed25519_key ] || touch /etc/ssh/made-here")
    ask("ssh-keygen", "-A")
    was = ask.state("sshd.service")
    ask("systemctl", "start", "sshd.service")
    yield lambda: ask("python3", "-c", ASK, "22")
    if was != "active":
        ask("systemctl", "stop", "sshd.service")
    ask("sh", "-c", "[ ! -e /etc/ssh/made-here ] || rm /etc/ssh/made-here /etc/ssh/ssh_host_*")


def test_a_running_sshd_reads_a_config_file_at_once_and_again_without_it(
        host: LiveHost, sshd: Callable[[], str]) -> None:
    assert sshd().startswith("SSH-2.0-OpenSSH") and "echo-site" not in sshd()
    folder = host.work / "site"
    (folder / "files").mkdir(parents=True)
    (folder / "files/sshd.conf").write_text("VersionAddendum echo-site\n")
    (folder / "node-plugin.xml").write_text(SITE)
    host.plugin("install", "-y", folder)
    wait_until(lambda: "echo-site" in sshd())
    host.plugin("remove", "-y", "site")
    wait_until(lambda: sshd().startswith("SSH-2.0") and "echo-site" not in sshd())


def test_verify_reports_a_stopped_service_and_a_changed_parameter(host: LiveHost) -> None:
    host.plugin("install", "-y", echo_plugin(host))
    host.machine("systemctl", "stop", "echo.service")
    host.machine("sysctl", "-qw", f"{PARAMETER}=9")
    text = host.plugin("verify", status=9).text
    assert "service echo.service is not running" in text
    assert f"sysctl {PARAMETER} is 9 now, not 7070" in text
    host.plugin("repair", "-y", "echo")
    assert host.plugin("verify").out == "echo 1.0: ok\n"
    host.machine("sysctl", "-qw", f"{PARAMETER}=9")
    text = host.plugin("remove", "-y", "echo").text
    assert f"sysctl {PARAMETER} is left as it is, 9: it was changed since" in text
    assert host.parameter() == "9"
    host.machine("sysctl", "-qw", f"{PARAMETER}=")


def test_a_state_from_before_the_plugin_is_kept_when_it_is_removed(host: LiveHost) -> None:
    ask = host.machine
    ask("sysctl", "-qw", f"{PARAMETER}=7070")
    host.plugin("install", "-y", echo_plugin(host))
    host.plugin("remove", "-y", "echo")
    assert host.parameter() == "7070"
    ask("sysctl", "-qw", f"{PARAMETER}=")


def test_an_upgrade_starts_new_settings_in_the_running_system(host: LiveHost) -> None:
    host.plugin("install", "-y", echo_plugin(host))
    host.plugin("install", "-y", echo_plugin(host, "2.0", reserved="7070-7071"))
    assert host.parameter() == "7070-7071"
    host.expect_answer(7070, expected="answer-7070")
    host.plugin("remove", "-y", "echo")


def test_a_unit_that_a_scriptlet_puts_into_place_is_started_and_stopped(host: LiveHost) -> None:
    source, copied = "/opt/goods/goods.service", "cp /opt/goods/*.service /usr/lib/systemd/system"
    settings = ['<service name="goods.service" state="enabled" from="scriptlet"/>']
    files = {source: unit("ExecStart=/bin/sleep infinity")}
    goods = host.bundle("goods", files, settings, scriptlets={"post": copied})
    host.plugin("install", "-y", goods)
    assert host.machine.state("goods.service") == "active"
    assert host.plugin("verify").out == "goods 1.0: ok\n"
    host.plugin("remove", "-y", "goods")
    started = host.bundle(
        "bad-goods", {**files, "/usr/lib/systemd/system/bad.service": unit(
            "Type=oneshot", "ExecStart=/bin/false")},
        [*settings, '<service name="bad.service" state="enabled"/>'],
        scriptlets={"post": f"{copied}; systemctl daemon-reload; systemctl start goods.service"})
    assert "Job for bad.service failed" in host.plugin("install", "-y", started, status=8).text


def test_a_service_that_does_not_start_rolls_the_install_back(host: LiveHost) -> None:
    bad = host.bundle("bad", {
        "/usr/libexec/serve-7071": SERVER,
        "/usr/lib/systemd/system/good.service": server_unit(7071),
        "/usr/lib/systemd/system/bad.service": unit("Type=oneshot", "ExecStart=/bin/false"),
        "/usr/lib/systemd/system/good-too.service": unit("ExecStart=/bin/sleep infinity"),
    }, ['<service name="good.service" state="enabled"/>',
        '<service name="bad.service" state="enabled"/>', '<user name="good"/>',
        f'<sysctl name="{PARAMETER}" value="7071"/>',
        '<firewall-port port="7071" protocol="tcp"/>'],
        scriptlets={"post": "systemctl daemon-reload; systemctl start good-too.service"})
    text = host.plugin("install", "-y", bad, status=8).text
    assert "install of bad failed and was rolled back: systemctl ended with status 1:" in text
    assert "Job for bad.service failed" in text
    host.expect_answer(7071, expected="nobody")
    assert host.plugin("list").text.strip().endswith("No plugins.")


def test_a_service_that_ends_right_after_its_start_is_detected(host: LiveHost) -> None:
    bad = host.bundle("bad-later", {
        "/usr/lib/systemd/system/bad-later.service":
            unit("ExecStart=/bin/sh -c 'sleep 0.3; exit 3'")},
        ['<service name="bad-later.service" state="enabled"/>'])
    text = host.plugin("install", "-y", bad, status=8).text
    assert "service bad-later.service was started and failed at once (exit-code)" in text


def hanging_plugin(host: LiveHost) -> Path:
    """Return a plugin with a service that never has started, so that its install does not end."""
    return host.bundle("hang", {
        "/usr/libexec/serve-7072": SERVER,
        "/usr/lib/systemd/system/hang-first.service": server_unit(7072),
        "/usr/lib/systemd/system/hang.service":
            unit("Type=oneshot", "ExecStart=/bin/sleep infinity"),
    }, ['<service name="hang-first.service" state="enabled"/>',
        '<service name="hang.service" state="enabled"/>',
        f'<sysctl name="{PARAMETER}" value="7072"/>',
        '<firewall-port port="7072" protocol="tcp"/>'])


def test_a_killed_install_is_undone_in_the_running_system_by_the_next_command(
        host: LiveHost) -> None:
    host.kill_during("install", hanging_plugin(host),
                     when=lambda: host.machine.state("hang.service") == "activating")
    host.expect_answer(7072, expected="answer-7072")
    assert host.parameter() == "7072"
    assert "An interrupted install of hang was undone" in host.plugin("verify").text
    host.expect_answer(7072, expected="nobody")


def test_a_disabled_service_of_the_system_runs_again_after_the_removal(host: LiveHost) -> None:
    assert host.machine.state("crond.service") == "active"
    off = host.bundle("bad-cron", {"/usr/share/bad-cron": "x"},
                       ['<service name="crond.service" state="masked"/>'])
    host.plugin("install", "-y", off)
    assert host.machine.state("crond.service") == "inactive"
    host.plugin("remove", "-y", "bad-cron")
    assert host.machine.state("crond.service") == "active"


def test_a_failed_removal_keeps_everything_running(host: LiveHost) -> None:
    stuck = host.bundle("good-stuck", {
        "/usr/libexec/serve-7073": SERVER,
        "/usr/lib/systemd/system/good-stuck.service": server_unit(7073),
        "/usr/lib/systemd/system/good-more@.service": unit("ExecStart=/bin/sleep infinity")},
        ['<service name="good-stuck.service" state="enabled"/>',
         f'<sysctl name="{PARAMETER}" value="7073"/>'],
        scriptlets={"preun": "test -e /run/may-go || exit 1"})
    host.plugin("install", "-y", stuck)
    host.machine("systemctl", "start", "good-more@one.service")
    assert "stop service good-more@one.service now" in host.plugin(
        "remove", "--dry-run", "good-stuck").text
    host.plugin("remove", "-y", "good-stuck", status=8)
    host.expect_answer(7073, expected="answer-7073")
    assert host.machine.state("good-more@one.service") == "active"
    assert host.parameter() == "7073"
    assert "good-stuck 1.0: ok" in host.plugin("verify").text
    host.kill_during("remove", "good-stuck", when=lambda: host.machine.state(
        "good-stuck.service") == "inactive")
    assert "An interrupted remove of good-stuck was undone" in host.plugin("verify").text
    host.expect_answer(7073, expected="answer-7073")
    assert host.parameter() == "7073"
    host.machine("touch", "/run/may-go")
    host.plugin("remove", "-y", "good-stuck")
    host.machine("rm", "/run/may-go")


def test_a_service_of_two_plugins_runs_until_the_last_is_removed(host: LiveHost) -> None:
    files = {"/usr/libexec/serve-7070": SERVER,
             "/usr/lib/systemd/system/good.service": server_unit(7070)}
    setting = ['<service name="good.service" state="enabled"/>',
               f'<sysctl name="{PARAMETER}" value="7070"/>']
    first = host.bundle("good-one", files, setting)
    second = host.bundle("good-two", {"/usr/share/good-two": "x"}, setting)
    host.plugin("install", "-y", first)
    host.plugin("install", "-y", second)
    host.plugin("remove", "-y", "good-two")
    host.expect_answer(7070, expected="answer-7070")
    host.plugin("install", "-y", second)
    host.plugin("remove", "-y", "good-two", "good-one")
    host.expect_answer(7070, expected="nobody")


def test_a_booted_node_is_changed_only_if_its_configuration_allows_it(host: LiveHost) -> None:
    host.set_release(NODE)
    text = host.plugin("install", "-y", echo_plugin(host), status=6).text
    assert "live" in text
    host.expect_answer(7070, expected="nobody")
    host.dnf.configure(live="yes")
    host.plugin("install", "-y", echo_plugin(host))
    host.expect_answer(7070, expected="answer-7070")
    assert 'mode="online"' in (host.machine.root / "etc/ovirt.plugins.d/echo").read_text()
    host.plugin("remove", "-y", "echo")


def test_in_a_chroot_of_the_system_only_files_are_changed(host: LiveHost) -> None:
    inner = dataclasses.replace(host.dnf, prefix=(
        *host.machine.prefix, "unshare", "--mount", "--propagation", "slave", "sh", "-c",
        "umount -R /run/systemd 2>/dev/null; mount -t tmpfs tmpfs /run && exec \"$@\"", "sh"))
    answer = inner.plugin(LIVE, "install", "-y", echo_plugin(host), UNSIGNED)
    assert answer.status == 0, answer.text
    assert "Nothing of it takes effect now" in answer.text
    host.expect_answer(7070, expected="nobody")
    assert host.parameter() == ""
    # as after a boot: systemd has applied the files, and the tool started nothing
    host.machine("systemctl", "daemon-reload")
    host.machine("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/echo.conf")
    host.machine("systemctl", "start", "echo.service", "echo-tick.timer")
    host.machine("firewall-cmd", "--reload")
    host.plugin("remove", "-y", "echo")
    host.expect_answer(7070, expected="nobody")
    host.machine("rmdir", "/run/echo/inner", "/run/echo", ok=(0, 1))


# Runs a command with the mounts of a deployed system in image mode: / and /usr are read-only.
# With "usr-overlay", /usr is writable until the next boot.
DEPLOYED = """
usr=$1
shift
for folder in /etc /var; do mount --bind "$folder" "$folder"; done
mount -o remount,bind,ro /
mount -t tmpfs tmpfs /var/tmp  # an overlay of the container's overlay is impossible
[ "$usr" = read-only ] || { mount --bind /usr /usr; mount -o remount,bind,rw /usr; }
exec "$@"
"""
# All files but those in folders where dnf and the services of the system write
REMAIN = ("find", "/", "-regextype", "posix-extended", "-xdev",
          "-regex", "/(dev|proc|run|sys|tmp|var)", "-prune", "-o",
          "-printf", "%p %i %m %U %G %s %T@ %C@ %l\\n")


@pytest.fixture
def echo(host: LiveHost) -> Iterator[None]:
    """The plugin echo, installed."""
    host.plugin("install", "-y", echo_plugin(host))
    yield
    host.dnf.configure()
    host.plugin("remove", "-y", "echo")


@pytest.fixture
def deployed(host: LiveHost) -> Iterator[LiveHost]:
    """The host with the folders of image mode; dnf's state is in /var."""
    state = host.machine.root / "var/lib/dnf"
    link = state.readlink()
    state.unlink()
    run(["cp", "-a", host.machine.root / "usr/share/dnf", state])
    (host.machine.root / "usr/lib/ostree").mkdir()
    host.machine("touch", "/run/ostree-booted")
    yield host
    host.machine("rm", "/run/ostree-booted")
    (host.machine.root / "usr/lib/ostree").rmdir()
    shutil.rmtree(state)
    state.symlink_to(link)


def on_deployed(host: LiveHost, usr: str = "read-only") -> Dnf:
    return dataclasses.replace(host.dnf, options=host.dnf.options, prefix=(
        *host.machine.prefix, "unshare", "--mount", "--propagation", "slave", "sh", "-euc",
        DEPLOYED, "sh", usr))


def next_image(host: LiveHost) -> Path:
    """Return a folder with the databases of the host, as of an image that has its plugins."""
    folder = host.work / "image"
    for name in ("etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d", "usr/share/rpm"):
        shutil.copytree(host.machine.root / name, folder / name)
    shutil.copy(host.machine.root / "etc/os-release", folder / "etc")
    (folder / "var").mkdir()
    return folder


@pytest.mark.usefixtures("echo")
def test_a_deployed_system_is_read_without_writing_and_changed_by_its_containerfile(
        deployed: LiveHost) -> None:
    newer = echo_plugin(deployed, "2.0")
    before = deployed.machine(*REMAIN)
    dnf = on_deployed(deployed)
    # the repository has no metadata: a refusal after it was read would have another status
    unread = ("--repofrompath=unread,file:///none", "--repo=unread")
    for words, line in {
            ("install", newer): f"node-plugin install /tmp/{newer.name}\n",
            ("upgrade",): "node-plugin upgrade\n"}.items():
        answer = dnf(LIVE, *unread, "node-plugin", *words, "-y")
        assert answer.status == 6, answer.text
        assert "deployed Red Hat Enterprise Linux in image mode" in answer.err
        assert "/usr is read-only" in answer.err
        assert "RUN dnf -y --setopt=" in answer.err and line in answer.err, answer.err
        assert (f"  COPY {newer.name} /tmp/{newer.name}\n" in answer.err) == (newer in words)
    for words in (("remove", "echo"), ("repair", "echo")):
        assert dnf.plugin(LIVE, *words, "-y", "--json").json["error"]["status"] == 6
    error = dnf.plugin(LIVE, "upgrade", "-y", "--json").json["error"]
    target = dnf.plugin(LIVE, "list", "--json").json["target"]
    changes = target["changes"]
    assert (target["live"], target["image_mode"], target["deployed"]) == (True, True, True)
    assert (changes["allowed"], changes["status"], changes["message"]) == (
        False, 6, error["message"])
    assert changes["lines"] == ["COPY BUNDLE /tmp/BUNDLE",
                                "RUN dnf -y node-plugin install /tmp/BUNDLE"]
    assert all(line in changes["hint"] for line in changes["lines"])
    for words, text in {("list", "--all"): "echo", ("verify", "--reconcile"): "echo 1.0: ok",
                        ("manifest", "echo"): "echo-1.0-1.noarch", ("repos",): "",
                        ("info", "echo"): "1.0"}.items():
        answer = dnf.plugin(LIVE, *words)
        assert answer.status == 0 and text in answer.out, answer.text
    answer = dnf.plugin(LIVE, "info", newer)
    assert "Refused here : this is a deployed" in answer.out, answer.text
    answer = dnf.plugin(LIVE, "check-upgrade", next_image(deployed))
    assert answer.status == 0 and "echo 1.0" in answer.out, answer.text
    answer = dnf(LIVE, "repoquery", "--installed", "echo")
    assert answer.status == 0 and "echo" in answer.out, answer.text
    assert deployed.machine(*REMAIN) == before
    run(["rm", deployed.machine.root / "usr/lib/systemd/system/echo.service"])
    answer = dnf.plugin(LIVE, "verify")
    assert answer.out.endswith("To repair, in the Containerfile of the image:"
                               " RUN dnf -y node-plugin repair echo\n"), answer.text
    deployed.set_release(NODE)
    answer = dnf(LIVE, "remove", "echo", "-y")
    deployed.set_release(HOST)
    assert answer.status == 1 and "deployed oVirt Node 4.5.5 in image" in answer.err, answer.text


def test_a_transient_overlay_of_usr_is_changed_only_if_the_configuration_allows_it(
        deployed: LiveHost) -> None:
    dnf, newer = on_deployed(deployed, "usr-overlay"), echo_plugin(deployed, "2.0")
    words = ("install", newer, "--dry-run", UNSIGNED)
    answer = dnf.plugin(LIVE, *words)
    assert answer.status == 6 and "is gone after the next boot" in answer.err, answer.text
    deployed.dnf.configure(live="yes")
    answer = dnf.plugin(LIVE, *words)
    assert answer.status == 0 and "gone after the next boot" in answer.out, answer.text
    answer = on_deployed(deployed).plugin(LIVE, *words)
    assert answer.status == 6 and "/usr is read-only" in answer.err, answer.text


@pytest.fixture
def boot_unit(host: LiveHost) -> Iterator[str]:
    """The unit that verifies plugins at boot, with this checkout's program."""
    name = "ovirt-node-plugin-verify.service"
    units = host.machine.root / "etc/systemd/system"
    programs = host.work / "bin"
    programs.mkdir()
    words = host.dnf.argv(LIVE)[len(host.machine.prefix):]
    (programs / "dnf-3").write_text(f'#!/bin/sh\nexec /usr/bin/{" ".join(words)} "$@"\n')
    (programs / "dnf-3").chmod(0o755)
    shutil.copy(TOP / "systemd" / name, units)
    (units / f"{name}.d").mkdir()
    (units / f"{name}.d/test.conf").write_text("\n".join([
        "[Service]", "ExecStart=", f"ExecStart={TOP}/libexec/verify-at-boot",
        f"Environment=PYTHONPATH={TOP} PATH={programs}:/usr/sbin:/usr/bin", ""]))
    host.machine("systemctl", "daemon-reload")
    yield name
    host.machine("systemctl", "stop", name)
    (units / name).unlink()
    shutil.rmtree(units / f"{name}.d")
    host.machine("systemctl", "daemon-reload")
    host.machine("systemctl", "reset-failed")
    host.machine("sh", "-c", "rmdir /run/motd.d /run/ovirt-node-plugin || :")


def test_the_unit_of_the_boot_corrects_records_and_reports_broken_plugins(
        host: LiveHost, boot_unit: str) -> None:
    ask, records = host.machine, host.machine.root / "etc/ovirt.plugins.d"

    def reported() -> str:
        return ask("env", f"PYTHONPATH={TOP}", "python3", "-c",
                   "from ovirt_node_plugin.vdsm.capabilities import describe_plugins as d\n"
                   "print([(p['state'], p['problem']) for p in d()['plugins']])").strip()

    ask("systemctl", "start", boot_unit)
    assert ask.state(boot_unit) == "inactive"  # no plugins: its condition
    host.set_release(NODE)
    host.dnf.configure(live="yes")
    host.plugin("install", "-y", echo_plugin(host))
    record = (records / "echo").read_bytes()
    (records / "echo").write_bytes(record.replace(b"<version>1.0<", b"<version>0.9<"))
    ask("systemctl", "start", boot_unit)
    assert ask.state(boot_unit) == "active"
    assert (records / "echo").read_bytes() == record
    assert reported() == "[('installed', '')]"
    assert ask("sh", "-c", "ls /run/motd.d/ovirt-node-plugin || :") == ""
    assert "echo: rewritten /etc/ovirt.plugins.d/echo: it differed from" in ask(
        "journalctl", f"--unit={boot_unit}", "--no-pager")

    ask("sysctl", "-qw", f"{PARAMETER}=9")
    ask("systemctl", "restart", boot_unit, ok=(1,))
    assert ask.state(boot_unit) == "failed"
    problem = f"sysctl {PARAMETER} is 9 now, not 7070"
    assert ask("cat", "/run/motd.d/ovirt-node-plugin").splitlines() == [
        f"Node plugin echo 1.0 is broken: {problem}", "To repair: dnf node-plugin repair echo"]
    assert reported() == f"[('broken', '{problem}')]"
    host.plugin("repair", "-y", "echo")
    assert reported() == "[('installed', '')]"  # the record was written since
    ask("systemctl", "restart", boot_unit)
    assert ask("sh", "-c", "ls /run/motd.d/ovirt-node-plugin || :") == ""
    host.plugin("remove", "-y", "echo")


@pytest.fixture
def changes(host: LiveHost) -> Iterator[LiveHost]:
    """The host, on which changes with --detach are forgotten after the test."""
    yield host
    host.machine("rm", "-rf", "/run/ovirt-node-plugin")


def detached(host: LiveHost, *words: object) -> str:
    """Start ``dnf -y node-plugin`` with --detach; return the unit."""
    unit: str = host.plugin(*words, "-y", "--detach", "--json").json["unit"]
    return unit


def change_of(host: LiveHost, unit: str) -> Mapping[str, Any]:
    """Return how a change stands."""
    (change,) = host.plugin("status", unit, "--json").json["changes"]
    found: Mapping[str, Any] = change
    return found


def test_a_detached_change_goes_on_and_tells_its_progress_and_result(changes: LiveHost) -> None:
    host, folder = changes, changes.work / "odd $HOME %h; folder"
    folder.mkdir()
    shutil.copytree(echo_plugin(host), folder / "echo")
    there = dataclasses.replace(host.dnf, prefix=(
        *host.machine.prefix, "sh", "-c", 'cd "$0" && exec "$@"', str(folder)))
    host.dnf.configure()
    started = there.plugin(LIVE, "install", "./echo", "-y", "--detach", "--json", UNSIGNED)
    assert started.status == 0, started.text
    unit = started.json["unit"]
    lines = host.plugin("status", "--follow", "--json").lines
    assert [line["step"] for line in lines if line["event"] == "step-done"] == [
        "metadata", "plan", "install", "settings", "records"]
    assert "Installing: echo-1.0-1.noarch" in [
        line["text"] for line in lines if line["event"] == "message"]
    (change,) = lines[-1]["changes"]
    assert change == change_of(host, unit)
    assert (change["state"], change["exit_status"], change["operation"], change["names"]) == (
        "done", 0, "install", ["./echo"])
    assert change["answer"]["done"] and change["command"] == started.json["command"]
    assert "Installed plugin echo 1.0." in change["log"]
    assert "Installed plugin echo 1.0." in host.machine("journalctl", f"--unit={unit}")
    host.expect_answer(7070, expected="answer-7070")
    text = host.plugin("remove", "echo", "-y", "--detach").out
    assert text.startswith("The change runs as ovirt-node-plugin-change-"), text
    text = host.plugin("status", "--follow").out
    assert "Removing packages: done in" in text and "remove echo was done at" in text
    assert host.machine("stat", "-c", "%a %U", "/run/ovirt-node-plugin/changes") == "700 root"
    assert len(host.plugin("status", "--json").json["changes"]) == 2


def test_the_error_of_a_detached_change_is_that_of_the_command(changes: LiveHost) -> None:
    bad = changes.bundle("bad", {"/usr/share/bad": "x"}, [], scriptlets={"post": "exit 1"})
    unit = detached(changes, "install", bad)
    answer = changes.plugin("status", unit, "--follow", status=8)
    assert "failed at" in answer.out and "with exit status 8" in answer.out
    assert answer.out.count("Error: install of bad failed and was rolled back") == 1
    text = changes.plugin("status", unit).out
    assert "Error: install of bad failed and was rolled back" in text
    change = change_of(changes, unit)
    assert (change["state"], change["answer"]["error"]["kind"]) == ("failed", "RolledBack")
    unknown = changes.plugin("status", "other.service", "--json", status=2)
    assert unknown.json["error"]["message"].startswith("no change other.service is known")


@pytest.mark.parametrize(("stop", "state"), [
    (("systemctl", "stop"), "failed"), (("systemctl", "kill", "--signal=KILL"), "lost")])
def test_a_detached_change_that_is_stopped_is_undone_at_once_or_by_the_next_command(
        changes: LiveHost, stop: Sequence[str], state: str) -> None:
    host = changes
    unit = detached(host, "install", hanging_plugin(host))
    wait_until(lambda: host.machine.state("hang.service") == "activating")
    running = change_of(host, unit)
    assert (running["state"], running["step"]["step"]) == ("running", "settings")
    # another user, who can read this checkout wherever it is
    other = dataclasses.replace(host.dnf, prefix=(
        *host.machine.prefix, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
        "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"))
    host.dnf.configure()
    assert other.plugin(LIVE, "status").out == f"{unit}: a change is running\n"
    host.machine(*stop, unit)
    wait_until(lambda: change_of(host, unit)["state"] != "running")
    ended = change_of(host, unit)
    assert ended["state"] == state
    if state == "failed":
        assert ended["answer"]["error"]["kind"] == "Interrupted"
    if state == "lost":
        assert "The next dnf node-plugin command" in host.plugin("status", unit).out
        host.plugin("status", unit, "--follow", status=9)
        assert "An interrupted install of hang was undone" in host.plugin("verify").text
    host.expect_answer(7072, expected="nobody")
    assert host.plugin("list").text.strip().endswith("No plugins.")


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for a minute at most."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)
