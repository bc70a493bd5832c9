"""The JSON Schemas: the answers they belong to, what they refuse, and their documentation.

tests.support.dnf_runner and tests.support.program validate every real answer.
"""
from __future__ import annotations

import argparse
import copy
import dataclasses
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Set, Tuple

import pytest

import ovirt_node_plugin
from ovirt_node_plugin import errors
from ovirt_node_plugin.cli import arguments, dnf_arguments
from ovirt_node_plugin.errors import NodePluginError, Status
from ovirt_node_plugin.images import dnf_program
from ovirt_node_plugin.merge.root import marks
from ovirt_node_plugin.operations.model.answers import ListAnswer, PlanAnswer, VerifyAnswer
from ovirt_node_plugin.registry import inventory_json
from ovirt_node_plugin.registry.inventory import File
from ovirt_node_plugin.system.json_answer import ErrorAnswer, read, with_format
from ovirt_node_plugin.upgrade.check import CheckUpgradeAnswer
from tests.support import manpages, schemas
from tests.support.dnf_runner import Answer, environment

COMMAND, PROGRAM, REGISTRY = "dnf-node-plugin.8", "ovirt-node-plugin.8", "ovirt.plugins.d.5"
ANSWERS = sorted({*schemas.DNF_ANSWERS.values(), *schemas.PROGRAM_ANSWERS.values(), schemas.ERROR})
DOCUMENTS = (*ANSWERS, *schemas.FILES)
# texts that are tried for a pattern of a schema
TEXTS = ("text", "/path", "2026-11-22T16:40:11Z", "0644", "sha256:0123abcd", "0123456789abcdef",
         "0123456789abcdef" * 4)
OPEN = {"capabilities.json: /"}  # other keys belong to VDSM


def test_every_command_with_json_has_a_schema() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    dnf_arguments.add_arguments(parser)
    assert "--json" in parser._option_string_actions
    assert set(schemas.DNF_ANSWERS) == set(dnf_arguments.SUBCOMMANDS)
    with_json = {name for name, one in arguments._parsers()[1].items()
                 if "--json" in one._option_string_actions}
    assert set(schemas.PROGRAM_ANSWERS) == with_json


def test_every_schema_belongs_to_a_document() -> None:
    assert schemas.names() == sorted([*DOCUMENTS, schemas.COMMON])


@pytest.mark.parametrize("name", schemas.names())
def test_schemas_are_valid_and_have_descriptions(name: str) -> None:
    schema = schemas.read(name)
    schemas.validator(name).check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["title"] and schema["description"]
    lacking = [where for where, one in described(schema) if not told(one)]
    assert lacking == []


def described(schema: Any, where: str = "") -> Iterator[Tuple[str, Any]]:
    """Yield the path and value of every property and every object in a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict) and "type" in schema:
            yield where, schema
            for name, one in schema["properties"].items():
                yield f"{where}/{name}", one
        for key, one in schema.items():
            yield from described(one, f"{where}/{key}")
    elif isinstance(schema, list):
        for number, one in enumerate(schema):
            yield from described(one, f"{where}/{number}")


def told(one: Dict[str, Any]) -> bool:
    """Return whether a schema or the target of its reference has a description."""
    return "$ref" in one or str(one.get("description", "")).endswith(".")


def resolved(schema: Dict[str, Any], name: str) -> Tuple[Dict[str, Any], str]:
    """Resolve the reference of a schema in the file ``name``; return the schema and its file."""
    while "$ref" in schema:
        file, _, pointer = schema["$ref"].partition("#")
        name = file or name
        schema = schemas.read(name)
        for step in pointer.split("/")[1:]:
            schema = schema[step]
    return schema, name


def sample(schema: Dict[str, Any], name: str, *, whole: bool) -> Any:
    """Return a valid document of a schema, with all names if ``whole``."""
    schema, name = resolved(schema, name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][-1]
    if "anyOf" in schema:
        return sample(schema["anyOf"][-1], name, whole=whole)
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "object":
        if "properties" not in schema:
            return {"name": "text"}
        wanted = schema["properties"] if whole and "allOf" not in schema else schema["required"]
        return {one: sample(schema["properties"][one], name, whole=whole) for one in wanted}
    if kind == "array":
        return [sample(schema["items"], name, whole=whole)]
    if kind == "string":
        return next(text for text in TEXTS if re.search(schema.get("pattern", ""), text))
    return {"boolean": True, "integer": 1, "number": 1.5}[kind]


def samples(name: str) -> List[Any]:
    """Return valid documents of a schema, of each form, with all and with required names."""
    schema = schemas.read(name)
    return [sample(form, name, whole=whole)
            for form in schema.get("oneOf", [schema]) for whole in (True, False)]


def faulty(value: Any, where: str = "/") -> Iterator[Tuple[str, Any]]:
    """Yield each document with a single fault made of a valid one, and the fault."""
    wrong = 1.5 if isinstance(value, (dict, list)) else {"wrong": 1}
    yield f"{where} of another type", wrong
    if isinstance(value, dict):
        yield f"{where} with another name", {**value, "surprise": 1.5}
        for name, one in value.items():
            for fault, inner in faulty(one, f"{where}{name}/"):
                yield fault, {**value, name: inner}
    elif isinstance(value, list):
        for fault, inner in faulty(value[0], f"{where}0/"):
            yield fault, [inner]


def test_invalid_documents_cover_every_part() -> None:
    made = dict(faulty({"a": [{"b": "x"}]}))
    assert made["/a/0/b/ of another type"] == {"a": [{"b": {"wrong": 1}}]}
    assert made["/a/0/ with another name"] == {"a": [{"b": "x", "surprise": 1.5}]}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_refuses_other_types_and_names_anywhere(name: str) -> None:
    for document in samples(name):
        schemas.validated(document, name)
        for fault, wrong in faulty(document):
            if f"{name}: {fault}" not in {f"{one} with another name" for one in OPEN}:
                assert list(schemas.violations(wrong, name)), (name, fault)


def read_error(answer: object) -> Dict[str, object]:
    error = read(ListAnswer, answer)
    assert isinstance(error, ErrorAnswer)
    return with_format(error.to_data())


def read_plan(answer: object) -> Dict[str, object]:
    plan = read(PlanAnswer, answer)
    assert isinstance(plan, PlanAnswer)
    return with_format(plan.to_data())


# Reads a document and writes it again, for each that one program writes and another one reads.
READERS: Mapping[str, Callable[[object], Dict[str, object]]] = {
    "answer-plan.json": read_plan,
    "answer-list.json": lambda answer: with_format(dataclasses.asdict(read(ListAnswer, answer))),
    "answer-verify.json": lambda answer: with_format(
        read(VerifyAnswer, answer).to_data()),
    "answer-check-upgrade.json": lambda answer: with_format(
        dataclasses.asdict(read(CheckUpgradeAnswer, answer))),
    schemas.ERROR: read_error,
    schemas.IMAGE: lambda mark: json.loads(marks.text(marks.read(json.dumps(mark), origin="x"))),
}


def read_again(document: object, name: str) -> Any:
    """Return what the writer of a document makes of the values that its reader returns."""
    return json.loads(json.dumps(READERS[name](document)))


@pytest.mark.parametrize("name", READERS)
def test_a_document_is_read_as_it_was_written(name: str) -> None:
    for document in samples(name):
        assert read_again(document, name) == document


@pytest.mark.parametrize("name", READERS)
def test_a_reader_refuses_other_types_anywhere_and_ignores_other_names(name: str) -> None:
    """Except in parts that have arbitrary names, and in deltas, which no program reads."""
    for document in samples(name):
        for fault, wrong in faulty(document):
            if fault.startswith("/deltas/0/") and not fault.startswith("/deltas/0/ of"):
                continue
            if fault.endswith("with another name") and not fault.startswith("/boot/"):
                assert read_again(wrong, name) == document, fault
            else:
                with pytest.raises((ValueError, errors.BadImage)):
                    read_again(wrong, name)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_refuses_another_format(name: str) -> None:
    for document in samples(name):
        with pytest.raises((ValueError, errors.BadImage), match="its format is 2, not 1"):
            read_again({**document, "format": 2}, name)


def without(value: Any, where: str = "/") -> Iterator[Tuple[str, Any]]:
    """Yield each document that lacks one name of a valid one, and the name."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield f"{where}{name}", {key: each for key, each in value.items() if key != name}
            for lacking, inner in without(one, f"{where}{name}/"):
                yield lacking, {**value, name: inner}
    elif isinstance(value, list) and value:
        for lacking, inner in without(value[0], f"{where}0/"):
            yield lacking, [inner]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_refuses_a_document_that_lacks_a_name(name: str) -> None:
    """Required names are those of the smallest form, except names that are arbitrary text."""
    for document in samples(name)[1::2]:
        for lacking, wrong in without(document):
            if not lacking.endswith(("/xattrs/name", "/boot/name")):
                assert list(schemas.violations(wrong, name)), (name, lacking)


@pytest.mark.parametrize("name", [*ANSWERS, schemas.INVENTORY, schemas.IMAGE])
def test_a_schema_refuses_another_format(name: str) -> None:
    for document in samples(name):
        assert list(schemas.violations({**document, "format": 2}, name))


def test_answers_that_tests_read_are_validated() -> None:
    def answer(document: Any, schema: str) -> Answer:
        return Answer(0, json.dumps(document), "", schema)
    found = {"format": 1, "repos": []}
    assert answer(found, "answer-repos.json").json == found
    failed = ErrorAnswer.of(NodePluginError("text")).to_data()
    assert answer({"format": 1, **failed}, "answer-repos.json").json
    for document, schema in ((found, "answer-verify.json"), (found, ""),
                             ({**found, "more": 1}, "answer-repos.json"),
                             (failed, "answer-repos.json")):
        with pytest.raises(AssertionError):
            assert answer(document, schema).json
    with pytest.raises(AssertionError):
        assert answer({"format": 1, **failed}, "answer-merge.json").lines
    assert answer({"format": 1, "event": "error", **failed}, "answer-merge.json").lines


@pytest.mark.parametrize(("words", "schema"), [
    (("node-plugin", "list", "--json"), "answer-list.json"),
    (("node-plugin", "--json", "remove", "list"), "answer-plan.json"),
    (("node-plugin", "bogus"), ""), (("install", "list"), "")])
def test_the_schema_of_a_run_depends_on_its_subcommand(words: Sequence[str], schema: str) -> None:
    assert schemas.dnf_answer_schema(["dnf-3", *words]) == schema


def every_error() -> Set[type]:
    """Return the classes of all errors in the library."""
    for one in pkgutil.walk_packages(ovirt_node_plugin.__path__, "ovirt_node_plugin."):
        importlib.import_module(one.name)
    found, todo = {NodePluginError}, [NodePluginError]
    while todo:
        more = set(todo.pop().__subclasses__()) - found
        found |= more
        todo += more
    return {one for one in found if one.__module__.startswith("ovirt_node_plugin.")}


def test_kinds_and_statuses_of_errors_are_those_of_the_code() -> None:
    """Except one: for it, dnf's own answer is printed."""
    error = schemas.read(schemas.COMMON)["definitions"]["error"]["properties"]
    known = every_error() - {dnf_program.DnfFailed}
    assert set(error["kind"]["enum"]) == {one.__name__ for one in known}
    assert set(error["status"]["enum"]) == set(map(int, Status)) - {int(Status.DONE)}


@pytest.mark.parametrize("error", [
    errors.NeedsNewerImage("text", packages=["a"]), errors.Drifted("text", paths=["etc/a"]),
    errors.PathsRefused("text", files=[errors.DisputedFile("a", "a-1-1.noarch", "/a", "text")]),
    errors.SeveralReasons("text", [errors.Reason(errors.NeedsNewerImage("a", packages=["b"]), ()),
                                   errors.Reason(errors.Drifted("a", paths=["c"]), ("d",))])])
def test_an_error_has_only_the_names_of_its_kind(error: NodePluginError) -> None:
    document = json.loads(json.dumps(with_format(ErrorAnswer.of(error).to_data())))
    schemas.validated(document, schemas.ERROR)
    assert read_again(document, schemas.ERROR) == document
    for kind in ("Refused", "NeedsNewerImage", "Drifted", "PathsRefused", "SeveralReasons"):
        other = copy.deepcopy(document)
        other["error"]["kind"] = kind
        assert bool(list(schemas.violations(other, schemas.ERROR))) == (
            kind != document["error"]["kind"])


def test_a_file_may_have_only_the_names_of_its_schema() -> None:
    file = File("/x", "file", 0o644, "root", "root", 1, "sha256:ab", "x", "cap_chown=ep",
                (("user.a", "YQ=="),), ("config",), ("size",), 1, "scriptlets", "added")
    assert all(getattr(file, field.name) for field in dataclasses.fields(file))
    found = inventory_json.file(file)
    schema = schemas.read(schemas.COMMON)["definitions"]["file"]["properties"]
    assert set(found) == set(schema)
    whole = sample(schemas.read(schemas.INVENTORY), schemas.INVENTORY, whole=True)
    schemas.validated({**whole, "others": [found]}, schemas.INVENTORY)


def test_the_steps_of_progress_are_those_of_the_code() -> None:
    """Except those of diff and of rooms for vendors: their progress is shown on a terminal only."""
    folder = Path(ovirt_node_plugin.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")
             if not {"compare", "authoring"}.intersection(path.relative_to(folder).parts)]
    steps = {name for text in texts for name in re.findall(r'\.step\(\s*"([\w-]+)"', text)}
    named = schemas.read(schemas.PROGRESS)["definitions"]["step-name"]["enum"]
    # these two change packages
    assert sorted(named) == sorted({*steps, "remove", "install"})


def names_and_values(schema: Any, name: str) -> Iterator[str]:
    """Yield the names of properties and the fixed texts in a schema of the file ``name``."""
    schema, name = resolved(schema, name) if isinstance(schema, dict) else (schema, name)
    if isinstance(schema, list):
        for one in schema:
            yield from names_and_values(one, name)
    elif isinstance(schema, dict):
        yield from (one for one in [schema.get("const"), *schema.get("enum", [])]
                    if isinstance(one, str) and one)
        for key in ("properties", "items", "anyOf", "oneOf"):
            if key == "properties":
                yield from schema.get(key, {})
                yield from names_and_values(list(schema.get(key, {}).values()), name)
            elif key in schema:
                yield from names_and_values(schema[key], name)


@pytest.mark.parametrize(("document", "status"), [('{"format": 1, "repos": []}', 0),
                                                  ('{"format": 1, "repos": 1}', 1)])
def test_the_example_program_of_the_manual_validates_an_answer(
        document: str, status: int, tmp_path: Path) -> None:
    (checker,) = [example for example in manpages.examples_of_kind(COMMAND, "python")
                  if example.words == "schema"]
    script = tmp_path / "check"
    script.write_text(checker.text, encoding="utf-8")
    done = subprocess.run([sys.executable, script, "answer-repos.json"], input=document,
                          capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, "1 is not of type 'array'" in done.stderr) == (status, bool(status))


SECTIONS = {COMMAND: ("JSON",), PROGRAM: ("JSON",),
            REGISTRY: ("IN VDSM'S CAPABILITIES", "THE INVENTORY")}
OF_PAGE = {COMMAND: {*schemas.DNF_ANSWERS.values(), schemas.ERROR, schemas.PROGRESS,
                     schemas.DETACHED},
           PROGRAM: {*schemas.PROGRAM_ANSWERS.values(), schemas.IMAGE, schemas.CATALOG},
           REGISTRY: {schemas.INVENTORY, schemas.CAPABILITIES}}


def lines_of(page: str) -> List[str]:
    return [line for title in SECTIONS[page] for line in manpages.section(page, title)]


def test_each_schema_is_named_in_the_section_of_its_document() -> None:
    for page, wanted in OF_PAGE.items():
        assert set(re.findall(r"[\w-]+\.json\b", manpages.prose(lines_of(page)))) & {
            *DOCUMENTS, schemas.COMMON} == wanted, page
    assert set().union(*OF_PAGE.values()) == set(DOCUMENTS)


def test_the_example_of_capabilities_is_valid() -> None:
    (example,) = manpages.examples_of_kind(REGISTRY, "json")
    schemas.validated(json.loads(example.text), schemas.CAPABILITIES)


@pytest.mark.parametrize("page", SECTIONS)
def test_names_and_values_in_a_schema_are_explained(page: str) -> None:
    """Those of a plan, a file and so on in the page that documents them."""
    text = " ".join(manpages.prose(lines_of(one)) for one in SECTIONS)
    words = set(re.findall(r"[\w-]+", text))
    found = {one for name in OF_PAGE[page]
             for one in names_and_values(schemas.read(name), name)}
    assert found - words == set()


@pytest.mark.parametrize("page", [COMMAND, PROGRAM])
def test_every_name_in_the_manual_is_in_a_schema(page: str) -> None:
    known = {one for name in DOCUMENTS for one in names_and_values(schemas.read(name), name)}
    bold = {word for line in lines_of(page) for word in bold_words(line)}
    others = {*schemas.DNF_ANSWERS, *schemas.PROGRAM_ANSWERS, "dnf", "node-plugin", "package"}
    assert {word for word in bold if not word.startswith("-")} - known - others == set()


def bold_words(line: str) -> List[str]:
    """Return the words that a line of a page prints in bold, without names of other pages."""
    macro, _, rest = line.partition(" ")
    parts = re.findall(r'"[^"]*"|\S+', manpages.plain(rest))
    chosen = {".B": parts, ".BR": parts[::2], ".RB": parts[1::2]}.get(macro, [])
    if macro == ".BR" and re.match(r"\(\d\)", parts[-1]):
        return []
    return [word for part in chosen for word in re.findall(r"[\w-]*\w", part)]
