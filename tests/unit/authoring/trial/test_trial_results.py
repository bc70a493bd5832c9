"""The status of a matrix, its table, and JUnit XML."""
from __future__ import annotations

import dataclasses
from typing import List

import pytest
from lxml import etree

from ovirt_node_plugin.authoring.trial.trial_results import (
    ALONE,
    FAILED,
    PASSED,
    SKIPPED,
    UPGRADE,
    Cell,
    Matrix,
    Trial,
    TrialStep,
    TriedImage,
    TriedPlugin,
)
from ovirt_node_plugin.errors import NodePluginError, Refused
from ovirt_node_plugin.report import junit, trial_text
from ovirt_node_plugin.system.json_answer import ErrorAnswer

pytestmark = pytest.mark.unit

AGENT, STORAGE = (TriedPlugin(f"/b/{name}", name, "1.0") for name in ("agent", "storage"))
NODE, HOST = (TriedImage(f"/i/{name}", "node", f"System {name}", "1")
              for name in ("node-4.5.5.iso", "host"))
REFUSED = ErrorAnswer.of(Refused("/x is refused\n  by a rule", hint="Do it otherwise."))
# The parts of JUnit XML that servers read. Jenkins: its plugin junit, "SuiteResult" and
# "CaseResult"; GitLab: "Unit test reports", "Unit test reporting workflow".
FORMAT = """
<grammar xmlns="http://relaxng.org/ns/structure/1.0"
         datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <start><element name="testsuites"><ref name="counts"/>
    <zeroOrMore><element name="testsuite"><ref name="counts"/>
      <optional><element name="properties"><zeroOrMore><element name="property">
        <attribute name="name"/><attribute name="value"/></element></zeroOrMore></element>
      </optional>
      <zeroOrMore><element name="testcase">
        <attribute name="classname"><data type="token"><param name="pattern">[^.]+\\.[^.]+</param>
        </data></attribute><attribute name="name"/><ref name="time"/>
        <optional><choice>
          <element name="failure"><attribute name="message"/><attribute name="type"/><text/>
          </element>
          <element name="skipped"><attribute name="message"/></element>
          <element name="system-out"><text/></element>
        </choice></optional>
      </element></zeroOrMore></element></zeroOrMore></element></start>
  <define name="counts"><attribute name="name"/><ref name="time"/>
    <attribute name="tests"><ref name="number"/></attribute>
    <attribute name="failures"><ref name="number"/></attribute>
    <attribute name="errors"><ref name="number"/></attribute>
    <attribute name="skipped"><ref name="number"/></attribute></define>
  <define name="time"><attribute name="time"><data type="decimal"/></attribute></define>
  <define name="number"><data type="nonNegativeInteger"/></define>
</grammar>"""


def failing(plugin: TriedPlugin, image: TriedImage, error: ErrorAnswer = REFUSED) -> Cell:
    """Return a cell whose install failed."""
    return Cell(plugin, image, (Trial(ALONE, None, (
        TrialStep("install", FAILED, error=error, seconds=1.25),
        TrialStep("verify", SKIPPED, because="the step install failed"))),))


def passing(plugin: TriedPlugin, image: TriedImage) -> Cell:
    """Return a cell without a failure, in which one step could not be done."""
    return Cell(plugin, image, (Trial(UPGRADE, dataclasses.replace(plugin, version="0.9"), (
        TrialStep("upgrade", PASSED, notes=("a note",)),
        TrialStep("compare", SKIPPED, because="the image already has agent"))),))


RESULT = Matrix((AGENT, STORAGE), (NODE, HOST), (
    passing(AGENT, NODE), failing(STORAGE, NODE), passing(AGENT, HOST), failing(STORAGE, HOST)),
    ("Signatures were not checked.",))


def test_the_table_is_followed_by_each_reason_once() -> None:
    assert trial_text.matrix(RESULT) == [
        "image           agent 1.0  storage 1.0",
        "node-4.5.5.iso  passed     failed",
        "host            passed     failed",
        "agent 1.0 in /i/node-4.5.5.iso, upgrade from agent 0.9, compare: skipped",
        "agent 1.0 in /i/host, upgrade from agent 0.9, compare: skipped",
        "  the image already has agent",
        "storage 1.0 in /i/node-4.5.5.iso, alone, install: failed",
        "storage 1.0 in /i/host, alone, install: failed",
        "  /x is refused", "    by a rule", "  Do it otherwise.",
        "Signatures were not checked."]


def test_images_of_one_name_are_told_apart_by_their_paths() -> None:
    images = NODE, dataclasses.replace(NODE, path="/j/node-4.5.5.iso")
    lines = trial_text.matrix(Matrix((AGENT,), images, tuple(
        passing(AGENT, image) for image in images)))
    assert [line.split()[0] for line in lines[1:3]] == [image.path for image in images]


@pytest.mark.parametrize(("statuses", "status"), [((), 0), ((6, 6), 6), ((9, 9), 9), ((4, 9), 6)])
def test_the_status_is_the_one_that_all_failures_have(statuses: List[int], status: int) -> None:
    cells = [failing(AGENT, NODE, dataclasses.replace(REFUSED, status=each)) for each in statuses]
    result = Matrix((AGENT,), (NODE,), (passing(AGENT, NODE), *cells))
    assert (result.status, result.passed) == (status, not statuses)


def test_junit_has_a_suite_for_each_image_and_a_case_for_each_step() -> None:
    tree = etree.fromstring(junit.document(RESULT))
    grammar = etree.RelaxNG(etree.fromstring(FORMAT))
    grammar.assertValid(tree)
    assert [tree.get(name) for name in ("tests", "failures", "skipped", "time")] == [
        "8", "2", "4", "2.500"]
    assert [suite.get("name") for suite in tree] == ["/i/node-4.5.5.iso", "/i/host"]
    assert [(case.get("classname"), case.get("name")) for case in tree[0].iter("testcase")] == [
        ("node-4_5_5_iso.agent-1_0", "upgrade from agent 0.9: upgrade"),
        ("node-4_5_5_iso.agent-1_0", "upgrade from agent 0.9: compare"),
        ("node-4_5_5_iso.storage-1_0", "alone: install"),
        ("node-4_5_5_iso.storage-1_0", "alone: verify")]
    (failure,) = tree[1].iter("failure")
    assert (failure.get("type"), failure.get("message")) == ("Refused", "/x is refused")
    assert failure.text == "/x is refused\n  by a rule\nDo it otherwise."
    assert [each.text for each in tree.iter("system-out")] == ["a note"] * 2
    assert [each.get("value") for each in tree[0].iter("property")] == [
        "System node-4.5.5.iso", "node", "Signatures were not checked."]


def test_junit_is_valid_with_characters_that_xml_cannot_have() -> None:
    bad = ErrorAnswer.of(NodePluginError("a\x00\x1b[31m\udcff\uffff]]>&<", hint="\x08"))
    image = dataclasses.replace(NODE, path="/i/\x07.iso")
    result = Matrix((AGENT,), (image,), (failing(TriedPlugin("/b/\x01"), image, bad),))
    (failure,) = etree.fromstring(junit.document(result)).iter("failure")
    assert failure.get("message") == "a\\x00\\x1b[31m\\udcff\\uffff]]>&<"
