"""The JSON Schemas of answers and files: which one is for which command, and validation."""
from __future__ import annotations

import functools
import json
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Sequence

FOLDER = Path(__file__).resolve().parents[2] / "ovirt_node_plugin/schema"
COMMON, ERROR = "common.json", "answer-error.json"
INVENTORY, IMAGE, CAPABILITIES = "inventory.json", "image.json", "capabilities.json"
FILES = (INVENTORY, IMAGE, CAPABILITIES)

DNF_ANSWERS: Mapping[str, str] = {
    **dict.fromkeys(("install", "remove", "upgrade"), "answer-plan.json"),
    **{name: f"answer-{name}.json"
       for name in ("list", "info", "manifest", "verify", "add", "drop", "repos")}}
"""Subcommands of ``dnf node-plugin`` and the schemas of their answers."""
PROGRAM_ANSWERS: Mapping[str, str] = {
    name: f"answer-{name}.json" for name in ("merge", "inspect", "diff", "manifest")}
"""Commands of ``ovirt-node-plugin`` and the schemas of their answers, of merge of a line."""


@functools.lru_cache(maxsize=None)
def read(name: str) -> Dict[str, Any]:
    """Return the schema in a file of the folder."""
    found: Dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


def names() -> Sequence[str]:
    """Return the file names of all JSON Schemas."""
    return sorted(path.name for path in FOLDER.glob("*.json"))


@functools.lru_cache(maxsize=None)
def validator(name: str) -> Any:
    """Return the validator of a schema, by any jsonschema from 3.2 on."""
    import jsonschema  # here: the unit tests that an RPM build runs do without it

    uris = {(FOLDER / one).as_uri(): read(one) for one in names()}
    with warnings.catch_warnings():
        # its successor came with 4.18, and EL9 has 3.2
        warnings.simplefilter("ignore", DeprecationWarning)
        resolver = jsonschema.RefResolver((FOLDER / name).as_uri(), read(name), store=uris)
    return jsonschema.Draft7Validator(read(name), resolver=resolver)


def violations(document: Any, name: str) -> Iterator[str]:
    """Yield what the schema ``name`` refuses in a document; nothing if it is valid."""
    for error in validator(name).iter_errors(document):
        yield f"{name}: /{'/'.join(map(str, error.absolute_path))}: {error.message[:1000]}"


def validated(document: Any, name: str) -> Any:
    """Return ``document``. Raises AssertionError if the schema ``name`` refuses it."""
    found = list(violations(document, name))
    assert not found, "\n".join(found)
    return document


def validated_answer(document: Any, name: str) -> Any:
    """Return an answer of a command whose schema is ``name``, empty for no known command.

    Raises AssertionError if that schema, or for an error that of errors, refuses it.
    """
    failed = name != PROGRAM_ANSWERS["merge"] and (not name or "error" in document)
    return validated(document, ERROR if failed else name)


def dnf_answer_schema(argv: Sequence[str]) -> str:
    """Return the schema of the answer of a run of dnf, empty without a known subcommand."""
    words = argv[argv.index("node-plugin") + 1:] if "node-plugin" in argv else ()
    return next((DNF_ANSWERS[word] for word in words if word in DNF_ANSWERS), "")
