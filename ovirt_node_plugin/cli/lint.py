"""The command ``ovirt-node-plugin lint``."""
from __future__ import annotations

import json

from ..authoring.lint import lint as lint_path
from ..report import lint_data, lint_text
from ..system.entries import write_atomic
from ..system.json_data import Data
from .program import Invocation


def lint(invocation: Invocation) -> int:
    """Show everything that is wrong with a plugin."""
    options = invocation.options
    report = lint_path(options.bundle, run=invocation.run, against=options.against,
                       older=options.older)
    if options.sarif is not None:
        write_atomic(options.sarif, _text(lint_data.sarif(report)), mode=0o644)
    invocation.answer(lint_data.lint(report), lint_text.lint(report))
    return report.status(strict=options.strict)


def _text(document: Data) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode()
