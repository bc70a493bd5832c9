"""Results as lines for a terminal."""
from __future__ import annotations

import shutil
import textwrap
from typing import List, Sequence

from ..operations.results import (
    INSTALL, KEEP, REMOVE, REPAIR, UPGRADE, Check, Plan, PluginAction, PluginInfo, PluginState,
)
from ..packages.repos import RepoState

_GROUPS = (("Installed Plugins", ("installed", "broken")), ("Available Plugins", ("available",)))
_PLANNED = {INSTALL: "Installing", UPGRADE: "Upgrading", REPAIR: "Repairing",
            REMOVE: "Removing", KEEP: "Keeping"}
_NARROWEST = 8  # columns that a cell always gets
_DONE = {INSTALL: "Installed", UPGRADE: "Upgraded", REPAIR: "Repaired", REMOVE: "Removed"}


def plan(result: Plan) -> List[str]:
    """Return the plan: dnf's table, then what changes with each plugin."""
    lines = [result.table.rstrip("\n")] if result.table else []
    if result.changes:
        lines += ["", f"Plugins for {result.target.name} in {result.target.root}:"]
    for plugin in result.plugins:
        lines += _planned(plugin, with_packages=bool(result.packages))
    lines += [f"Note: {note}" for note in result.notes]
    if not result.changes:
        lines.append("Nothing to do.")
    return lines


def done(result: Plan) -> List[str]:
    """Return what was done, a line a plugin."""
    return [f"{_DONE[plugin.action]} plugin {plugin.name} {plugin.version or plugin.old_version}."
            for plugin in result.plugins if plugin.action != KEEP]


def listing(states: Sequence[PluginState]) -> List[str]:
    """Return the tables of installed and available plugins."""
    lines: List[str] = []
    for title, kinds in _GROUPS:
        rows = [(state.name, state.version, _where(state)) for state in states
                if state.state in kinds]
        if rows:
            lines += [title, *_table(rows, paths=True)]
    for state in states:
        lines += [f"{state.name} is broken: {problem}" for problem in state.problems]
    return lines or ["No plugins."]


def infos(found: Sequence[PluginInfo]) -> List[str]:
    """Return a paragraph of fields for each plugin, as ``dnf info`` has it."""
    lines: List[str] = []
    for one in found:
        state = one.state
        fields = [("Name", state.name), ("Version", state.version), ("Vendor", state.vendor),
                  ("State", state.state), ("Source", state.source),
                  ("Installed", one.installed_at), ("Summary", state.summary), ("URL", one.url),
                  ("License", one.license)]
        for name, value in fields:
            lines += _field(name, value) if value else []
        for name, values in (("Needs", one.requires), ("Repos", one.repos),
                             ("Packages", one.packages), ("Settings", one.settings),
                             ("Problems", state.problems)):
            for position, value in enumerate(values):
                lines += _field(name if position == 0 else "", value)
        if one.description:
            lines += _field("Description", one.description)
        lines.append("")
    return lines[:-1]


def checks(found: Sequence[Check]) -> List[str]:
    """Return a line for each plugin that is well, and one for each problem."""
    lines: List[str] = []
    for check in found:
        name = f"{check.name} {check.version}".strip()
        if not check.problems:
            lines.append(f"{name}: ok")
        else:
            lines += [f"{name}: {problem}" for problem in check.problems]
    return lines or ["No plugins are installed."]


def repos(states: Sequence[RepoState]) -> List[str]:
    """Return the table of repositories."""
    rows = [("repo id", "state", "plugin", "reason")]
    rows += [(state.id, "on" if state.enabled else "off", state.plugin or "-", state.reason)
             for state in states]
    return _table(rows) if states else ["No repositories."]


def _planned(plugin: PluginAction, *, with_packages: bool) -> List[str]:
    if plugin.action == KEEP:
        return [f"Plugin {plugin.name} {plugin.version} is already installed."]
    version = (f"{plugin.old_version} -> {plugin.version}" if plugin.action == UPGRADE
               else plugin.version or plugin.old_version)
    vendor = f" ({plugin.vendor})" if plugin.vendor else ""
    lines = [f" {_PLANNED[plugin.action]} {plugin.name} {version}{vendor}"]
    lines += [f"   {line}" for line in (*plugin.off, *plugin.on)]
    if not (plugin.on or plugin.off):
        lines.append("   no setting changes")
    if not with_packages and plugin.action != REMOVE:
        lines.append("   no package changes")
    return lines + [f"   note: {note}" for note in plugin.notes]


def _where(state: PluginState) -> str:
    return "broken" if state.state == "broken" else state.source


def _table(rows: Sequence[Sequence[str]], *, paths: bool = False) -> List[str]:
    """Return rows as aligned columns that fit the terminal; what is too long is cut.

    ``paths`` says that the last column holds some, whose end tells more than their start.
    """
    width = shutil.get_terminal_size().columns
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in rows:
        cells = [_cut(cell, size) for cell, size in zip(row, widths)]
        if paths:
            cells[-1] = _cut(row[-1][::-1], widths[-1])[::-1]
        lines.append("  ".join(
            cell.ljust(size) for cell, size in zip(cells, widths)).rstrip())
    return lines


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else cell[:size - 3] + "..."


def _field(name: str, value: str) -> List[str]:
    """Return a field of a plugin, over as many lines as the terminal's width asks for."""
    width = max(shutil.get_terminal_size().columns - 15, 30)
    wrapped = [line for paragraph in value.split("\n")
               for line in textwrap.wrap(paragraph, width, break_long_words=False,
                                         break_on_hyphens=False) or [""]]
    return [f"{name if position == 0 else '':<12} : {line}".rstrip()
            for position, line in enumerate(wrapped)]
