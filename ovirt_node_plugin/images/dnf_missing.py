"""Why ``dnf node-plugin`` cannot be run on this machine, and what makes it possible."""
from __future__ import annotations

import os
import re
import shutil

from ..errors import CommandError, NodePluginError

_PACKAGE = "python3-dnf-plugin-node-plugin"
_CONFIG = "/etc/dnf/plugins/node-plugin.conf"


def no_program() -> CommandError:
    """Return the error for a machine that has no DNF 4."""
    more = (", and dnf on this machine is DNF 5, which does not load the plugin node-plugin"
            if _is_dnf5() else "")
    return CommandError(f"dnf-3 cannot be started: it is not installed{more}",
                        argv=["dnf-3"], returncode=None,
                        hint="Install python3-dnf, which contains dnf-3.")


def no_command(said: str) -> NodePluginError:
    """Return the error for a DNF 4 without the command node-plugin.

    ``said`` is what it printed to standard error, in English.
    """
    what = "dnf-3 has no command node-plugin"
    failed = re.search(r'^Failed loading plugin "node_plugin": (.*)$', said, re.MULTILINE)
    if failed:
        return NodePluginError(f"{what}: its plugin cannot be loaded: {failed.group(1)}",
                               hint=f"Reinstall {_PACKAGE} and what it requires.")
    if "loading of plugins is currently disabled" in said:
        return NodePluginError(f"{what}: plugins=0 in dnf.conf disables every plugin",
                               hint="Set plugins=1 in /etc/dnf/dnf.conf, or use"
                                    " --setopt=plugins=1.")
    if re.search(r"enable plugin patterns: .*\bnode_plugin\b", said):
        return NodePluginError(f"{what}: its plugin is not installed", hint=f"Install {_PACKAGE}.")
    return NodePluginError(f"{what}: its plugin is disabled", hint=f"Set enabled = 1 in {_CONFIG}.")


def is_no_command(said: str) -> bool:
    """Return whether DNF 4 failed because it does not know the command node-plugin."""
    return "No such command: node-plugin" in said


def _is_dnf5() -> bool:
    """Return whether the program dnf is a link to dnf5, as Fedora's package of DNF 5 makes it."""
    found = shutil.which("dnf")
    return found is not None and os.path.basename(os.path.realpath(found)) == "dnf5"
