"""Build what dnf is measured on: a Node root, a large repository and the repository of a plugin."""
from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, List

from ovirt_node_plugin.system.run import StrPath, run
from tests.support import (
    Fixtures,
    SigningKey,
    copy_tree,
    descriptor_xml,
    fixtures,
    make_repo,
    repo_file,
)
from tests.support import bulk as bulk_source
from tests.support.bulk import Bulk, build_bulk, bulk, write_metadata
from tests.support.cache import cached
from tests.support.node_build import NODE_DATABASE

PLUGIN = "bench"
OFFERED_REPO = "offered"
_HOOK = "/usr/share/bench-agent/before_vm_start.py"
_PLUGIN_PACKAGES = 8
# Of the offered packages that are installed, one in eight has a newer version.
_NEWER_EVERY = 8
_UNIT = """[Unit]
Description=Agent

[Service]
ExecStart=/opt/bench/agent/bin/agent

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class BenchRoot:
    """A root to copy, and the names of the packages that the plugin installs.

    ``packages`` is the number of packages in the root, ``offered`` the number in the large
    repository. The root's ``.repo`` files define both repositories: ``offered``, which is
    enabled, and the plugin's, which is disabled.
    """

    root: str
    packages: int
    offered: int
    installs: List[str]


def cached_bench_root(packages: int, offered: int) -> BenchRoot:
    """Return a root of ``packages`` packages and a repository of ``offered``, built once.

    The root has at least the packages of the small image of the tests. A separate process
    builds them, because getrusage(2) keeps the peak memory over execve(2): a program that this
    process starts would show at least this process's peak.
    """
    top = Path(__file__).resolve().parent.parent
    answer = run(["env", f"PYTHONPATH={top}", sys.executable, "-m", __name__,
                  str(packages), str(offered)])
    return BenchRoot(**json.loads(answer))


def build_bench_root(packages: int, offered: int) -> BenchRoot:
    """Do the work of ``cached_bench_root`` in this process."""
    built = fixtures()
    folder = cached(_label(built, packages, offered),
                    lambda out, final: _build(built, out, final, packages, offered))
    return BenchRoot(str(folder / "root"), _count(folder / "root"), offered,
                 [package.name for package in _plugin_packages()])


def _label(built: Fixtures, packages: int, offered: int) -> str:
    digest = hashlib.sha256(built.folder.name.encode())
    for source in (__file__, bulk_source.__file__):
        digest.update(Path(source).read_bytes())
    return f"bench/{digest.hexdigest()[:16]}-{packages}-{offered}"


def _build(built: Fixtures, out: Path, final: Path, packages: int, offered: int) -> None:
    root = built.node_root(out / "root")
    missing = max(0, packages - _count(root))
    rpms = build_bulk([bulk(index) for index in range(missing)], out / "rpms")
    if rpms:
        # /usr/share has two thirds of the files. Only their entries in the rpm database are
        # needed, and without them a copy of the root is three times as fast.
        run([*rpm_of(root), "--define", "_flush_io 0", "--nosignature", "--noplugins",
             "--excludepath=/usr/share", "--install", *rpms])
    shutil.rmtree(out / "rpms", ignore_errors=True)
    run(["rpmkeys", *rpm_of(root)[1:], "--import", built.key.path])
    write_metadata(out / OFFERED_REPO, [_offered(index, missing) for index in range(offered)])
    _write_plugin_repo(out, built.key)
    # Metadata never expires, so that dnf does not read it again in a root cached for days.
    for name, enabled in ((OFFERED_REPO, True), (PLUGIN, False)):
        text = repo_file(name, f"file://{final}/{name}", key=built.key, enabled=enabled)
        (root / f"etc/yum.repos.d/{name}.repo").write_text(f"{text}metadata_expire=never\n")


def rpm_of(root: StrPath) -> List[str]:
    """Return the first arguments of an rpm command on ``root``."""
    return ["rpm", "--root", str(root), "--dbpath", NODE_DATABASE]


def _count(root: Path) -> int:
    return len(run([*rpm_of(root), "--query", "--all"]).splitlines())


def _offered(index: int, installed: int) -> Bulk:
    newer = index < installed and index % _NEWER_EVERY == 0
    return bulk(index, version="1.1" if newer else "1.0")


def _write_plugin_repo(out: Path, key: SigningKey) -> None:
    rpms = build_bulk(_plugin_packages(), out / PLUGIN)
    key.sign(rpms)
    descriptor = out / "node-plugin.xml"
    descriptor.write_text(descriptor_xml(
        PLUGIN, install=[package.name for package in _plugin_packages()], repos=[PLUGIN],
        settings=['<service name="bench-agent.service" state="enabled"/>',
                  '<kernel-module name="bench_module" options="debug=1"/>',
                  '<vdsm-hook point="before_vm_start" order="50" name="bench"'
                  f' source="{_HOOK}"/>']))
    make_repo(out / PLUGIN, descriptor=descriptor)


def _plugin_packages() -> List[Bulk]:
    """Return the plugin's packages: an agent with its unit and hook, and its dependencies."""
    parts = [f"bench-agent-{number}" for number in range(1, _PLUGIN_PACKAGES)]
    agent: Dict[str, bytes] = {
        "/usr/lib/systemd/system/bench-agent.service": _UNIT.encode(),
        "/etc/bench-agent/agent.conf": b"[agent]\n", "/usr/share/bench-agent/": b"",
        _HOOK: b"#!/usr/bin/python3\n", **_payload("bench-agent")}
    first = Bulk("bench-agent", "1.0", agent, requires=(*parts, "vdsm", "systemd"),
                 post="touch /var/lib/bench-agent-was-here")
    return [first, *(Bulk(name, "1.0", _payload(name), requires=("glibc",)) for name in parts)]


def _payload(name: str) -> Dict[str, bytes]:
    """Return files like those of a vendor's program: 2 MB, of which half is compressible."""
    pick = random.Random(name)
    folder = f"/opt/bench/{name}"
    return {f"{folder}/lib/part{number:02d}": pick.getrandbits(8 * 20_000).to_bytes(20_000, "big")
            + b"text " * 4_000 for number in range(50)}


def fresh_root(source: StrPath, dest: Path) -> Path:
    """Replace ``dest`` by a copy of the root ``source`` and return it."""
    shutil.rmtree(dest, ignore_errors=True)
    return copy_tree(Path(source), dest)


if __name__ == "__main__":
    print(json.dumps(asdict(build_bench_root(int(sys.argv[1]), int(sys.argv[2])))))
