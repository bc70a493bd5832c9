"""What scriptlets can do on the full Node: forty honest steps, and attacks that need Python."""
from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Dict

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded

pytestmark = [pytest.mark.root]

STEPS = {
    "groupadd": "groupadd -r honest",
    "useradd": "useradd -r -g honest -d /var/lib/honest -s /bin/sh honest",
    "usermod": "usermod -c 'an agent' honest",
    "gpasswd": "gpasswd -a honest adm",
    "getent": "getent passwd honest | grep -q 'an agent'",
    "id": "id -nG honest | grep -qw adm",
    "chage": "chage -E -1 honest",
    "passwd": "passwd -l honest",
    "install": "install -d -o honest -g honest -m 0750 /var/lib/honest",
    "su": "su -s /bin/sh -c 'touch /var/lib/honest/su' honest",
    "runuser": "runuser -u honest -- touch /var/lib/honest/runuser",
    "setpriv": "setpriv --reuid honest --regid honest --clear-groups id -u",
    "owner": "test \"$(stat -c %U /var/lib/honest/su)\" = honest",
    "chown": "chown honest:adm /var/lib/honest/runuser",
    "setfacl": "chmod g+s /var/lib/honest",
    "setuid": "cp /bin/true /var/lib/honest/tool; chmod 4755 /var/lib/honest/tool",
    "setcap": "setcap cap_net_raw+ep /var/lib/honest/tool",
    "getcap": "getcap /var/lib/honest/tool | grep -q cap_net_raw",
    "mknod": "mknod -m 600 /var/lib/honest/null c 1 3",
    "mkfifo": "mkfifo -m 600 /var/lib/honest/fifo",
    "ldconfig": "ldconfig",
    "systemctl enable": "systemctl enable chronyd.service",
    "systemctl preset": "systemctl preset chronyd.service",
    "systemctl daemon-reload": "systemctl daemon-reload || :",
    "systemd-sysusers": "echo 'u honest2 - -' | systemd-sysusers -",
    "systemd-tmpfiles": "echo 'd /var/lib/honest/tmpfiles 0755 root root' | systemd-tmpfiles"
                        " --create -",
    "openssl": "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
               " -out /var/lib/honest/key",
    "openssl verify": "openssl pkey -in /var/lib/honest/key -pubout -out /dev/null",
    "python": "python3 -c 'import json, ssl, tempfile; tempfile.TemporaryFile().close()'",
    "perl": "perl -e 'print 1' | grep -q 1",
    "here document": "cat <<'EOF' | grep -q two\none\ntwo\nEOF",
    "mktemp": "rm \"$(mktemp)\" && rm -r \"$(mktemp -d -p /var/tmp)\"",
    "process substitution": "bash -c 'read -r line < <(echo one); test $line = one'",
    "terminal": "python3 -c 'import pty; pty.openpty()' && test -c /dev/tty",
    "shared memory": "python3 -c 'from multiprocessing import Lock; Lock()'",
    "devices": "head -c 8 /dev/urandom > /dev/null",
    "stdin": "echo 1 | cat /dev/stdin | grep -q 1",
    "proc": "grep -q MemTotal /proc/meminfo",
    "background": "sleep 0 & wait",
    "xattr": "python3 -c 'import os; os.setxattr(\"/var/lib/honest/su\", \"user.x\", b\"1\")'",
    "depmod": "for kernel in /usr/lib/modules/*; do depmod -a \"${kernel##*/}\"; done",
    "udevadm": "udevadm hwdb --update",
    "semodule": "semodule --list-modules=full | grep -q base",
    "unix socket": "python3 -c 'import socket; a, b = socket.socketpair(); a.send(b\"1\")'",
    "sysctl": "cat /proc/sys/kernel/ostype | grep -q Linux",
    "tar": "tar -C /etc -cf - passwd | tar -tf - | grep -q passwd",
    "flock": "flock /var/lib/honest/lock true",
}
RESULTS = "var/lib/honest.results"
# What is random.
DIFFERENT = {"key"}


def script() -> str:
    """Return the shell that does every step, and writes each one's status to a file."""
    lines = []
    for name, step in STEPS.items():
        lines += [f"( set -e\n{step}\n) >/dev/null 2>&1; echo \"{name}: $?\" >> /{RESULTS}"]
    return "\n".join(lines)


def results(root: Path) -> Dict[str, str]:
    """Return the status of every step."""
    return dict(line.split(": ") for line in (root / RESULTS).read_text().splitlines())


def state(root: Path) -> Dict[str, object]:
    """Return what the steps made."""
    folder = root / "var/lib/honest"
    found: Dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        found[path.name] = (
            oct(info.st_mode), info.st_uid, info.st_gid, info.st_rdev,
            {name: os.getxattr(path, name, follow_symlinks=False)
             for name in os.listxattr(path, follow_symlinks=False)},
            path.name in DIFFERENT or not path.is_file() or path.read_bytes())
    for name in ("passwd", "group", "shadow", "gshadow"):
        found[name] = (root / "etc" / name).read_bytes()
    return found


def test_honest_steps_do_the_same_as_without_isolation(
        dnf: Dnf, full_root: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "honest", scriptlets={"post": script()})
    succeeded(dnf.plugin(full_root, "install", "-y", UNSIGNED, bundle))
    sealed, made = results(full_root), state(full_root)
    succeeded(dnf.plugin(full_root, "remove", "-y", "honest"))
    dnf.configure(isolation="off")
    succeeded(dnf.plugin(full_root, "install", "-y", UNSIGNED, bundle))
    assert sealed == results(full_root) == dict.fromkeys(STEPS, "0") and len(STEPS) >= 40
    assert made == state(full_root)


# Each function is an attack on what is outside of the root; OSError means that it failed.
ATTACK = """\
import ctypes, errno, fcntl, glob, json, os, socket, subprocess, sys
outside = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result < 0: raise OSError(ctypes.get_errno(), "refused")
    return result
def climb():
    if not os.fork():
        try:
            os.makedirs("/var/tmp/inner", exist_ok=True)
            os.chroot("/var/tmp/inner")
            for _ in range(64): os.chdir("..")
            os.chroot(".")
            open(outside + "/climbed", "w").close()
        except OSError as exc:
            os._exit(exc.errno)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    if code: raise OSError(code, "refused")
def handle():
    data = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(132))
    mount = ctypes.c_int()
    top = os.open("/usr", os.O_RDONLY)
    checked(libc.name_to_handle_at(top, b".", data, ctypes.byref(mount), 0))
    data = ctypes.create_string_buffer(data.raw[:8] + (2).to_bytes(4, "little") + data.raw[12:])
    checked(libc.open_by_handle_at(top, data, os.O_RDONLY))
def root_of(pid):
    return lambda: open(f"/proc/{pid}/root{outside}/by-proc", "w").close()
def trace_parent():
    checked(libc.ptrace(16, os.getppid(), 0, 0))
    os.waitpid(os.getppid(), 0x40000000)
def type_in(): fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), 0x5412, b"x")
def files():
    for name in glob.glob("/proc/[0-9]*/fd/*"):
        try: link = os.readlink(name)
        except OSError: continue
        if link.startswith("/") and not link.startswith(("/dev", "/proc", sys.argv[2])):
            with open(outside + "/files", "w"): pass
            raise SystemExit(link)
    raise OSError(errno.ENOENT, "nothing")
def connect(family, *address):
    def attack():
        with socket.socket(family, socket.SOCK_STREAM) as client: client.connect(*address)
    return attack
attacks = {
    "climb": climb, "handle": handle, "terminal": type_in, "files": files,
    "first process": root_of(1), "caller": root_of(int(sys.argv[3])),
    "kill": lambda: os.kill(int(sys.argv[4]), 9),
    "abstract socket": connect(socket.AF_UNIX, "\\0attack-" + sys.argv[4]),
    "socket by path": connect(socket.AF_UNIX, outside + "/socket"),
    "loopback": connect(socket.AF_INET, ("127.0.0.1", int(sys.argv[5]))),
    "vsock": connect(socket.AF_VSOCK, (2, 1)),
    "namespace": lambda: checked(libc.unshare(0x20000)),
    "user namespace": lambda: checked(libc.unshare(0x10000000)),
    "unmount": lambda: checked(libc.umount2(b"/proc", 2)),
    "limits": lambda: __import__("resource").prlimit(int(sys.argv[4]), 7, (0, 0)),
    "core": lambda: open("/proc/sys/kernel/core_pattern", "w").close(),
    "keyring": lambda: checked(libc.syscall(250, 0, -4, 1, 0, 0)),
}
outcomes = {}
for name, attack in attacks.items():
    ctypes.set_errno(0)
    try: attack()
    except OSError as exc: outcomes[name] = "refused"
    except BaseException as exc: outcomes[name] = repr(exc)
    else: outcomes[name] = "done"
json.dump(outcomes, open("/var/lib/outcomes.json", "w"))
"""


X86 = pytest.mark.skipif(os.uname().machine != "x86_64",
                         reason="numbers of system calls of x86_64")


def attacked(dnf: Dnf, root: Path, folder: Path, slot: str) -> Dict[str, str]:
    """Return how the attacks of a scriptlet ended, by their names."""
    outside = folder / "outside"
    outside.mkdir()
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(subprocess.Popen(["sleep", "1000"]))
        stack.callback(target.kill)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for address in (f"\0attack-{target.pid}", str(outside / "socket")):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(address)
            server.listen()
        words = " ".join(map(str, (outside, root, os.getpid(), target.pid, tcp.getsockname()[1])))
        bundle = make_plugin(folder, "hostile", files={"/opt/hostile/attack.py": ATTACK},
                             scriptlets={slot: f"python3 /opt/hostile/attack.py {words}"})
        succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, bundle))
    outcomes: Dict[str, str] = json.loads((root / "var/lib/outcomes.json").read_text())
    return outcomes


@X86
@pytest.mark.parametrize("slot", ["post", "triggerin -- hostile", "posttrans"])
def test_attacks_in_a_scriptlet_are_refused_by_the_kernel(
        dnf: Dnf, full_root: Path, tmp_path: Path, slot: str) -> None:
    outcomes = attacked(dnf, full_root, tmp_path, slot)
    assert {name for name, outcome in outcomes.items() if outcome != "refused"} == set()
    assert sorted(os.listdir(tmp_path / "outside")) == ["socket"]


@X86
def test_without_isolation_attacks_in_a_scriptlet_succeed(
        dnf: Dnf, full_root: Path, tmp_path: Path) -> None:
    dnf.configure(isolation="off")
    outcomes = attacked(dnf, full_root, tmp_path, "post")
    assert {"climb", "kill", "abstract socket", "loopback", "limits"} <= {
        name for name, outcome in outcomes.items() if outcome == "done"}
