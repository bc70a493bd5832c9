"""What is wrong with the settings of a bundle in the root that it is linted against.

These are the checks of an install. A few of them start programs of the root, or read files that
only the superuser can read; where that fails, a finding says that the setting was not checked.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Iterator, List, Sequence

from ...errors import CommandError, NodePluginError, Reasons
from ...operations.model.books import Books
from ...operations.plan.kernel_fits import with_module_fits
from ...plugin.bundle import Bundle
from ...plugin.descriptor import DESCRIPTOR_NAME, Descriptor
from ...plugin.settings import Setting
from ...settings.engine import checking, selection
from ...settings.engine.kinds import in_order, is_derived
from ...settings.kit.model import Context, Facts, Wanted
from ...settings.placed import persistent_paths
from ...settings.services import scriptlet_units
from ...target import identify
from .findings import LintFinding, found, of_errors
from .package_checks import Packages
from .setting_places import Places

_UNCHECKED = "lint/incomplete"


def checked(bundle: Bundle, packages: Packages, context: Context,
            places: Places) -> Iterator[LintFinding]:
    """Yield why the settings cannot be applied in the root of ``context``; it is only read."""
    try:
        books = Books(context.root)
        others = {plugin: state.settings for plugin, state in books.ledger.states.items()
                  if plugin != context.plugin}
        own = books.ledger.state(context.plugin).settings
        context = _in_root(bundle.descriptor, packages, context)
        items = in_order(selection.wanted(bundle.descriptor, context))
    except (NodePluginError, OSError) as exc:
        yield found(_UNCHECKED, f"the settings were not compared with the root: {exc}",
                    file=DESCRIPTOR_NAME)
        return
    context = replace(
        context, held={change.path: plugin for plugin, settings in others.items()
                       for applied in settings for change in applied.changes
                       if change.before is None},
        persistent=[item.key for item in items if item.kind == persistent_paths.KIND.name],
        expected_units=[item.key for item in scriptlet_units.expected(items)])
    refused: List[Setting] = []
    for item in items:
        if item.item in refused or refused and is_derived(item.kind):
            continue  # it would be refused for the same reason
        reasons = Reasons()
        try:
            with reasons.collected():
                checking.check([item], context, others=others, own=own)
        except OSError as exc:
            yield _not_checked(item, str(exc), places)
        findings = list(_of(item, reasons, context, places))
        refused += [item.item] if findings and item.item is not None else []
        yield from findings


def _in_root(descriptor: Descriptor, packages: Packages, context: Context) -> Context:
    """Return the context with facts about the root after an install."""
    target = identify(context.root)
    facts = Facts(kind=target.kind, version=target.version, arch=packages.arch,
                  versions=lambda name: packages.versions.get(name, ()))
    (context,) = with_module_fits([replace(context, facts=facts)], packages.changes,
                                  packages.paths)
    return context


def _of(item: Wanted, reasons: Reasons, context: Context,
        places: Places) -> Iterator[LintFinding]:
    """Yield the findings of what was collected about ``item``."""
    errors: Sequence[NodePluginError] = reasons.errors
    for error in errors:
        if isinstance(error, CommandError):
            yield _not_checked(item, error.message, places)
        else:
            for finding in of_errors([error], context.root, file=DESCRIPTOR_NAME):
                yield places.placed(finding, item.item)


def _not_checked(item: Wanted, reason: str, places: Places) -> LintFinding:
    return places.placed(found(
        _UNCHECKED, f"it was not checked in the root whether it can {item.text}: {reason}",
        mend="Run lint as root for this check.", file=DESCRIPTOR_NAME), item.item)
