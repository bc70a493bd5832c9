"""The hook, run as VDSM runs it: another user, VDSM's environment, and a JSON file.

The hook reads ``/``. So it runs in a mount namespace in which an overlay adds to this
machine the files that a test writes into a folder: the registry, an rpm database, and
the hook and the library at their installed paths.
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

# Runs a JSON hook like lib/vdsm/common/hooks.py and prints the result as one line of JSON.
# PYTHONPATH has the folder of "hooking"; its other modules here end the hook when imported.
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
    """The result of the hook: exit status, output, the file's text and mode, new files."""

    status: int
    out: str
    err: str
    text: str
    mode: str
    new_files: List[str]

    @property
    def capabilities(self) -> Any:
        """The content of the file as VDSM reads it."""
        return json.loads(self.text)

    @property
    def report(self) -> Dict[str, Any]:
        """The report that a successful run of the hook added."""
        assert (self.status, self.out, self.err, self.new_files) == (0, "", "", [])
        capabilities = schemas.validated(self.capabilities, schemas.CAPABILITIES)
        report: Dict[str, Any] = capabilities["nodePlugins"]
        return report

    @property
    def plugins(self) -> Dict[str, Dict[str, Any]]:
        """The plugins of the report, by name."""
        return {plugin["name"]: plugin for plugin in self.report["plugins"]}

    @property
    def states(self) -> Dict[str, Tuple[str, str]]:
        """The state and problem of each plugin, by name."""
        return {name: (plugin["state"], plugin["problem"])
                for name, plugin in self.plugins.items()}


def installed_nevras(root: Path) -> List[str]:
    """Return the NEVRAs of the packages of a root except gpg-pubkey, sorted."""
    return sorted(line for line in _rpm(root / RPMDB, "-qa", "--qf", "%{nevra}\n").split()
                  if not line.startswith("gpg-pubkey-"))


def empty_database(folder: Path) -> None:
    """Create an empty rpm database that everybody can read."""
    folder.mkdir(parents=True)
    _rpm(folder, "--initdb")


def _rpm(database: Path, *words: str) -> str:
    return subprocess.run(["rpm", "--dbpath", database, *words], stdout=subprocess.PIPE,
                          encoding="utf-8", check=True).stdout


class VdsmMachine:
    """This machine with an overlay of ``layer``, in which the hook is installed."""

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
        # the default of rpm on EL and Node
        (layer / "etc/rpm").mkdir(parents=True)
        (layer / "etc/rpm/macros").write_text(f"%_dbpath /{RPMDB}\n", encoding="utf-8")
        for folder in (layer, *(path for path in layer.rglob("*") if path.is_dir())):
            folder.chmod(0o755)

    def argv(self, words: Sequence[str]) -> List[str]:
        """Return the argument list that runs a program on the machine as an ordinary user."""
        return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _ENTER, "sh",
                str(self.layer), *words]

    def run(self, text: str = "{}", *, mode: str = "600", timeout_s: float = 60) -> HookRun:
        """Run the hook on a JSON file that contains ``text``."""
        completed = subprocess.run(
            self.argv(["/usr/bin/python3", "-I", "-c", _VDSM, f"/{HOOK}", mode]),
            input=text.encode(errors="surrogateescape"), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=timeout_s, cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        assert completed.returncode == 0, completed.stderr.decode()
        return HookRun(*json.loads(completed.stdout))

    def write_record(self, name: str, data: bytes, *, manifest: bool = True) -> None:
        """Write a record and, by default, a manifest."""
        for path, content in ((f"{REGISTRY}/{name}", data),
                              (f"{MANIFESTS}/{name}.xml", b"<plugin-manifest/>")):
            if path.startswith(REGISTRY) or manifest:
                (self.layer / path).parent.mkdir(mode=0o755, exist_ok=True)
                (self.layer / path).write_bytes(content)

    def copy_databases(self, root: Path) -> None:
        """Copy the registry and the rpm database of a root to the machine."""
        for name in (REGISTRY, MANIFESTS, RPMDB):
            shutil.copytree(root / name, self.layer / name)
