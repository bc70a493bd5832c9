"""SELinux settings on a running system whose kernel may run without SELinux."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.system.run import run
from tests.boot.test_live_host import HOST, LiveHost
from tests.support import quick_rpm
from tests.support.container import booted
from tests.support.dnf_runner import TOP
from tests.support.full_host import full_host_root
from tests.support.selinux_root import MODULE, POLICY, STORE, add_policy
from tests.support.settings_root import differences, tree

pytestmark = [pytest.mark.root]

SOURCE = "/usr/share/acme/acme.cil"


def test_the_policy_of_a_running_system_is_changed_and_restored(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    release = quick_rpm("redhat-release", "9.4", provides=["system-release = 9.4", "/bin/sh"])
    with full_host_root(tmp_path / "system") as root:
        run(["rpm", f"--root={root}", "--define=_dbpath /var/lib/rpm", "--install", release])
        (root / "etc/os-release").unlink()
        (root / "etc/os-release").write_text(HOST)
        add_policy(root)
        before = tree(root / f"etc/selinux/{POLICY}"), tree(root / STORE)
        with booted(root, shared=[TOP, shared]) as machine:
            host = LiveHost(machine, shared)
            bundle = host.bundle("acme", {SOURCE: MODULE}, [
                f'<selinux-module source="{SOURCE}" name="acme"/>',
                '<selinux-boolean name="use_nfs" value="off"/>',
                '<selinux-file-context type="acme_t" path="/usr/share/acme(/.*)?"/>'])
            host.plugin("install", bundle, "-y")
            assert "acme_t" in machine("matchpathcon", "-n", SOURCE)
            assert host.plugin("verify").out.strip() == "acme 1.0: ok"
            host.plugin("remove", "acme", "-y")
        after = tree(root / f"etc/selinux/{POLICY}"), tree(root / STORE)
        assert [differences(*pair) for pair in zip(before, after)] == [[], []]
