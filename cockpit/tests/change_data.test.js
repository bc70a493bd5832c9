// @ts-check
import assert from "node:assert/strict";
import {test} from "node:test";

Object.assign(globalThis, {cockpit: {gettext: (/** @type {string} */ text) => text}});

const {errorOf, isUnit, outcome, percent, planOf, stepsAfter} = await import("../change_data.js");

/** @param {object} values */
function change(values) {
    return /** @type {any} */ ({
        unit: "ovirt-node-plugin-1.service", operation: "install", names: ["cim"], command: [],
        state: "failed", exit_status: 1, answer: null, log: [], progress: null, ...values,
    });
}

/** @param {object[]} events */
function steps(events) {
    return events.reduce((made, event) => stepsAfter(made, /** @type {any} */ (event)),
                         /** @type {import("../change_data.js").Step[]} */ ([]));
}

test("only the units of changes are units", () => {
    assert.ok(isUnit("ovirt-node-plugin-install-1a2b.service"));
    for (const text of ["", "--all", "sshd.service", "ovirt-node-plugin-a b.service",
                        "ovirt-node-plugin-../x.service", "ovirt-node-plugin-a.service\n"])
        assert.ok(!isUnit(text), text);
});

test("a step begins, advances and ends", () => {
    const events = [
        {event: "step", step: "download", text: "Download", total: 200, unit: "bytes"},
        {event: "progress", step: "download", done: 50, total: 200, left_s: 3},
    ];
    const [running] = steps(events);
    assert.equal(percent(running), 25);
    assert.equal(running.left, 3);
    const [ended] = steps([...events, {event: "step-done", step: "download", elapsed_s: 4}]);
    assert.deepEqual([percent(ended), ended.ended, ended.left], [100, true, null]);
});

test("a step whose total is not known has no percentage", () => {
    const [step] = steps([{event: "step", step: "plan", text: "Plan", total: null}]);
    assert.equal(percent(step), null);
});

test("steps follow each other, also two of one name, and a progress without its begin", () => {
    const made = steps([
        {event: "progress", step: "a", done: 1, total: 2},
        {event: "step-done", step: "a"},
        {event: "step", step: "b", text: "B"},
        {event: "step-done", step: "b"},
        {event: "step", step: "b", text: "B again"},
        {event: "result"},
    ]);
    assert.deepEqual(made.map(step => [step.text, step.ended]), [["a", true], ["B", true], ["B again", false]]);
});

test("more than the total is all of it", () => {
    const [step] = steps([{event: "progress", step: "a", done: 9, total: 3}]);
    assert.equal(percent(step), 100);
});

test("a change that was rolled back has changed nothing", () => {
    const error = {status: 8, kind: "RolledBack", message: "it failed", hint: ""};
    const failed = change({exit_status: 8, answer: {format: 1, error}});
    assert.equal(outcome(failed)?.text, "Nothing has changed.");
    assert.deepEqual(errorOf(failed), error);
    assert.equal(planOf(failed), null);
});

for (const [values, kind, title] of /** @type {[object, string, RegExp][]} */ ([
    [{state: "done", exit_status: 0, answer: {changes: true, plugins: []}}, "success", /complete/],
    [{state: "done", exit_status: 0, answer: {changes: false, plugins: []}}, "success", /nothing to do/],
    [{state: "lost", exit_status: null}, "danger", /without a result/],
    [{exit_status: 9, answer: {plugins: [], unrepaired: [{}]}}, "warning", /Not everything/],
    [{exit_status: 9}, "danger", /not as recorded/],
    [{exit_status: 200}, "danger", /Another process/],
    [{exit_status: 5}, "danger", /refused/],
    [{exit_status: 6, answer: {error: {kind: "PlanChanged", message: ""}}}, "danger", /no longer the one/],
    [{exit_status: 1, answer: {error: {kind: "Interrupted", message: ""}}}, "danger", /stopped and undone/],
    [{exit_status: null}, "danger", /failed/],
]))
    test(`the outcome of ${JSON.stringify(values)} is told`, () => {
        const shown = outcome(change(values));
        assert.equal(shown?.kind, kind);
        assert.match(shown?.title ?? "", title);
    });

test("a change that runs has no outcome", () => {
    assert.equal(outcome(change({state: "running", exit_status: null})), null);
});
