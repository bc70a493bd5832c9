"""What code that runs sealed can reach: the root, and nothing else of this machine."""
from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.isolation import sealed
from ovirt_node_plugin.isolation.sealed import Tell
from ovirt_node_plugin.isolation.view import View
from ovirt_node_plugin.system import kernel
from ovirt_node_plugin.system.json_data import Data
from ovirt_node_plugin.system.run import run
from tests.support.dnf_runner import TOP

pytestmark = [pytest.mark.root]

Attack = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with the folders that the sealed code gets a /dev and a /proc in."""
    root = tmp_path / "root"
    for name in ("dev", "proc", "etc"):
        (root / name).mkdir(parents=True)
    return root


def answers(root: Path, work: Callable[[Tell], None], **view: object) -> List[Data]:
    """Run ``work`` sealed and return what it told."""
    told: List[Data] = []
    found = View(str(root), (str(TOP), sys.prefix), **view)  # type: ignore[arg-type]
    sealed.run_sealed(work, found, told=told.append)
    return told


def outcome(root: Path, attack: Attack, outside: Path, **view: object) -> str:
    """Return the name of the error with which an attack ended, or ``done``."""
    def work(tell: Tell) -> None:
        try:
            found = attack(outside)
        except OSError as exc:
            tell({"outcome": errno.errorcode.get(exc.errno or 0, "?")})
        else:
            tell({"outcome": "done" if found is None else str(found)})
    (message,) = answers(root, work, **view)
    return str(message["outcome"])


def write(path: str) -> None:
    with open(path, "w") as file:
        file.write("an attack was here")


def climb(folder: Path) -> None:
    """Leave a chroot as any process with CAP_SYS_CHROOT can, and write outside."""
    os.chdir("/")
    os.makedirs("/tmp/inner")
    os.chroot("/tmp/inner")
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    write(f"{folder}/climbed")


def by_handle(folder: Path) -> None:
    """Open the folder above the root by a file handle, which no path has to lead to."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(132))
    mount_id = ctypes.c_int()
    top = os.open("/usr", os.O_RDONLY)
    if libc.name_to_handle_at(top, b".", handle, ctypes.byref(mount_id), 0) != 0:
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    # inode 2 is the top of an ext4 filesystem
    handle = ctypes.create_string_buffer(handle.raw[:8] + (2).to_bytes(4, "little")
                                         + handle.raw[12:])
    if libc.open_by_handle_at(top, handle, os.O_RDONLY) < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")


def make_disk(folder: Path) -> None:
    """Open the disk that this machine runs from by a device node of one's own."""
    del folder
    for place in ("/dev/disk", "/tmp/disk"):
        os.mknod(place, stat.S_IFBLK | 0o600, os.stat("/usr").st_dev)
        try:
            os.close(os.open(place, os.O_RDONLY))
        except OSError as exc:
            if exc.errno != errno.EACCES:
                raise
            last = exc
    raise last


def listen(folder: Path) -> None:
    """Connect to a socket of this machine by its path."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "socket"))


def call(number_of: Callable[[], int]) -> Attack:
    """Return an attack by one function of the C library, which returns less than 0."""
    def attack(_: Path) -> None:
        ctypes.set_errno(0)
        if number_of() < 0:
            raise OSError(ctypes.get_errno(), "refused")
    return attack


LIBC = ctypes.CDLL(None, use_errno=True)
PARENT = os.getpid
ATTACKS: Dict[str, Attack] = {
    "a file beside the root": lambda outside: write(f"{outside}/beside"),
    "a file in /etc": lambda _: write("/etc/attack"),
    "a file in /usr": lambda _: write("/usr/attack"),
    "a file of the kernel's": lambda _: write("/proc/sys/kernel/core_pattern"),
    "sysrq": lambda _: write("/proc/sysrq-trigger"),
    "out of a chroot": climb,
    "a file handle": by_handle,
    "a disk": make_disk,
    "a socket by its path": listen,
    "a mount": lambda outside: kernel.mount("tmpfs", "/tmp", "tmpfs", 0),
    "a remount": lambda outside: kernel.mount(None, "/usr", None,
                                              kernel.MS_REMOUNT | kernel.MS_BIND),
    "a namespace": lambda _: kernel.unshare(kernel.CLONE_NEWNS),
    "a user namespace": lambda _: kernel.unshare(kernel.CLONE_NEWUSER),
    "the first process": lambda _: call(lambda: int(LIBC.ptrace(16, 1, 0, 0)))(Path()),
    "vsock": lambda _: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close(),
    "audit": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9).close(),
    "a packet socket": lambda _: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "the keyring": call(lambda: int(LIBC.syscall(250, 0, -4, 1, 0, 0))),
    "bpf": call(lambda: int(LIBC.syscall(321, 0, 0, 0))),
    "the clock": lambda _: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "the host's name": call(lambda: int(LIBC.sethostname(b"attack", 6))),
    "/root": lambda _: write("/root/attack"),
    "this machine's /run": lambda _: write("/run/attack"),
    "modules": call(lambda: int(LIBC.syscall(313, 0, b"", 0))),
    "a reboot": call(lambda: int(LIBC.reboot(0x89ABCDEF))),
    "its own limits": call(lambda: int(LIBC.syscall(160, 99, 0))),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls of x86_64")
@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_an_attack_is_refused_by_the_kernel(name: str, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(outside / "socket"))
        server.listen()
        said = outcome(root, ATTACKS[name], outside)
    assert said not in ("done", "?"), name
    assert sorted(os.listdir(outside)) == ["socket"]
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_what_is_not_sealed_can_do_it(root: Path, tmp_path: Path) -> None:
    """The attacks would tell: without a seal most of them come to their end."""
    outside = tmp_path / "outside"
    outside.mkdir()
    child = os.fork()
    if not child:
        try:
            os.chroot(root)
            (Path("/tmp")).mkdir()
            climb(outside)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert (outside / "climbed").read_text() == "an attack was here"


def test_processes_of_this_machine_are_not_there(root: Path) -> None:
    def work(tell: Tell) -> None:
        tell({"seen": " ".join(sorted(filter(str.isdigit, os.listdir("/proc")))),
              "own": os.getpid()})
    assert answers(root, work) == [{"seen": "1 2", "own": 2}]


def test_the_root_is_written_to_and_has_devices_of_its_own(root: Path) -> None:
    def work(tell: Tell) -> None:
        write(f"{root}/etc/file")
        os.mknod(f"{root}/etc/node", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        with open(f"{root}/dev/null", "w") as null, open(f"{root}/dev/own", "w") as own:
            null.write("x")
            own.write("x")
        tell({"devices": " ".join(sorted(os.listdir(f"{root}/dev"))),
              "processes": os.path.exists(f"{root}/proc/self")})
    (told,) = answers(root, work)
    assert told["processes"] is True and "urandom" in str(told["devices"])
    assert os.listdir(root / "dev") == [] and os.listdir(root / "proc") == []
    assert (root / "etc/file").read_text() and stat.S_ISCHR((root / "etc/node").stat().st_mode)


def test_the_mode_of_no_file_of_the_kernel_can_be_changed(root: Path, tmp_path: Path) -> None:
    """An entry of /proc has the same mode in every /proc; /dev/null was open before the seal."""
    fresh = tmp_path / "proc"
    fresh.mkdir()

    def modes() -> List[str]:
        return run(["unshare", "--mount", "sh", "-c", f"mount -t proc proc {fresh}; stat --format"
                    f" '%n %a %u' /dev/null $(find {fresh} -maxdepth 1 ! -name '[0-9]*'"
                    " ! -type l | sort)"]).splitlines()

    def work(tell: Tell) -> None:
        places = [f"/proc/{name}" for name in os.listdir("/proc") if not name.isdigit()]
        changed = []
        for place in (*places, *(f"/proc/self/fd/{number}" for number in range(64))):
            with contextlib.suppress(OSError):
                os.chmod(place, 0o702)
                changed.append(place)
        tell({"changed": " ".join(changed)})
    before = modes()
    (told,) = answers(root, work)
    assert modes() == before and len(before) > 20
    assert "/proc/self/fd/0" in str(told["changed"]) and "/proc/version" not in str(told["changed"])


def test_secrets_in_the_environment_are_erased(root: Path) -> None:
    """Linux shows the environment with which a program was started, whatever it removed since."""
    program = (
        "import os, subprocess; from ovirt_node_plugin.isolation import sealed;"
        " from ovirt_node_plugin.isolation.view import View;"
        " sealed.run_sealed(lambda tell: tell({'found': open('/proc/self/environ').read()"
        " + repr(os.environ) + subprocess.check_output(['env']).decode()}),"
        f" View({str(root)!r}, {(str(TOP), sys.prefix)!r}), told=lambda report: print(report))")
    said = run(["env", "http_proxy=http://user:secret@proxy", "TOKEN=secret", "LC_ALL=C.UTF-8",
                f"PYTHONPATH={TOP}", sys.executable, "-c", program])
    assert "LC_ALL=C.UTF-8" in said and "secret" not in said


def test_a_shell_cannot_read_the_environment_and_memory_of_what_started_it(
        root: Path) -> None:
    def work(tell: Tell) -> None:
        for place in ("environ", "mem", "fd/0", "root/etc"):
            for process in (1, os.getpid()):
                read = subprocess.run(["head", "-c", "1", f"/proc/{process}/{place}"],
                                      capture_output=True, check=False)
                tell({"said": read.stderr.decode().rpartition(": ")[2].strip()})
    assert {str(told["said"]) for told in answers(root, work)} == {"Permission denied"}


def test_nothing_that_it_started_goes_on(root: Path) -> None:
    def work(tell: Tell) -> None:
        child = os.fork()
        if not child:
            os.setsid()
            while True:
                time.sleep(0.05)
                write(f"{root}/etc/alive")
        while not os.path.exists(f"{root}/etc/alive"):
            time.sleep(0.01)
        tell({"child": child})
    answers(root, work)
    (root / "etc/alive").unlink()
    time.sleep(0.3)
    assert os.listdir(root / "etc") == []


def test_an_interrupt_of_the_caller_ends_it(root: Path) -> None:
    def work(tell: Tell) -> None:
        tell({"running": True})
        time.sleep(600)

    def told(_: Data) -> None:
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        sealed.run_sealed(work, View(str(root), (str(TOP), sys.prefix)), told=told)
    assert subprocess.run(["true"], check=False).returncode == 0  # forks work as before


@pytest.mark.parametrize(("work", "text"), [
    (lambda tell: os.kill(os.getpid(), signal.SIGKILL), "status 137"),
    (lambda tell: os._exit(0), "status 0"),
    (lambda tell: os._exit(9), "status 9"),
    (lambda tell: 1 / 0, "status 71"),
    (lambda tell: tell({"x": "y" * (3 << 20)}), "too long"),
], ids=["killed", "ended early", "ended", "raised", "tells too much"])
def test_a_worker_that_does_not_come_to_its_end_is_an_error(
        work: Callable[[Tell], object], text: str, root: Path) -> None:
    def worked(tell: Tell) -> None:
        work(tell)
    with pytest.raises(sealed.Ended, match=text):
        sealed.run_sealed(worked, View(str(root), (str(TOP), sys.prefix)), told=lambda _: None)


def pipes() -> List[int]:
    """Return the pipes of this process besides its output: that of the reports."""
    numbers = []
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if number > 2 and stat.S_ISFIFO(os.fstat(number).st_mode):
                numbers.append(number)
    return numbers


def test_reports_without_end_are_an_error_before_they_fill_the_memory(root: Path) -> None:
    def work(_: Tell) -> None:
        for number in pipes():
            while True:
                os.write(number, b'{"event": "done"}\n' * 4000)
    with pytest.raises(sealed.Ended, match="too many"):
        answers(root, work)


@pytest.mark.parametrize("line", [b"no json\n", b"[1]\n", b"[" * 100000 + b"\n",
                                  b'{"event": 1' + b"0" * 30 + b"}\n"],
                         ids=["text", "list", "deep", "a long number"])
def test_what_is_no_message_is_refused(line: bytes, root: Path) -> None:
    def work(_: Tell) -> None:
        for number in pipes():
            os.write(number, line)
    with pytest.raises(sealed.Ended, match="a report that is not"):
        sealed.run_sealed(work, View(str(root), (str(TOP), sys.prefix)), told=lambda _: None)


def test_control_characters_do_not_reach_the_terminal(
        root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def work(_: Tell) -> None:
        os.write(1, "\x1b]0;title\x07 plain\u202e\n".encode())
    answers(root, work)
    out, err = capfd.readouterr()
    assert out == "" and err == "\\x1b]0;title\\x07 plain\\u202e\n"


def test_windows_into_this_machine_that_are_mounted_in_the_root_are_covered(root: Path) -> None:
    for name, source in (("proc", "/proc"), ("sys", "/sys"), ("run", "/run")):
        (root / name).mkdir(exist_ok=True)
        kernel.mount(source, str(root / name), None, kernel.MS_BIND | kernel.MS_REC)
        # otherwise an unmount here is one of this machine's mounts too
        kernel.mount(None, str(root / name), None, kernel.MS_SLAVE | kernel.MS_REC)
    (root / "data").mkdir()
    kernel.mount("tmpfs", str(root / "data"), "tmpfs", 0)
    try:
        def work(tell: Tell) -> None:
            write(f"{root}/data/kept")
            tell({name: len(os.listdir(f"{root}/{name}")) for name in ("sys", "run")})
        assert answers(root, work) == [{"sys": 0, "run": 0}]
        assert (root / "data/kept").exists()
    finally:
        for name in ("data", "run", "sys", "proc"):
            kernel.unmount(str(root / name), kernel.MNT_DETACH)


def test_a_terminal_cannot_be_typed_into(root: Path) -> None:
    def work(tell: Tell) -> None:
        master, slave = os.openpty()
        try:
            fcntl.ioctl(slave, 0x5412, b"x")
        except OSError as exc:
            tell({"error": errno.errorcode[exc.errno or 0]})
        os.close(master)
    assert answers(root, work) == [{"error": "EPERM"}]


@pytest.fixture
def without_namespaces(root: Path) -> Iterator[List[str]]:
    yield ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "--",
           sys.executable, "-c", "from ovirt_node_plugin.isolation import sealed, view\n"
           f"sealed.refuse_impossible(view.View({str(root)!r}))"]


def test_where_it_cannot_be_done_the_reason_is_told(
        root: Path, without_namespaces: List[str]) -> None:
    sealed.refuse_impossible(View(str(root)))
    done = subprocess.run(without_namespaces, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (f"{Refused.__name__}: programs in the root cannot be isolated from this machine"
            in done.stderr)
    assert "Operation not permitted" in done.stderr and "isolation = off" in done.stderr
