"""Scriptlets of packages, hostile and honest, in transactions of the real dnf."""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Set

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.container import own_groups
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import TOP, Answer, Dnf, environment
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

SLOTS = ("pretrans", "pre", "post", "preun", "postun", "posttrans")
# What runs when the package "other" comes, changes and goes, or files below /opt do.
TRIGGERS = (
    "triggerprein", "triggerin", "triggerun", "triggerpostun", "filetriggerin", "filetriggerun",
    "filetriggerpostun", "transfiletriggerin", "transfiletriggerun", "transfiletriggerpostun")
# rpm runs this one only for packages of the same transaction that also change.
RARE = {"transfiletriggerpostun"}
PROGRAMS = ("shell", "lua", "macros")
FIRED = "fired"
LUA = """\
rpm.define("_netsharedpath %(touch OUT/define)")
rpm.define("_transaction_color %(touch OUT/color)")
rpm.expand("%(touch OUT/expand)")
os.execute("touch OUT/execute; kill -9 PROCESS")
local file = io.open("OUT/open", "w"); if file then file:close() end
setmetatable({}, {__gc = function() os.execute("touch OUT/collected") end})
local fired = io.open("/FIRED", "a"); fired:write("SLOT\\n"); fired:close()"""


class Machine:
    """What of this machine an attack aims at: a folder, a process, a server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.process = subprocess.Popen(["sleep", "1000"])
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.port = self.server.getsockname()[1]

    def traces(self) -> List[str]:
        """Return what attacks left."""
        found = sorted(os.listdir(self.folder))
        if self.process.poll() is not None:
            found.append("the process was killed")
        with contextlib.suppress(BlockingIOError):
            self.server.accept()[0].close()
            found.append("the server was reached")
        if sleepers(self.port):
            found.append("a process was left")
        if str(self.folder.parent / "node") in Path("/proc/self/mountinfo").read_text():
            found.append("a mount was left")
        return found

    def attack(self) -> str:
        """Return the shell that attacks by everything that busybox has."""
        out = self.folder
        return "\n".join((
            "exec 2>/dev/null",
            f"echo x > {out}/by-path",
            "mkdir -p /attack/proc",
            "mount -t proc proc /attack/proc || mount --bind /proc /attack/proc",
            f"for proc in /proc /attack/proc; do for pid in 1 {os.getpid()} {self.process.pid}; do",
            f"echo x > $proc/$pid/root{out}/by-proc; done; done",
            f"kill -9 {self.process.pid}",
            f"nc -w 1 127.0.0.1 {self.port} </dev/null",
            "mount -t tmpfs tmpfs /opt",
            "mknod /attack/disk b 254 0 && head -c 1 /attack/disk > /attack/read",
            f"(setsid sleep {self.port} </dev/null >/dev/null 2>&1 &)",
            "printf '\\033]0;title\\007'",
            "umount /attack/proc; rm -rf /attack",
            "true"))

    def scriptlet(self, slot: str, program: str) -> str:
        """Return a scriptlet that attacks, and adds the name of its ``slot`` to a file."""
        if program == "lua":
            text = LUA.replace("OUT", str(self.folder)).replace("PROCESS", str(self.process.pid))
            return text.replace("FIRED", FIRED).replace("SLOT", slot)
        macro = f"%(touch {self.folder}/macro-{slot})\n" if program == "macros" else ""
        return f"{macro}echo {slot} >> /{FIRED}\n{self.attack()}"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine to attack."""
    machine = Machine(tmp_path / "outside")
    yield machine
    machine.process.kill()
    machine.process.wait()
    machine.server.close()


def succeeded(answer: Answer) -> Answer:
    assert answer.status == 0, answer.text
    assert "\x1b" not in answer.text
    return answer


def scriptlets(machine: Machine, program: str, slots: Iterable[str]) -> Dict[str, str]:
    """Return scriptlets that attack, by the sections of a spec file."""
    found = {}
    for slot in slots:
        # before the first package of a root there is no shell: pretrans is Lua
        used = "lua" if slot == "pretrans" else program
        options = {"lua": " -p <lua>", "macros": " -e", "shell": ""}[used]
        about = "" if slot in SLOTS else " -- /opt" if "file" in slot else " -- other"
        found[f"{slot}{options}{about}"] = machine.scriptlet(slot, used)
    return found


def fired(root: Path) -> Set[str]:
    """Return the slots whose scriptlets ran since the last call."""
    file = root / FIRED
    if not file.exists():
        return set()
    lines = set(file.read_text().split())
    file.unlink()
    return lines


def sleepers(seconds: int) -> List[str]:
    """Return the ids of the processes that are called ``sleep`` with so many seconds."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if f"sleep\0{seconds}\0".encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(name)
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_hostile_plugin_leaves_no_trace_outside_the_root(
        dnf: Dnf, node: Path, tmp_path: Path, machine: Machine, program: str) -> None:
    dnf.configure(isolation_allow="hostile")
    before = tree_state(node)
    old, new = (make_plugin(tmp_path, "hostile", version, requires="busybox",
                            files={f"/opt/hostile/{version}": "a"},
                            scriptlets=scriptlets(machine, program, SLOTS))
                for version in ("1.0", "1.1"))
    seen = set()
    for command, name in (("install", old), ("install", new), ("remove", "hostile")):
        succeeded(dnf.plugin(node, command, "-y", UNSIGNED, name))
        seen |= fired(node)
        assert machine.traces() == []
    assert seen == set(SLOTS)
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.parametrize("owner", ["plugin", "image"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_hostile_triggers_leave_no_trace_outside_the_root(
        dnf: Dnf, node: Path, tmp_path: Path, machine: Machine, program: str, owner: str) -> None:
    dnf.configure(isolation_allow="trap")
    code = scriptlets(machine, program, TRIGGERS)
    if owner == "image":
        rpm = support.quick_rpm("trap", "1.0", requires="busybox", scriptlets=code)
        run(["rpm", "--root", node, "--dbpath", "/usr/share/rpm", "--install", "--nodeps",
             "--noscripts", "--notriggers", rpm])
    else:
        trap = make_plugin(tmp_path, "trap", requires="busybox", scriptlets=code)
        succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, trap))
    old, new = (make_plugin(tmp_path, "other", version, files={f"/opt/other/{version}": "a"})
                for version in ("1.0", "1.1"))
    seen = set()
    for command, name in (("install", old), ("install", new), ("remove", "other")):
        succeeded(dnf.plugin(node, command, "-y", UNSIGNED, name))
        seen |= fired(node)
        assert machine.traces() == []
    assert seen | RARE == set(TRIGGERS)


def test_without_isolation_an_attack_succeeds_and_the_plan_says_so(
        dnf: Dnf, node: Path, tmp_path: Path, machine: Machine) -> None:
    dnf.configure(isolation="off")
    bundle = make_plugin(tmp_path, "hostile", requires="busybox", scriptlets={
        "post": f"kill -9 {machine.process.pid}"})
    answer = succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    assert "Note: isolation is off: programs of the root can change this machine." in answer.text
    machine.process.wait()
    assert machine.traces() == ["the process was killed"]


HONEST = """\
set -e
test "$(id -u)" = 0
echo text > /etc/honest.conf; chmod 0640 /etc/honest.conf; chown 1:1 /etc/honest.conf
mkdir -p /var/lib/honest/sub; touch /var/lib/honest/sub/file; ln -s sub /var/lib/honest/link
cp /etc/honest.conf /var/lib/honest/copy; mv /var/lib/honest/copy /var/lib/honest/moved
rm /var/lib/honest/moved; mkdir /var/lib/honest/empty; rmdir /var/lib/honest/empty
mkfifo /var/lib/honest/fifo; rm /var/lib/honest/fifo
ln /etc/honest.conf /etc/honest.hard; rm /etc/honest.hard
echo x > /dev/null; head -c 4 /dev/urandom > /var/lib/honest/random; rm /var/lib/honest/random
cat /etc/passwd > /var/lib/honest/users; grep -q root /var/lib/honest/users
date > /tmp/honest; rm /tmp/honest
echo one | sed s/one/two/ | grep -q two
tar -cf /var/lib/honest/a.tar -C /var/lib/honest sub; tar -tf /var/lib/honest/a.tar > /dev/null
rm /var/lib/honest/a.tar
(sleep 0 &); wait
umask 077; touch /var/lib/honest/secret; test "$(stat -c %a /var/lib/honest/secret)" = 600
mknod /var/lib/honest/node c 1 3; rm /var/lib/honest/node
"""


def test_an_honest_scriptlet_does_the_same_as_without_isolation(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "honest", requires="busybox", scriptlets={"post": HONEST})
    other = tmp_path / "other"
    shutil.copytree(node, other, symlinks=True)
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    dnf.configure(isolation="off")
    succeeded(dnf.plugin(other, "install", "-y", UNSIGNED, bundle))
    for folder in ("etc", "var/lib/honest"):
        assert sorted(os.listdir(node / folder)) == sorted(os.listdir(other / folder))
    for name in ("etc/honest.conf", "var/lib/honest/secret", "var/lib/honest/sub/file"):
        mine, theirs = node / name, other / name
        assert mine.read_bytes() == theirs.read_bytes()
        assert ((mine.stat().st_mode, mine.stat().st_uid, mine.stat().st_gid)
                == (theirs.stat().st_mode, theirs.stat().st_uid, theirs.stat().st_gid))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT],
                         ids=lambda number: signal.Signals(number).name)
def test_a_dnf_that_is_ended_takes_its_scriptlets_with_it(
        dnf: Dnf, node: Path, tmp_path: Path, machine: Machine,
        number: signal.Signals) -> None:
    before = tree_state(node)
    bundle = make_plugin(tmp_path, "slow", requires="busybox", scriptlets={
        "post": f"(setsid sleep {machine.port} >/dev/null 2>&1 &); touch /etc/runs;"
                f" sleep {machine.port}"})
    process = subprocess.Popen(
        dnf.argv(node, "node-plugin", "install", "-y", UNSIGNED, bundle), env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (node / "etc/runs").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait() != 0
    while sleepers(machine.port):
        time.sleep(0.05)
    assert dnf.plugin(node, "verify").status == 0
    assert state_differences(before, tree_state(node)) == []


def test_isolation_works_in_a_container_of_systemd_nspawn(
        dnf: Dnf, node: Path, tmp_path: Path, machine: Machine) -> None:
    tree = tmp_path / "container"
    (tree / "usr").mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    nspawn = (
        "env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "systemd-nspawn", "--quiet", "--register=no",
        "--keep-unit", f"--directory={tree}",
        f"--machine=nested-{os.getpid()}", "--resolv-conf=off", "--timezone=off",
        "--private-network", "--console=pipe", "--as-pid2", "--bind-ro=/usr", "--bind-ro=/etc",
        *(f"--bind={folder}" for folder in (tmp_path, TOP)),
        *(f"--setenv={name}={environment()[name]}" for name in ("PATH", "PYTHONPATH")))
    bundle = make_plugin(tmp_path, "hostile", requires="busybox",
                         scriptlets=scriptlets(machine, "shell", SLOTS))
    with own_groups() as groups:
        nested = replace(dnf, prefix=(*groups, *nspawn))
        succeeded(nested.plugin(node, "install", "-y", UNSIGNED, bundle))
    assert fired(node) == {"pretrans", "pre", "post", "posttrans"}
    assert machine.traces() == []


def test_the_package_database_is_closed_by_the_sealed_process(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    database = node / "usr/share/rpm/rpmdb.sqlite"
    before = database.read_bytes()
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, make_plugin(tmp_path, "plain")))
    log = database.with_name(f"{database.name}-wal")
    assert database.read_bytes() != before and not (log.exists() and log.stat().st_size)
