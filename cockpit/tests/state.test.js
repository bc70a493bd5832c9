import assert from "node:assert/strict";
import {test} from "node:test";

import {fakeCockpit} from "./fake_cockpit.js";

const PLUGIN = {name: "storage", version: "1.0", state: "installed", problems: [], upgrades: ""};
const ANSWERS = {
    "list": {plugins: [PLUGIN]},
    "status": {changes: []},
    "verify": {plugins: [{name: "storage", problems: ["gone"], notes: [], findings: []}]},
    "list --available": {plugins: [{...PLUGIN, version: "2.0", upgrades: "1.0"}]},
};
let copies = 0;

/** Return a store of its own and what it asked the host; `answers` replace those above. */
async function store(answers = {}) {
    const host = {answers: {...ANSWERS, ...answers}, runs: [], watched: new Map(), most: 0, now: 0};
    const fake = fakeCockpit();
    host.permission = {allowed: true, addEventListener(_name, listener) {
        host.permitted = listener;
    }};
    fake.permission = () => host.permission;
    fake.channel = ({path}) => ({addEventListener(name, listener) {
        host.watched.set(path, {...host.watched.get(path), [name]: listener});
    }});
    fake.spawn = argv => {
        const words = argv.slice(2).filter(word => !["--progress", "--json"].includes(word)).join(" ");
        host.runs.push(words);
        host.now += 1;
        host.most = Math.max(host.most, host.now);
        const answer = host.answers[words];
        let listener = () => {};
        const process = new Promise((resolve, reject) => setImmediate(() => {
            host.now -= 1;
            if (answer)
                listener(`${JSON.stringify(answer)}\n`);
            return answer ? resolve() : reject({exit_status: 1, message: "no answer"});
        }));
        process.stream = given => {
            listener = given;
            return process;
        };
        return process;
    };
    copies += 1;
    // A module with another address is another copy of it, with a state of its own.
    const copy = await import(`../state.js?${copies}`);
    return {...copy, host};
}

/** Wait until nothing is read. */
async function rest(state) {
    while (state.busy)
        await new Promise(resolve => setImmediate(resolve));
}

const ALL = Object.keys(ANSWERS);

test("the list comes first, and one command runs at a time", async () => {
    const {start, state, healthOf, host} = await store();
    await start();
    assert.deepEqual(host.runs, ALL);
    assert.equal(host.most, 1);
    assert.equal(state.busy, false);
    assert.equal(state.upgrades.get("storage"), "2.0");
    assert.deepEqual(healthOf(PLUGIN).problems, ["gone"]);
});

test("both folders of records are watched, and many events are one reading", async t => {
    const {start, subscribe, state, host} = await store();
    await start();
    assert.deepEqual([...host.watched.keys()], ["/etc/ovirt.plugins.d", "/usr/lib/ovirt.plugins.d"]);
    t.mock.timers.enable({apis: ["setTimeout"]});
    for (let number = 0; number < 50; number += 1)
        host.watched.get("/etc/ovirt.plugins.d").message();
    const ended = new Promise(resolve => subscribe(() => state.busy || resolve()));
    t.mock.timers.tick(1000);
    await ended;
    assert.deepEqual(host.runs, [...ALL, ...ALL]);
});

test("a refresh while the host is read leads to one more reading", async () => {
    const {start, refresh, host} = await store();
    const started = start();
    refresh();
    refresh();
    await started;
    assert.deepEqual(host.runs, ["list", ...ALL]);
});

test("nothing is checked while a change runs, until it has ended", async () => {
    const unit = "ovirt-node-plugin-1.service";
    const {start, host} = await store({status: {changes: [{unit, state: "running"}]}});
    await start();
    assert.deepEqual(host.runs.slice(0, 4),
                     ["list", "status", `status ${unit} --follow`, "list --available"]);
});

test("a change that is running although it cannot be followed is followed once", async () => {
    const unit = "ovirt-node-plugin-1.service";
    const {start, refresh, host} = await store({
        "status": {changes: [{unit, state: "running"}]},
        [`status ${unit} --follow`]: {event: "result", changes: []},
    });
    await start();
    await refresh();
    await refresh();
    assert.equal(host.runs.filter(words => words.includes("--follow")).length, 1);
});

test("one program follows a change for all, and its end is read", async () => {
    const unit = "ovirt-node-plugin-1.service";
    const result = {event: "result", changes: []};
    const {start, state, followChange, host} = await store({
        status: {changes: [{unit, state: "running"}]}, [`status ${unit} --follow`]: result});
    const events = [];
    const {done} = followChange(unit, event => events.push(event));
    const started = start();
    host.answers.status = ANSWERS.status;
    assert.deepEqual(await done, result);
    await started;
    await rest(state);
    assert.deepEqual(events, [result]);
    assert.equal(host.runs.filter(words => words.endsWith("--follow")).length, 1);
    assert.equal(host.runs.filter(words => words === "status").length, 1);
});

test("who follows a change later is told what came before, of progress the last", async () => {
    const {followChange} = await store();
    let print = () => {};
    const process = new Promise(() => {});
    process.stream = listener => {
        print = event => listener(`${JSON.stringify(event)}\n`);
    };
    cockpit.spawn = () => process;
    const first = [];
    followChange("unit", event => first.push(event.done ?? event.event)).stop();
    for (const event of [{event: "step", step: "a"}, {event: "progress", step: "a", done: 1},
                         {event: "progress", step: "a", done: 2}])
        print(event);
    const later = [];
    followChange("unit", event => later.push(event.done ?? event.event));
    print({event: "step-done", step: "a"});
    assert.deepEqual(first, []);
    assert.deepEqual(later, ["step", 2, "step-done"]);
});

test("other rights of the user lead to one more reading", async () => {
    const {start, state, host} = await store();
    await start();
    host.permission.allowed = false;
    host.permitted();
    host.permitted();
    assert.equal(state.admin, false);
    await rest(state);
    assert.deepEqual(host.runs, [...ALL, ...ALL]);
});

test("the last list stays if it cannot be read again, with the reason", async () => {
    const {start, refresh, state, host} = await store();
    await start();
    const {list} = state;
    host.answers.list = null;
    await refresh();
    assert.equal(state.list, list);
    assert.equal(state.problem.message, "no answer");
    host.answers.list = ANSWERS.list;
    await refresh();
    assert.equal(state.problem, null);
});

test("a lost connection is a problem", async () => {
    const {start, state, host} = await store();
    await start();
    host.watched.get("/etc/ovirt.plugins.d").close({}, {problem: "disconnected"});
    assert.equal(state.problem.problem, "disconnected");
});

test("where folders cannot be watched, the user's return to the page reads again", async () => {
    const {start, host} = await store();
    await start();
    const returns = [];
    Object.assign(cockpit, {hidden: true, addEventListener: (...given) => returns.push(given)});
    for (const {close} of host.watched.values())
        close({}, {problem: "internal-error"});
    assert.equal(returns.length, 1);
    const [[name, listener]] = returns;
    assert.equal(name, "visibilitychange");
    listener();
    assert.deepEqual(host.runs, ALL);
    cockpit.hidden = false;
    listener();
    assert.deepEqual(host.runs, [...ALL, "list"]);
});
