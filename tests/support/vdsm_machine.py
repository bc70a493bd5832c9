"""The hook run as VDSM runs it: another user, its environment, a JSON file, its reading again.

The hook looks at ``/``. So it runs in a mount namespace in which this machine has,
besides its own, what a test puts into a folder: the registry, an rpm database, the
hook and the library where their packages put them. Nothing of that is in the hook.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from tests.support import schemas
from tests.support.dnf_runner import TOP

HOOK = "usr/libexec/vdsm/hooks/after_get_caps/50_node_plugins"
REGISTRY = "etc/ovirt.plugins.d"
MANIFESTS = "etc/ovirt.plugins-manifests.d"
RPMDB = "usr/share/rpm"
NOBODY = 65534
_SITE = "import dnf, os; print(os.path.dirname(os.path.dirname(dnf.__file__)))"

_ENTER = """set -e
layer=$1
shift
for folder in etc usr; do
    mount -t overlay overlay -o "ro,lowerdir=$layer/$folder:/$folder" "/$folder"
done
mount -t tmpfs -o mode=1777 tmpfs /tmp
exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
"""

# What lib/vdsm/common/hooks.py does with a JSON hook, told as one line of JSON. Its
# PYTHONPATH has the folder of "hooking", in which a module of ours lies in wait.
_VDSM = """
import json, os, subprocess, sys, tempfile
hook, mode, text = sys.argv[1], int(sys.argv[2], 8), sys.stdin.buffer.read()
os.mkdir('/tmp/vdsm')
for name in ('hooking', 'json', 'ovirt_node_plugin'):
    with open('/tmp/vdsm/%s.py' % name, 'w') as stream:
        stream.write('raise SystemExit(3)')
handle, path = tempfile.mkstemp()
os.write(handle, text)
os.close(handle)
os.chmod(path, mode)
env = dict(os.environ, PYTHONPATH=':/tmp/vdsm', _hook_json=path, HOME='/tmp/vdsm')
done = subprocess.Popen([hook], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
out, err = done.communicate()
with open(path, encoding='utf-8', errors='surrogateescape') as stream:
    after = stream.read()
left = sorted(set(os.listdir('/tmp')) - {'vdsm', os.path.basename(path)})
print(json.dumps([done.returncode, out.decode(), err.decode(), after,
                  '%o' % (os.stat(path).st_mode & 0o7777), left]))
"""


@dataclass(frozen=True)
class HookRun:
    """What a run of the hook left: exit status, output, the file's text and mode, new files."""

    status: int
    out: str
    err: str
    text: str
    mode: str
    left: List[str]

    @property
    def capabilities(self) -> Any:
        """The file's content as VDSM reads it."""
        return json.loads(self.text)

    @property
    def report(self) -> Dict[str, Any]:
        """What the hook added, from a run in which all went well."""
        assert (self.status, self.out, self.err, self.left) == (0, "", "", [])
        found = schemas.validated(self.capabilities, schemas.CAPABILITIES)
        report: Dict[str, Any] = found["nodePlugins"]
        return report

    @property
    def plugins(self) -> Dict[str, Dict[str, Any]]:
        """The plugins that the hook added, by name."""
        return {one["name"]: one for one in self.report["plugins"]}

    @property
    def states(self) -> Dict[str, Tuple[str, str]]:
        """State and problem of each plugin."""
        return {name: (one["state"], one["problem"]) for name, one in self.plugins.items()}


def installed_nevras(root: Path) -> List[str]:
    """Return the NEVRAs of what is installed in a root, but for keys, sorted."""
    return sorted(line for line in _rpm(root / RPMDB, "-qa", "--qf", "%{nevra}\n").split()
                  if not line.startswith("gpg-pubkey-"))


def empty_database(folder: Path) -> None:
    """Make an rpm database without a package, readable by everybody."""
    folder.mkdir(parents=True)
    _rpm(folder, "--initdb")


def _rpm(database: Path, *words: str) -> str:
    return subprocess.run(["rpm", "--dbpath", database, *words], stdout=subprocess.PIPE,
                          encoding="utf-8", check=True).stdout


class VdsmMachine:
    """This machine, with the hook installed and what is written into ``layer`` besides."""

    def __init__(self, layer: Path) -> None:
        self.layer = layer
        site = subprocess.run(["/usr/bin/python3", "-c", _SITE], stdout=subprocess.PIPE,
                              encoding="utf-8", check=True).stdout.strip().lstrip("/")
        self.library = layer / site / "ovirt_node_plugin"
        shutil.copytree(TOP / "ovirt_node_plugin", self.library,
                        ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["/usr/bin/python3", "-m", "compileall", "-q", "-s", layer, self.library],
                       check=True)
        (layer / HOOK).parent.mkdir(parents=True)
        shutil.copy2(TOP / "vdsm-hooks/after_get_caps/50_node_plugins", layer / HOOK)
        # as on EL and Node, where rpm looks there by itself
        (layer / "etc/rpm").mkdir(parents=True)
        (layer / "etc/rpm/macros").write_text(f"%_dbpath /{RPMDB}\n", encoding="utf-8")
        for folder in (layer, *(path for path in layer.rglob("*") if path.is_dir())):
            folder.chmod(0o755)

    def argv(self, words: Sequence[str]) -> List[str]:
        """Return the argument list of a program run on the machine by an ordinary user."""
        return ["unshare", "--mount", "sh", "-c", _ENTER, "sh", str(self.layer), *words]

    def run(self, text: str = "{}", *, mode: str = "600", timeout_s: float = 60) -> HookRun:
        """Run the hook on a JSON file that holds ``text``."""
        done = subprocess.run(
            self.argv(["/usr/bin/python3", "-I", "-c", _VDSM, f"/{HOOK}", mode]),
            input=text.encode(errors="surrogateescape"), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=timeout_s, cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0, done.stderr.decode()
        return HookRun(*json.loads(done.stdout))

    def put(self, name: str, data: bytes, *, manifest: bool = True) -> None:
        """Write a record, and a manifest beside it."""
        for path, content in ((f"{REGISTRY}/{name}", data),
                              (f"{MANIFESTS}/{name}.xml", b"<plugin-manifest/>")):
            if path.startswith(REGISTRY) or manifest:
                (self.layer / path).parent.mkdir(mode=0o755, exist_ok=True)
                (self.layer / path).write_bytes(content)

    def take(self, root: Path) -> None:
        """Take registry and rpm database from a root."""
        for name in (REGISTRY, MANIFESTS, RPMDB):
            shutil.copytree(root / name, self.layer / name)
