"""Plugins for the full Node with real agents from Debian, as a vendor would ship them."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from tests import support
from tests.support.full_node import full_node
from tests.support.tree_states import overlay_differences

_SERVICE = '<service name="{}.service" state="enabled"/>'
# The packages, the first of which the descriptor installs, and the settings.
_PLUGINS: Dict[str, Tuple[Sequence[str], Sequence[str]]] = {
    "exporter": (["prometheus-node-exporter"], [
        '<user name="prometheus"/>', _SERVICE.format("prometheus-node-exporter"),
        '<firewall-port port="9100" protocol="tcp"/>']),
    "monit": (["monit"], [_SERVICE.format("monit")]),
    "zabbix": (["zabbix-agent", "libmodbus"], [
        _SERVICE.format("zabbix-agent"), '<firewall-port port="10050" protocol="tcp"/>']),
}
AGENTS = tuple(_PLUGINS)
UNITS = ("prometheus-node-exporter.service", "monit.service", "zabbix-agent.service")


def agent_plugin(folder: Path, name: str) -> Path:
    """Write the bundle of one of AGENTS below ``folder`` and return it; its RPMs are unsigned."""
    packages, settings = _PLUGINS[name]
    repo = support.RpmRepo(folder / f"{name}.repo", name)
    for rpm in full_node().vendor(*packages):
        repo.add_file(rpm)
    return support.write_bundle(folder / name, support.descriptor_xml(
        name, repos=[name], install=packages[:1], settings=settings), repo=repo)


def changes_to_full_node(node: Path) -> List[str]:
    """Return the differences between an overlay of the full Node and the image."""
    return overlay_differences(node, lower=full_node().tree, upper=node.with_name("upper"))
