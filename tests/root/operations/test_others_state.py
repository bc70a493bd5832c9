"""Scriptlets that change the registry, the journal, the image's mark, or other plugins."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.registry import store
from ovirt_node_plugin.system.path_sets import (
    IMAGE_MANIFESTS,
    IMAGE_MARK,
    IMAGE_REGISTRY,
    JOURNAL,
    MANIFESTS,
    REGISTRY,
)
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf
from tests.support.tree_states import state_differences, tree_state

UNIT = "/usr/lib/systemd/system/cim.service"
WANTS = "/etc/systemd/system/multi-user.target.wants/cim.service"
SERVICE = '<service name="cim.service" state="enabled"/>'
FILES = {
    "/opt/cim/agent": "program\n", "/opt/cim/large": "x" * 300_000, "/etc/cim.conf": "one\n",
    UNIT: ("[Unit]\n[Service]\nExecStart=/bin/true\n"
           "[Install]\nWantedBy=multi-user.target\n")}

# By what they do: the scriptlet, and the path or plugin that the message names
ATTACKS: Dict[str, Tuple[str, str]] = {
    "removes a record": (f"rm /{REGISTRY}/cim", f"/{REGISTRY}/cim"),
    "removes all records": (f"rm -r /{REGISTRY}", f"/{REGISTRY}/cim"),
    "changes a record": (f"echo >> /{REGISTRY}/cim", f"/{REGISTRY}/cim"),
    "replaces a record": (f"cp -p /{REGISTRY}/cim /opt/x; mv /opt/x /{REGISTRY}/cim",
                          f"/{REGISTRY}/cim"),
    "makes a record a link": (f"mv /{REGISTRY}/cim /opt/x; ln -s /opt/x /{REGISTRY}/cim",
                              f"/{REGISTRY}/cim"),
    "adds a record": (f"cp /{REGISTRY}/cim /{REGISTRY}/fake", f"/{REGISTRY}/fake"),
    "adds a hidden file": (f"touch /{REGISTRY}/.x", f"/{REGISTRY}/.x"),
    "makes the registry a link": (
        f"mv /{REGISTRY} /opt/lk; ln -s /opt/lk /{REGISTRY}", f"/{REGISTRY}"),
    "opens the registry": (f"chmod 777 /{REGISTRY}", f"/{REGISTRY}"),
    "ruins undo data": (f"echo x > /{MANIFESTS}/cim.xml", f"/{MANIFESTS}/cim.xml"),
    "removes an inventory": (f"rm /{MANIFESTS}/cim.json.gz", f"/{MANIFESTS}/cim.json.gz"),
    "makes the folder of undo data a link": (
        f"mv /{MANIFESTS} /opt/lk; ln -s ../opt/lk /{MANIFESTS}", f"/{MANIFESTS}"),
    "makes a registry of an image": (
        f"mkdir /{IMAGE_REGISTRY}; cp /{REGISTRY}/cim /{IMAGE_REGISTRY}/fake",
        f"/{IMAGE_REGISTRY}/fake"),
    "makes undo data of an image": (
        f"mkdir /{IMAGE_MANIFESTS}; echo x > /{IMAGE_MANIFESTS}/cim.xml",
        f"/{IMAGE_MANIFESTS}/cim.xml"),
    "makes a mark of an image": (
        f"mkdir -p /{IMAGE_MARK.rpartition('/')[0]}; echo '{{}}' > /{IMAGE_MARK}",
        f"/{IMAGE_MARK}"),
    "removes a file of a plugin": ("rm /opt/cim/agent", "/opt/cim/agent"),
    "changes a file of a plugin": ("echo evil >> /opt/cim/agent", "/opt/cim/agent"),
    "changes a large file of a plugin": ("echo evil >> /opt/cim/large", "/opt/cim/large"),
    "changes a file of a plugin, and its times back": (
        "touch -r /opt/cim/agent /opt/x; echo evil!!! > /opt/cim/agent;"
        " touch -r /opt/x /opt/cim/agent", "/opt/cim/agent"),
    "makes a file of a plugin a link": (
        "mv /opt/cim/agent /opt/x; ln -s /opt/x /opt/cim/agent", "/opt/cim/agent"),
    "makes a file of a plugin setuid": ("chmod u+s /opt/cim/agent", "/opt/cim/agent"),
    "changes the folder of a plugin": ("chmod 777 /opt/cim", "/opt/cim"),
    "makes the folder of a plugin a link": (
        "mv /opt/cim /opt/x; ln -s /opt/x /opt/cim", "/opt/cim"),
    "changes the configuration of a plugin": ("echo evil > /etc/cim.conf", "/etc/cim.conf"),
    "switches off a setting of a plugin": (f"rm {WANTS}", "a setting of plugin cim: "),
}

# Attacks on the journal, and whether the change can be undone without isolation
ON_JOURNAL = {
    f"echo >> /{JOURNAL}/journal.json": "",
    f"rm /{JOURNAL}/journal.json": "",
    f"rm /{JOURNAL}/journal.json; mkdir -p /{JOURNAL}/journal.json/x": "",
    f"touch /{JOURNAL}/x": "",
    f"mv /{JOURNAL} /opt/j; ln -s /opt/j /{JOURNAL}": "",
    "mv /var/lib/ovirt-node-plugin /opt; ln -s /opt/ovirt-node-plugin /var/lib": "",
    f"rm -r /{JOURNAL}": "was removed",
    f"rm /{JOURNAL}/content; echo evil >> /etc/cim.conf": "saved content is missing",
    f"true > /{JOURNAL}/content; echo evil >> /etc/cim.conf": "saved content is missing",
}


def install(dnf: Dnf, root: Path, bundle: Path) -> Answer:
    return dnf.plugin(root, "install", bundle, "-y", UNSIGNED)


@pytest.fixture
def cim(host: Path, dnf: Dnf, tmp_path: Path) -> Path:
    """Return a root with the plugin cim."""
    bundle = make_plugin(tmp_path, "cim", files=FILES, settings=[SERVICE],
                         attributes={"/etc/cim.conf": "%config"})
    answer = install(dnf, host, bundle)
    assert answer.status == 0, answer.err
    return host


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_scriptlet_that_changes_what_is_others_is_rolled_back_and_named(
        cim: Path, dnf: Dnf, tmp_path: Path, attack: str) -> None:
    script, named = ATTACKS[attack]
    before = tree_state(cim)
    answer = install(dnf, cim, make_plugin(tmp_path, "sly", requires="busybox",
                                           scriptlets={"post": script}))
    assert answer.status == Status.ROLLED_BACK, answer.out + answer.err
    assert "changed what belongs to others" in answer.err and named in answer.err
    assert state_differences(before, tree_state(cim)) == []
    assert dnf.plugin(cim, "verify").status == 0


@pytest.mark.parametrize("script", ON_JOURNAL)
def test_an_isolated_scriptlet_cannot_change_the_journal(cim: Path, dnf: Dnf, tmp_path: Path,
                                                         script: str) -> None:
    before = tree_state(cim)
    script = "; ".join(f"({command}) || true" for command in script.split("; "))
    answer = install(dnf, cim, make_plugin(tmp_path, "sly", requires="busybox", scriptlets={
        "post": f"{script}; mv /var/lib/ovirt-node-plugin /opt; echo evil > /etc/new; false"}))
    assert answer.status == Status.ROLLED_BACK and "belongs to others" not in answer.err
    assert state_differences(before, tree_state(cim)) == []


@pytest.mark.parametrize("script", ON_JOURNAL)
def test_a_scriptlet_that_changes_the_journal_without_isolation_is_named(
        cim: Path, dnf: Dnf, tmp_path: Path, script: str) -> None:
    dnf.configure(isolation="off")
    before = tree_state(cim)
    answer = install(dnf, cim, make_plugin(tmp_path, "sly", requires="busybox",
                                           scriptlets={"post": script}))
    assert "changed what belongs to others:\n  /var/lib/ovirt-node-plugin" in answer.err
    if ON_JOURNAL[script]:
        assert answer.status == Status.BROKEN
        assert ON_JOURNAL[script] in answer.err and "Unpack the root again." in answer.err
    else:
        assert answer.status == Status.ROLLED_BACK
        assert state_differences(before, tree_state(cim)) == []


@pytest.mark.parametrize("attack", ["adds a record", "changes a file of a plugin"])
def test_a_scriptlet_of_a_removal_that_changes_what_is_others_is_rolled_back(
        cim: Path, dnf: Dnf, tmp_path: Path, attack: str) -> None:
    script, named = ATTACKS[attack]
    assert install(dnf, cim, make_plugin(tmp_path, "sly", requires="busybox",
                                         scriptlets={"postun": script})).status == 0
    before = tree_state(cim)
    answer = dnf.plugin(cim, "remove", "sly", "-y")
    assert answer.status == Status.ROLLED_BACK and named in answer.err
    assert state_differences(before, tree_state(cim)) == []


def test_scriptlets_may_change_what_several_plugins_share(cim: Path, dnf: Dnf,
                                                          tmp_path: Path) -> None:
    answer = install(dnf, cim, make_plugin(
        tmp_path, "fine", requires="busybox", files={"/opt/cim/of-fine": "x"}, scriptlets={
            "post": """
                echo 'fine:x:990:990::/:/bin/false' >> /etc/passwd; echo > /etc/ld.so.cache
                ln -s ../../opt/cim/of-fine /etc/fine; mkdir -p /etc/alternatives
                ln -s /opt/cim/of-fine /etc/alternatives/fine
                touch /opt/cim/agent; chmod 755 /opt/cim"""}))
    assert answer.status == 0, answer.err
    assert dnf.plugin(cim, "remove", "fine", "-y").status == 0
    assert store.names(cim) == ("cim",)


def test_an_upgrade_of_both_plugins_may_change_both(cim: Path, dnf: Dnf, tmp_path: Path) -> None:
    newer = make_plugin(tmp_path, "cim", "2.0", requires="busybox",
                        files={**FILES, "/opt/cim/agent": "new\n"},
                        scriptlets={"post": "echo evil >> /opt/cim/agent"},
                        settings=[SERVICE])
    answer = install(dnf, cim, newer)
    assert answer.status == 0, answer.err
