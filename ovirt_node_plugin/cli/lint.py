"""The command ``ovirt-node-plugin lint``."""
from __future__ import annotations

import json

from ..authoring.lint import bases
from ..authoring.lint.lint import lint_all
from ..errors import Status
from ..report import lint_data, lint_text
from ..system.entries import write_atomic
from ..system.json_data import Data
from .program import Invocation


def lint(invocation: Invocation) -> int:
    """Show everything that is wrong with plugins."""
    options = invocation.options
    with bases.opened(options.against, run=invocation.run) as base:
        saved = bases.save(base, bases.own_folder()) if options.save_base else None
        reports = lint_all(options.bundles, base, run=invocation.run, older=options.older)
    if options.sarif is not None:
        write_atomic(options.sarif, _text(lint_data.sarif(reports)), mode=0o644)
    invocation.answer(lint_data.lint(reports, saved), lint_text.lint(reports, saved))
    # the first of these by which all others are
    order = (Status.BAD_BUNDLE, Status.BROKEN, Status.DONE)
    return min((report.status(strict=options.strict) for report in reports), key=order.index)


def _text(document: Data) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode()
