"""The results of ``dnf node-plugin`` as lines of text."""
from __future__ import annotations

import shutil
import textwrap
from typing import Dict, List, Sequence, Union

from ..operations.model.answers import PlanAnswer
from ..operations.model.next_steps import repair_text
from ..operations.model.results import (
    ACCESS,
    BUS_NAME,
    CAPABILITIES,
    COCKPIT,
    COMMAND,
    DEVICE,
    DRIVER,
    DROP_IN,
    INSTALL,
    KEEP,
    LIBRARY,
    NAMESAKE,
    NOT_UPDATED,
    OFF,
    PROTECTED,
    REMOVE,
    REPAIR,
    SCRIPTLETS,
    SELINUX,
    STAYS,
    TMPFILES,
    UNIT,
    UPGRADE,
    Check,
    Notable,
    ParameterInfo,
    Plan,
    PlannedSetting,
    PluginAction,
    PluginInfo,
    PluginState,
    RecordCorrection,
    Signature,
    Space,
)
from ..packages.repos import RepoState
from ..registry.rules import LEVELS
from ..system.words import size
from .layout import field as _field
from .layout import table as _table

_GROUPS = (("Installed Plugins", ("installed", "broken")), ("Available Plugins", ("available",)))
_PLANNED = {INSTALL: "Installing", UPGRADE: "Upgrading", REPAIR: "Repairing",
            REMOVE: "Removing", KEEP: "Keeping"}
_ANY = LEVELS[0]
_MOST_FOLDERS = 6  # folders that a plan names
_MOST_PLAIN = 10  # drop-ins of a package that a plan names, if there is nothing to say of them
_REVIEWED = {
    CAPABILITIES: "file with capabilities", DROP_IN: "active without a setting",
    DEVICE: "device node", NAMESAKE: "same name as another",
    NOT_UPDATED: "not updated on a deployed host", ACCESS: "changes who may do what",
    UNIT: "changes a unit", TMPFILES: "changes files at boot",
    LIBRARY: "changes the libraries of programs", SELINUX: "changes the SELinux policy",
    PROTECTED: "in a protected place", COMMAND: "runs without a setting",
    BUS_NAME: "on D-Bus", COCKPIT: "page in Cockpit"}
_KEPT = {"repair": "has no problems"}  # by operation, why a plugin is not changed
_DONE = {INSTALL: "Installed", UPGRADE: "Upgraded", REPAIR: "Repaired", REMOVE: "Removed"}


def plan(result: Union[Plan, PlanAnswer]) -> List[str]:
    """Return the plan: dnf's table, then the changes of each plugin."""
    lines = result.table.rstrip("\n").split("\n") if result.table else []
    if result.changes:
        lines += ["", f"Plugins for {result.target.name} in {result.target.root}:"]
    for plugin in result.plugins:
        lines += _plugin_lines(plugin, with_packages=bool(result.packages),
                               kept=_KEPT.get(result.operation, "is already installed"))
    lines += _signature_lines(result.signatures)
    if result.space is not None and result.packages:
        lines.append(_disk_space(result.space, str(result.target.root)))
    lines += reviewed(result.noteworthy)
    lines += [f"Note: {note}" for note in result.notes]
    lines += unrepaired(result)
    if not result.changes:
        lines.append("Nothing to do.")
    return lines


def unrepaired(result: Union[Plan, PlanAnswer]) -> List[str]:
    """Return a line for each reason why a plugin is not repaired, or not completely."""
    return [f"Not repaired: {plugin.name} {plugin.version}".rstrip() + f": {reason}"
            for plugin in result.unrepaired for reason in plugin.reasons]


def done(result: Union[Plan, PlanAnswer]) -> List[str]:
    """Return one line for each plugin that was changed."""
    return [*(f"{'Changed' if _is_changed(plugin) else _DONE[plugin.action]} plugin {plugin.name}"
              f" {plugin.version or plugin.old_version}."
              for plugin in result.plugins if plugin.action != KEEP), *unrepaired(result)]


def listing(states: Sequence[PluginState]) -> List[str]:
    """Return the tables of installed and available plugins."""
    lines: List[str] = []
    for title, kinds in _GROUPS:
        rows = [(state.name, state.version, _source(state)) for state in states
                if state.state in kinds]
        if rows:
            lines += [title, *_table(rows, paths=True)]
    for state in states:
        lines += [f"{state.name} is broken: {problem}" for problem in state.problems]
    lines += [f"{state.name} {state.version} is {_catalog(state)} in the catalogs of this site"
              for state in states if state.catalog_status]
    return lines or ["No plugins."]


def infos(plugins: Sequence[PluginInfo]) -> List[str]:
    """Return a paragraph of fields for each plugin, as ``dnf info`` prints them."""
    lines: List[str] = []
    for plugin in plugins:
        state = plugin.state
        fields = [("Name", state.name), ("Version", state.version), ("Vendor", state.vendor),
                  ("State", state.state), ("Source", state.source),
                  ("Origin", state.origin.text() if state.origin is not None else ""),
                  ("Catalog", _catalog(state)), ("Trust", _trust(state)),
                  ("Installed", state.installed_at),
                  ("Summary", state.summary),
                  ("URL", plugin.url), ("License", plugin.license)]
        for name, value in fields:
            lines += _field(name, value) if value else []
        for name, values in (("Needs", plugin.requires), ("Repos", plugin.repos),
                             ("Packages", plugin.packages),
                             ("Parameters", [_parameter(each) for each in plugin.parameters]),
                             ("Settings", () if plugin.plan else plugin.settings),
                             ("Problems", state.problems)):
            for position, value in enumerate(values):
                lines += _field(name if position == 0 else "", value)
        if plugin.description:
            lines += _field("Description", plugin.description)
        if plugin.refused:
            lines += _field("Refused here", plugin.refused)
        if plugin.plan is not None and plugin.plan.changes:
            lines += ["", "Installing it here would do this:"]
            lines += [part for line in "\n".join(plan(plugin.plan)).splitlines()
                      for part in _wrapped(line)]
        lines.append("")
    return lines[:-1]


def _parameter(parameter: ParameterInfo) -> str:
    """Return a parameter with its value, or what it needs, as a line."""
    if parameter.given:
        value = "(secret)" if parameter.value is None else parameter.value
    else:
        value = "needed" if parameter.required else f"{parameter.value} by default"
    return f"{parameter.name} = {value}: {parameter.meaning} ({parameter.expected})"


def corrections(made: Sequence[RecordCorrection], *, only_planned: bool = False) -> List[str]:
    """Return one line for each correction of the registry in /etc."""
    words = "to be " if only_planned else ""
    return [f"{each.plugin}: {words}{each.action} {each.path}: {each.reason}." for each in made]


def checks(results: Sequence[Check], *, next_step: str = "") -> List[str]:
    """Return one line for each plugin without a problem, and one for each problem and note.

    ``next_step`` is the command that repairs the plugins.
    """
    lines: List[str] = []
    for check in results:
        name = f"{check.name} {check.version}".strip()
        lines += [f"{name}: {problem}" for problem in check.problems or ["ok"]]
        lines += [f"{name}: note: {note}" for note in check.notes]
    if next_step:
        lines.append(repair_text(next_step))
    return lines or ["No plugins are installed."]


def _catalog(state: PluginState) -> str:
    note = f" ({state.catalog_note})" if state.catalog_note else ""
    return f"{state.catalog_status}{note}"


def _trust(state: PluginState) -> str:
    trust = state.installed_trust
    if trust is None:
        return ""
    checks = ", installed with --nogpgcheck" if trust.nogpgcheck else ""
    return f"{trust.level}, packages {state.trust}{checks}"


def repos(states: Sequence[RepoState]) -> List[str]:
    """Return the table of repositories."""
    rows = [("repo id", "state", "plugin", "reason")]
    rows += [(state.id, "on" if state.enabled else "off", state.plugin or "-", state.reason)
             for state in states]
    return _table(rows) if states else ["No repositories."]


def _plugin_lines(plugin: PluginAction, *, with_packages: bool, kept: str) -> List[str]:
    if plugin.action == KEEP:
        return [f"Plugin {plugin.name} {plugin.version} {kept}.",
                *(f"   note: {note}" for note in plugin.notes),
                *([f"   {repair_text(plugin.next_step)}"] if plugin.next_step else [])]
    version = (f"{plugin.old_version} -> {plugin.version}" if plugin.action == UPGRADE
               else plugin.version or plugin.old_version)
    vendor = f" ({plugin.vendor})" if plugin.vendor else ""
    lines = [f" {'Changing' if _is_changed(plugin) else _PLANNED[plugin.action]} {plugin.name}"
             f" {version}{vendor}"]
    if plugin.origin_change:
        lines += ["   another origin than that of the installed version:",
                  *(f"     {line}" for line in plugin.origin_change)]
    lines += _trust_lines(plugin)
    lines += [f"   repairs: {problem}" for problem in plugin.repairs]
    if plugin.repairs and with_packages:
        lines.append(f"   packages from {plugin.source}")
    lines += [f"   {line}" for line in _file_counts(plugin)]
    lines += [f"   {parameter.text}" for parameter in plugin.parameters]
    for setting in sorted(plugin.settings, key=_dropped_first):
        lines += [f"   {setting.text}", *_content_lines(setting.content)]
    if not plugin.settings:
        lines.append("   no setting changes")
    if not with_packages and plugin.action != REMOVE:
        lines.append("   no package changes")
    lines += [f"   {line}" for line in plugin.now]
    lines += [f"   shares {share.kind} {share.name} with {', '.join(share.plugins)}"
              for share in plugin.shares]
    return lines + [f"   note: {note}" for note in plugin.notes]


def _trust_lines(plugin: PluginAction) -> List[str]:
    """Return lines about the trust in a plugin, if the site or the command line decides it."""
    trust = plugin.trust
    if trust is None:
        return []
    lines = [f"   level of trust: {trust.level}"] if trust.floor != _ANY else []
    lines += [f"   archive signed by {trust.signed_by}"] if trust.signed_by else []
    return lines + (["   signatures of packages are not checked: --nogpgcheck"]
                    if trust.nogpgcheck else [])


def _content_lines(content: str) -> List[str]:
    """Return the lines of a file; other characters that break lines stay, to be escaped."""
    text = content[:-1] if content.endswith("\n") else content
    return [f"   | {line.expandtabs()}" for line in text.split("\n")] if content else []


def _is_changed(plugin: PluginAction) -> bool:
    """Return whether an installed version gets other values of parameters, without damage."""
    return plugin.action == REPAIR and bool(plugin.parameters) and not plugin.repairs


def _dropped_first(setting: PlannedSetting) -> int:
    return {OFF: 0, STAYS: 1}.get(setting.action, 2)


def _file_counts(plugin: PluginAction) -> List[str]:
    """Return the number of files that are added or removed, by folder."""
    total = sum(folder.files for folder in plugin.files)
    if not total:
        return []
    shown = plugin.files[:_MOST_FOLDERS]
    words = [f"{folder.files} in {folder.folder}" for folder in shown]
    rest = total - sum(folder.files for folder in shown)
    if rest:
        words.append(f"{rest} elsewhere")
    return [f"{total} file{'s' if total > 1 else ''}: {', '.join(words)}"]


def _signature_lines(signatures: Sequence[Signature]) -> List[str]:
    lines = []
    for signature in signatures:
        owner = signature.owner or "a key that the root does not have yet"
        who = f"Signed by {owner} ({signature.key_text})" if signature.key else "Not signed"
        checked = "" if signature.checked or not signature.key else ", but not checked"
        lines.append(f"{who}{checked}: {', '.join(signature.packages)}")
    return lines


def _disk_space(space: Space, root: str) -> str:
    net = space.needed_bytes - space.freed_bytes
    need = (f"{size(net)} needed" if net >= 0 else f"{size(-net)} freed")
    free = f", {size(space.free_bytes)} free" if space.free_bytes is not None else ""
    return f"Disk space in {root}: {need}{free}."


def reviewed(notables: Sequence[Notable]) -> List[str]:
    """Return what to review before the installation, by package, the dangerous first.

    Only files that are no more than read by themselves are shortened to some.
    """
    by_package: Dict[str, List[Notable]] = {}
    for notable in notables:
        by_package.setdefault(notable.package, []).append(notable)
    lines: List[str] = []
    for package, own in by_package.items():
        plain = [notable for notable in own if notable.kind == DROP_IN and not notable.detail]
        cut = set(plain[_MOST_PLAIN:])
        lines += [f"Review {package}:",
                  *(f"   {notable_line(notable)}" for notable in own if notable not in cut)]
        if cut:
            lines.append(f"   active without a setting: and {len(cut)} more, which --json names")
    if any(notable.kind == SCRIPTLETS for notable in notables):
        lines.append("Changes made by scriptlets are reported after the transaction.")
    return lines


def notable_line(notable: Notable) -> str:
    """Return an item that deserves a review as a line."""
    if notable.kind == SCRIPTLETS:
        return f"scriptlets that run: {notable.detail}"
    if notable.kind == DRIVER:
        return f"replaces kernel module {notable.detail}: {notable.path}"
    what = _REVIEWED.get(notable.kind, notable.kind)
    if not notable.path:
        return f"{what}: {notable.detail}"
    return f"{what}: {notable.path}" + (f" ({notable.detail})" if notable.detail else "")


def _source(state: PluginState) -> str:
    return "broken" if state.state == "broken" else state.source


def _wrapped(line: str) -> List[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, shutil.get_terminal_size().columns, subsequent_indent=indent,
                         break_long_words=False, break_on_hyphens=False,
                         replace_whitespace=False) or [line]
