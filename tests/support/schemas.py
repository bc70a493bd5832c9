"""The JSON Schemas of answers and files, the commands they belong to, and validation."""
from __future__ import annotations

import functools
import json
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Sequence

FOLDER = Path(__file__).resolve().parents[2] / "ovirt_node_plugin/schema"
COMMON, ERROR = "common.json", "answer-error.json"
INVENTORY, IMAGE, CAPABILITIES = "inventory.json", "image.json", "capabilities.json"
PROGRESS, DETACHED, CATALOG = "progress.json", "answer-detach.json", "catalog.json"
FILES = (INVENTORY, IMAGE, CAPABILITIES, PROGRESS, DETACHED, CATALOG)

DNF_ANSWERS: Mapping[str, str] = {
    **dict.fromkeys(("install", "remove", "upgrade", "repair"), "answer-plan.json"),
    **{name: f"answer-{name}.json"
       for name in ("list", "info", "manifest", "verify", "check-upgrade", "status", "add", "drop",
                    "repos")}}
"""Maps subcommands of ``dnf node-plugin`` to the schemas of their answers."""
PROGRAM_ANSWERS: Mapping[str, str] = {
    name: f"answer-{name}.json"
    for name in ("merge", "inspect", "diff", "manifest", "verify", "new", "lint", "pack",
                 "try", "catalog")}
"""Maps commands of ``ovirt-node-plugin`` to the schemas of their answers; for merge, of a line."""


@functools.lru_cache(maxsize=None)
def read(name: str) -> Dict[str, Any]:
    """Return the schema in the file ``name``."""
    schema: Dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return schema


def names() -> Sequence[str]:
    """Return the file names of all JSON Schemas."""
    return sorted(path.name for path in FOLDER.glob("*.json"))


@functools.lru_cache(maxsize=None)
def validator(name: str) -> Any:
    """Return the validator of a schema. jsonschema 3.2 is the oldest that works."""
    import jsonschema  # here, as the build of the RPM runs unit tests without it

    uris = {(FOLDER / file).as_uri(): read(file) for file in names()}
    with warnings.catch_warnings():
        # its successor appeared in 4.18; EL9 has 3.2
        warnings.simplefilter("ignore", DeprecationWarning)
        resolver = jsonschema.RefResolver((FOLDER / name).as_uri(), read(name), store=uris)
    return jsonschema.Draft7Validator(read(name), resolver=resolver)


def violations(document: Any, name: str) -> Iterator[str]:
    """Yield the violations of the schema ``name`` in a document."""
    for error in validator(name).iter_errors(document):
        yield f"{name}: /{'/'.join(map(str, error.absolute_path))}: {error.message[:1000]}"


def validated(document: Any, name: str) -> Any:
    """Return ``document``. Raises AssertionError if it violates the schema ``name``."""
    messages = list(violations(document, name))
    assert not messages, "\n".join(messages)
    return document


def validated_answer(document: Any, name: str) -> Any:
    """Return the answer of a command. Raises AssertionError if it violates its schema.

    ``name`` is the schema of the command, empty for an unknown one. The answer of a failed
    command is validated with the schema of errors. With --progress, each line has an event;
    the last one is the answer.
    """
    if "event" in document and name != PROGRAM_ANSWERS["merge"]:
        if document["event"] not in ("result", "error"):
            return validated(document, PROGRESS)
        answer = {key: value for key, value in document.items() if key != "event"}
        assert (document["event"] == "error") == ("error" in answer)
        validated_answer(answer, name)
        return document
    failed = name != PROGRAM_ANSWERS["merge"] and (not name or "error" in document)
    return validated(document, ERROR if failed else name)


def dnf_answer_schema(argv: Sequence[str]) -> str:
    """Return the schema for the answer of a dnf command line, empty for an unknown subcommand."""
    words = argv[argv.index("node-plugin") + 1:] if "node-plugin" in argv else ()
    if "--detach" in words:
        return DETACHED
    return next((DNF_ANSWERS[word] for word in words if word in DNF_ANSWERS), "")
