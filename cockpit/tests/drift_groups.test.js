// @ts-check
import assert from "node:assert/strict";
import {test} from "node:test";

import {groupFindings, isNote} from "../drift_groups.js";

/**
 * @param {string} kind
 * @param {Partial<import("../answers").Finding>} [more]
 */
function finding(kind, more = {}) {
    return {kind, text: kind, path: "", package: "", differences: [], ...more};
}

test("changes of %config and %ghost files are notes, all else are problems", () => {
    const {problems, notes} = groupFindings([finding("config"), finding("file"),
        finding("ghost"), finding("of-the-future")]);
    assert.deepEqual(problems.map(group => group.id), ["file", "of-the-future"]);
    assert.deepEqual(notes.map(item => item.kinds), [["config"], ["ghost"]]);
    assert.equal(isNote(finding("stale")), false);
});

test("no finding is lost: each text is in one item", () => {
    const findings = ["record", "inventory", "package", "file", "setting", "scriptlet", "stale",
        "config", "ghost", "new"].flatMap(kind => [
        finding(kind, {text: `${kind} 1`}), finding(kind, {text: `${kind} 2`, path: "/a"})]);
    const {problems, notes} = groupFindings(findings);
    const texts = [...problems.flatMap(group => group.items), ...notes].flatMap(
        item => item.texts);
    assert.deepEqual(texts.sort(), findings.map(one => one.text).sort());
});

test("findings of one file are one item with all differences, each once", () => {
    const mode = {what: "mode", was: "0644", is: "0600"};
    const size = {what: "size", was: "1", is: "2"};
    const {problems} = groupFindings([
        finding("file", {path: "/b", text: "one", differences: [mode]}),
        finding("file", {path: "/b", text: "two", differences: [mode, size]}),
        finding("file", {path: "/a"})]);
    assert.deepEqual(problems[0]?.items.map(item => item.path), ["/a", "/b"]);
    assert.deepEqual(problems[0]?.items[1]?.texts, ["one", "two"]);
    assert.deepEqual(problems[0]?.items[1]?.differences, [mode, size]);
});

test("groups are in the order of their weight", () => {
    const {problems} = groupFindings(["scriptlet", "file", "inventory", "package"].map(
        kind => finding(kind)));
    assert.deepEqual(problems.map(group => group.id), ["record", "package", "file", "scriptlet"]);
});
