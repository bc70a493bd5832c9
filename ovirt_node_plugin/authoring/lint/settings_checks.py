"""What is wrong with the settings of a bundle: whatever the root is, and in that of the base."""
from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Dict, Iterator, List

from ...errors import Reasons, Refused
from ...operations.plan.package_sources import with_sources
from ...plugin.bundle import Bundle
from ...plugin.bundle_files import is_bundle_file
from ...plugin.descriptor import DESCRIPTOR_NAME, Descriptor, When
from ...plugin.templates import secret_files
from ...settings.engine import checking, selection
from ...settings.engine.kinds import KINDS
from ...settings.kit.model import Context, Facts
from ...system.run import Runner
from . import root_checks, setting_places
from .bases import Base
from .findings import LintFinding, of_errors
from .package_checks import Packages

_SOURCE = "settings/source"


def checked(bundle: Bundle, packages: Packages, base: Base, *,
            run: Runner) -> Iterator[LintFinding]:
    """Yield the findings about the settings of a bundle, each with the place of its element.

    ``packages`` are those that it brings; if they are not complete, any of the others could have
    the source of a setting.
    """
    descriptor, root = bundle.descriptor, base.place
    modes = {file.path: file.mode for change in packages.changes if change.header is not None
             for file in change.header.files}
    context = Context(root=root, plugin=descriptor.name, files=modes, run=run,
                      bundle_files=descriptor.files, shown_files=descriptor.files,
                      secret_files=secret_files(descriptor))
    (context,) = with_sources([context], [bundle], packages.changes, packages.paths)
    places = setting_places.of(descriptor)
    alone: List[LintFinding] = []
    for item, _ in places.items:
        reasons = Reasons()
        for kind in KINDS.values():
            for wanted in kind.wanted(item, context):
                with reasons.collected():
                    checking.check_alone(wanted, context)
        for finding in of_errors(reasons.errors, root, file=DESCRIPTOR_NAME):
            if packages.complete or finding.code != _SOURCE or is_bundle_file(
                    getattr(item, "source", "/")):
                alone.append(places.placed(finding, item))
    yield from alone
    yield from _of_conditions(descriptor, context)
    if base.root is not None and packages.complete:
        known = {(finding.line, finding.column) for finding in alone}
        yield from (finding for finding in root_checks.checked(bundle, packages, context, places)
                    if not finding.line or (finding.line, finding.column) not in known)


def _of_conditions(descriptor: Descriptor, context: Context) -> Iterator[LintFinding]:
    """Yield what contradicts each other where two conditions are met, on a Node or a host."""
    archs = {arch for item in descriptor.settings if isinstance(item, When)
             for arch in item.archs} or {""}
    errors: Dict[str, Refused] = {}
    for kind, arch in itertools.product(("node", "host"), sorted(archs)):
        try:
            selection.wanted(descriptor, replace(context, facts=Facts(
                kind=kind, arch=arch, version=descriptor.node_versions.least)))
        except Refused as exc:
            errors[exc.message] = exc
    yield from of_errors(errors.values(), context.root, file=DESCRIPTOR_NAME)
