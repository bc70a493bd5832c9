"""What is wrong with the settings of a bundle whatever the root is."""
from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Dict, Iterator, List, Tuple

from ..errors import Reasons, Refused
from ..plugin.bundle import Bundle
from ..plugin.bundle_files import is_bundle_file
from ..plugin.descriptor import DESCRIPTOR_NAME, Descriptor, When, descriptor_document
from ..plugin.settings import Setting
from ..plugin.templates import secret_files
from ..settings.engine import checking, selection
from ..settings.engine.kinds import KINDS
from ..settings.kit.model import Context, Facts
from ..system.run import Runner
from ..system.xml import XmlElement
from .bases import Base
from .findings import LintFinding, of_errors
from .package_checks import Packages

_SOURCE = "settings/source"
_Place = Tuple[int, int]


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
                      bundle_files=descriptor.files, secret_files=secret_files(descriptor))
    for item, (line, column) in places(descriptor):
        reasons = Reasons()
        for kind in KINDS.values():
            for wanted in kind.wanted(item, context):
                with reasons.collected():
                    checking.check_alone(wanted, context)
        for finding in of_errors(reasons.errors, root, file=DESCRIPTOR_NAME):
            if packages.complete or finding.code != _SOURCE or is_bundle_file(
                    getattr(item, "source", "/")):
                yield replace(finding, line=line, column=column)
    yield from _of_conditions(descriptor, context)


def places(descriptor: Descriptor) -> List[Tuple[Setting, _Place]]:
    """Return the settings in document order, those with a condition too, with their places."""
    root = descriptor_document(descriptor.source_xml, origin=DESCRIPTOR_NAME).root
    settings = root.first("settings")
    nodes: List[XmlElement] = []
    for node in settings.children if settings is not None else ():
        nodes += node.children if node.tag == "when" else (node,)
    items = [setting for item in descriptor.settings
             for setting in (item.settings if isinstance(item, When) else (item,))]
    return [(item, (node.line, node.column)) for item, node in zip(items, nodes)]


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
