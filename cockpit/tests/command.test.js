import assert from "node:assert/strict";
import {beforeEach, test} from "node:test";

import {change, CommandFailed, failed, follow, NO_ANSWER, NO_COMMAND, onWaiting, read} from "../command.js";
import {fakeCockpit} from "./fake_cockpit.js";

/** @type {{argv: string[], options: any, process: any}[]} */
let started = [];

/** Let each program print `parts`, and then end with `failure`, if that is given. */
function programs(parts, failure = null) {
    started = [];
    fakeCockpit().spawn = (argv, options) => {
        let listener = () => {};
        const process = Promise.resolve().then(() => {
            for (const part of parts)
                listener(part);
            if (failure)
                throw failure;
        });
        process.stream = given => {
            listener = given;
            return process;
        };
        process.close = problem => {
            process.problem = problem;
        };
        started.push({argv, options, process});
        return process;
    };
}

beforeEach(() => programs([]));

test("reading runs the command with the rights that the user has", async () => {
    programs(['{"format": 1, "plu', 'gins": []}']);
    assert.deepEqual(await read(["list", "--available"]), {format: 1, plugins: []});
    const [{argv, options}] = started;
    assert.deepEqual(argv, ["dnf", "node-plugin", "list", "--available", "--progress", "--json"]);
    assert.deepEqual(options, {err: "message", environ: ["LC_ALL=C.UTF-8"], superuser: "try"});
});

test("a change answers questions with yes and needs administrative access", async () => {
    programs(["{}"]);
    await change(["install", "storage", "--detach"]);
    const [{argv, options}] = started;
    assert.deepEqual(argv, ["dnf", "-y", "node-plugin", "install", "storage", "--detach", "--json"]);
    assert.equal(options.superuser, "require");
});

test("an error of the command has its words", async () => {
    const error = {status: 6, kind: "Refused", message: "no", hint: "so", paths: ["a"]};
    programs([JSON.stringify({format: 1, error})], {exit_status: 6, message: "", problem: null});
    await assert.rejects(read(["info", "x"]), {
        name: "CommandFailed", status: 6, kind: "Refused", message: "no", hint: "so",
        paths: ["a"], packages: [], problem: "", locked: false, error,
    });
});

test("a message of the command is a sentence, one of another program stays as it is", () => {
    const message = "no plugin is named so";
    assert.equal(new CommandFailed({kind: "UnknownPlugin", message}).message, "No plugin is named so");
    assert.equal(new CommandFailed({message}).message, message);
});

test("a status of its own does not make a failure of an answer", async () => {
    programs(['{"event": "result", "ok": false, "plugins": []}\n'], {exit_status: 9, message: ""});
    assert.equal((await read(["verify"])).ok, false);
});

test("an error of dnf has the text that it printed", () => {
    const failure = failed({exit_status: 1, message: "Error: Failed to load\n", problem: null}, "");
    assert.equal(failure.message, "Error: Failed to load");
    assert.equal(failure.problem, "");
});

test("a lock is recognised by its status", () => {
    assert.ok(failed({exit_status: 200, message: "", problem: null}, "").locked);
});

test("a dnf without the command is recognised", () => {
    for (const message of [
        "No such command: node-plugin. Please use /usr/bin/dnf --help",
        'Unknown argument "node-plugin" for command "dnf5". Add "--help" for more information.',
    ])
        assert.equal(failed({exit_status: 1, message, problem: null}, "").problem, NO_COMMAND);
});

test("a problem of Cockpit is kept", () => {
    for (const problem of ["not-found", "access-denied", "disconnected"]) {
        const failure = failed({problem, message: problem}, "");
        assert.equal(failure.problem, problem);
        assert.equal(failure.status, null);
    }
});

test("an answer that is no JSON is a failure that shows it", async () => {
    programs(["Hello"]);
    await assert.rejects(read(["list"]), {problem: NO_ANSWER, message: "Hello"});
});

test("the words of dnf about a lock are told while a command waits", async () => {
    const wait = "Waiting for process with pid 7 to finish.";
    const told = [];
    onWaiting(text => told.push(text));
    programs([`{"event": "message", "text": "Other"}\n{"event": "message", "text": "${wait}"}\n`,
              '{"event": "step"}\n{"event": "result"}\n']);
    await read(["list"]);
    assert.deepEqual(told, [wait, ""]);
    programs([`{"event": "message", "text": "${wait}"}\n`], {problem: "terminated", message: ""});
    await assert.rejects(read(["list"]));
    assert.deepEqual(told, [wait, "", wait, ""]);
});

test("lines are told as they come, however they are cut", async () => {
    programs(['{"event": "s', "te", 'p"}\n{"event": "progress"}\nnoise\n', '{"event": "result"}\n']);
    const events = [];
    const last = await follow(["status", "--follow"], event => events.push(event.event)).done;
    assert.deepEqual(events, ["step", "progress", "result"]);
    assert.equal(last.event, "result");
});

test("a line that is none of JSON is no event", async () => {
    programs(['{"event": "step"}\nWarning\n\n"text"\n{"event": "result"}\n']);
    const events = [];
    await follow(["status", "--follow"], event => events.push(event.event)).done;
    assert.deepEqual(events, ["step", "result"]);
});

test("the result of a change that failed is an answer, too", async () => {
    programs(['{"event": "result", "changes": []}\n'], {exit_status: 8, message: ""});
    assert.deepEqual((await follow(["status"], () => {}).done).changes, []);
});

test("a line that is an error is a failure with its words", async () => {
    programs(['{"event": "error", "error": {"status": 200, "message": "locked"}}\n'],
             {exit_status: 200, message: ""});
    await assert.rejects(follow(["status"], () => {}).done, {message: "locked", locked: true});
});
