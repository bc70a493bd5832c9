import assert from "node:assert/strict";
import {beforeEach, test} from "node:test";

import {countsText, health, matches, trustBadge, upgradesOf} from "../overview_data.js";
import {fakeCockpit} from "./fake_cockpit.js";

const plugin = values => ({
    name: "storage", version: "1.0", vendor: "ACME", summary: "Arrays", state: "installed",
    problems: [], upgrades: "", ...values,
});
const check = values => ({name: "storage", problems: [], notes: [], findings: [], ...values});

beforeEach(() => fakeCockpit());

test("a plugin that was not checked is installed", () => {
    assert.equal(health(plugin({}), undefined).text, "Installed");
});

test("a plugin without problems is as installed", () => {
    assert.deepEqual(health(plugin({}), check({})),
                     {kind: "success", text: "As installed", problems: [], notes: 0});
});

test("changed configuration files are no damage", () => {
    const {kind, notes} = health(plugin({}), check({notes: ["a was changed", "b was changed"]}));
    assert.deepEqual([kind, notes], ["success", 2]);
});

test("the problems of the record and of the check are each said once", () => {
    const found = health(plugin({state: "broken", problems: ["a"]}), check({problems: ["a", "b"]}));
    assert.deepEqual([found.kind, found.problems], ["danger", ["a", "b"]]);
});

test("a broken record without a reason is broken", () => {
    assert.equal(health(plugin({state: "broken"}), check({})).kind, "danger");
});

test("each word of a search has to be in a plugin, in any field and case", () => {
    const found = words => matches(plugin({}), words);
    assert.ok(found("") && found("acme STOR") && found("1.0 arrays"));
    assert.ok(!found("acme nfs"));
});

test("only newer versions of installed plugins are upgrades", () => {
    const available = [plugin({version: "2.0", upgrades: "1.0"}), plugin({name: "new"})];
    assert.deepEqual([...upgradesOf(available)], [["storage", "2.0"]]);
});

test("counts name what is not zero", () => {
    const text = values => countsText({shown: 3, all: 3, broken: 0, upgrades: 0, ...values});
    assert.equal(text({}), "3 plugins");
    assert.equal(text({shown: 1, broken: 1, upgrades: 2}),
                 "1 of 3 plugins · 1 broken · 2 upgrades available");
});

test("each kind of trust has a badge, and an unknown one has none", () => {
    assert.deepEqual(["signed", "unchecked", "unsigned", "unknown"].map(kind => trustBadge(kind)?.kind),
                     ["success", "warning", "danger", "neutral"]);
    assert.equal(trustBadge(""), null);
});
