"""Programs of a root that are run in it: the root is what they can change."""
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.isolation import program
from ovirt_node_plugin.system.run import run

pytestmark = [pytest.mark.root]


def shell(root: Path, text: str, **options: object) -> str:
    """Run shell text in ``root`` as ``program.argv`` says; return what it prints."""
    return run(program.argv(root, ["/bin/sh", "-c", text], **options))  # type: ignore[arg-type]


def test_a_program_has_devices_processes_and_a_folder_of_its_own(
        node: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    said = shell(node, "echo x > /dev/null; test -c /dev/null && echo $$; ls /proc |"
                       " grep -c '^[0-9]';"
                       " echo made > /tmp/file; echo changed > /etc/changed; id -u",
                 temporary=work)
    assert said.split() == ["2", "5", "0"] or said.split()[0] == "2"
    assert (work / "file").read_text() == "made\n"
    assert (node / "etc/changed").read_text() == "changed\n"
    assert not (node / "tmp/file").exists()
    assert str(node) not in Path("/proc/self/mountinfo").read_text()


ATTACKS = (
    "echo x > /proc/1/root{outside}/x",
    "echo x > /proc/self/root{outside}/x",
    "mkdir /m && mount -t proc proc /m",
    "mount -o remount,rw /",
    "mknod /disk b 254 0 && head -c 1 /disk",
    "nc -w 1 127.0.0.1 {port} </dev/null && nc -w 1 127.0.0.1 {port}",
    "kill -9 {pid}",
    "echo x > /proc/sys/kernel/core_pattern",
    "echo h > /proc/sysrq-trigger",
    "hostname attacked",
    "cat /proc/kcore | head -c 1 | grep -q .",
    "test -e /sys/kernel",
    "swapoff -a && test -s /proc/swaps",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_of_a_program_fails(node: Path, tmp_path: Path, attack: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    name = socket.gethostname()
    with socket.create_server(("127.0.0.1", 0)) as server, subprocess.Popen(
            ["sleep", "600"]) as victim:
        server.setblocking(False)
        try:
            text = attack.format(outside=outside, pid=victim.pid, port=server.getsockname()[1])
            said = shell(node, f"({text}) 2>/dev/null && echo done; exit 0")
            assert victim.poll() is None
            with pytest.raises(BlockingIOError):
                server.accept()
        finally:
            victim.kill()
    assert said == "" and os.listdir(outside) == [] and socket.gethostname() == name


def test_a_program_that_leaves_a_process_leaves_none(node: Path) -> None:
    shell(node, "(setsid sh -c 'while :; do sleep 0.1; echo x >> /etc/alive; done' &) ; sleep 0.3")
    time.sleep(0.3)
    size = (node / "etc/alive").stat().st_size
    time.sleep(0.4)
    assert (node / "etc/alive").stat().st_size == size


def test_a_program_ends_with_the_process_that_started_it(node: Path, tmp_path: Path) -> None:
    argv: List[str] = [os.fspath(word) for word in program.argv(
        node, ["/bin/sh", "-c", "while :; do echo x >> /etc/alive; sleep 0.1; done"])]
    process = subprocess.Popen(argv)
    while not (node / "etc/alive").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    time.sleep(0.3)
    size = (node / "etc/alive").stat().st_size
    time.sleep(0.4)
    assert (node / "etc/alive").stat().st_size == size


def test_the_status_of_a_program_is_passed_on(node: Path) -> None:
    argv = program.argv(node, ["/bin/sh", "-c", "exit 7"])
    assert subprocess.run(argv, check=False).returncode == 7
    killed = program.argv(node, ["/bin/sh", "-c", "kill -9 $$"])
    assert subprocess.run(killed, check=False).returncode == 137
    missing = subprocess.run(program.argv(node, ["no-such-program"]), capture_output=True,
                             text=True, check=False)
    assert missing.returncode == 1 and "no-such-program" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_links_in_the_root_do_not_lead_its_mounts_out(node: Path, tmp_path: Path) -> None:
    outside, work = tmp_path / "outside", tmp_path / "work"
    for folder in (outside, work):
        folder.mkdir()
    for name in ("dev", "proc", "tmp", "run"):
        if (node / name).is_dir():
            shutil.rmtree(node / name)
        (node / name).symlink_to(outside)
    shell(node, "echo x > /tmp/file; true", temporary=work, volatile=True)
    assert os.listdir(outside) == []


def test_the_mode_of_the_terminal_stays_as_it_is(node: Path) -> None:
    master, slave = os.openpty()
    try:
        before = os.fstat(slave).st_mode
        subprocess.run(program.argv(node, ["/bin/sh", "-c", "chmod 777 /dev/stdin; echo done"]),
                       stdin=slave, stdout=slave, stderr=slave, check=True)
        said = os.read(master, 4096).decode()
        assert os.fstat(slave).st_mode == before
        assert "Read-only file system" in said and "done" in said
    finally:
        os.close(master)
        os.close(slave)


def test_only_with_the_network_it_is_there(node: Path) -> None:
    (node / "etc/resolv.conf").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        text = f"(nc 127.0.0.1 {server.getsockname()[1]} </dev/null &) ; sleep 0.5"
        shell(node, text, network=True)
        server.accept()[0].close()
        resolver = shell(node, "cat /etc/resolv.conf", network=True)
        assert resolver == Path("/etc/resolv.conf").read_text()
        assert (node / "etc/resolv.conf").read_text() == ""


def test_where_it_cannot_be_sealed_the_program_is_not_run(node: Path) -> None:
    argv = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "--",
            *program.argv(node, ["/bin/sh", "-c", "echo x > /etc/ran"])]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "cannot be isolated from this machine" in done.stderr
    assert "Traceback" not in done.stderr and not (node / "etc/ran").exists()


def test_it_works_in_namespaces_of_its_own(node: Path) -> None:
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--",
            *program.argv(node, ["/bin/sh", "-c", "echo ok"])]
    assert run(argv) == "ok\n"
