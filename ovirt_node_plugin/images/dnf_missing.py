"""Errors for a machine that cannot run ``dnf node-plugin``: the reason, and the repair."""
from __future__ import annotations

import os
import re
import shutil

from ..errors import CommandError, NodePluginError

PACKAGE = "python3-dnf-plugin-node-plugin"
_CONFIG = "/etc/dnf/plugins/node-plugin.conf"


def no_program() -> CommandError:
    """Return the error for a machine that has no DNF 4."""
    more = (", and dnf on this machine is DNF 5, which does not load the plugin node-plugin"
            if _is_dnf5() else "")
    return CommandError(f"dnf-3 cannot be started: it is not installed{more}",
                        argv=["dnf-3"], returncode=None,
                        hint="Install python3-dnf, which contains dnf-3.")


def no_command(stderr: str) -> NodePluginError:
    """Return the error for a DNF 4 without the command node-plugin.

    ``stderr`` is what DNF printed to standard error, in English.
    """
    what = "dnf-3 has no command node-plugin"
    failed = re.search(r'^Failed loading plugin "node_plugin": (.*)$', stderr, re.MULTILINE)
    if failed:
        return NodePluginError(f"{what}: its plugin cannot be loaded: {failed.group(1)}",
                               hint=f"Reinstall {PACKAGE} and what it requires.")
    if "loading of plugins is currently disabled" in stderr:
        return NodePluginError(f"{what}: plugins=0 in dnf.conf disables every plugin",
                               hint="Set plugins=1 in /etc/dnf/dnf.conf, or use"
                                    " --setopt=plugins=1.")
    if re.search(r"enable plugin patterns: .*\bnode_plugin\b", stderr):
        return NodePluginError(f"{what}: its plugin is not installed", hint=f"Install {PACKAGE}.")
    return NodePluginError(f"{what}: its plugin is disabled", hint=f"Set enabled = 1 in {_CONFIG}.")


def is_no_command(stderr: str) -> bool:
    """Return whether DNF 4 failed because it does not know the command node-plugin."""
    return "No such command: node-plugin" in stderr


def _is_dnf5() -> bool:
    """Return whether the program dnf is a link to dnf5, as Fedora's package of DNF 5 makes it."""
    program = shutil.which("dnf")
    return program is not None and os.path.basename(os.path.realpath(program)) == "dnf5"
