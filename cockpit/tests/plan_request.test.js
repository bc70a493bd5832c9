// @ts-check
import assert from "node:assert/strict";
import {test} from "node:test";

import {changeWords, planWords, requestAgain, requestOf, requestOptions} from "../plan_request.js";

/**
 * @param {string} operation
 * @param {string[]} names
 * @param {string[]} [options]
 */
function request(operation, names, options = []) {
    const made = requestOf(operation, names, options);
    assert.ok(made);
    return made;
}

test("a plan is asked for without a change, with the repositories of the request", () => {
    const made = request("install", ["cim", "snmp"], ["--enablerepo=cim,snmp", "--enablerepo=b"]);
    assert.deepEqual(planWords(made), [
        "install", "--dry-run", "--enablerepo=cim", "--enablerepo=snmp", "--enablerepo=b",
        "cim", "snmp"]);
});

test("a change carries the digest of the plan and what the user has chosen", () => {
    assert.deepEqual(
        changeWords(request("remove", ["cim"], ["--keep-modified"]), "ab12", ["--trust-key=F"]),
        ["remove", "--detach", "--plan-digest=ab12", "--trust-key=F", "--keep-modified", "cim"]);
});

test("an address cannot add an option that trusts or accepts", () => {
    const options = ["--trust-keys", "--trust-key=ABC", "--accept-origin=cim", "--nogpgcheck",
                     "--installroot=/mnt", "--keep-modified"];
    assert.deepEqual(requestOptions(request("install", ["cim"], options)), []);
});

for (const [operation, names, options] of /** @type {[string, string[], string[]][]} */ ([
    ["install", [], []],
    ["remove", [], []],
    ["drop", ["cim"], []],
    ["toString", ["cim"], []],
    ["install", ["--installroot=/mnt"], []],
    ["install", ["/tmp/bundle"], []],
    ["install", ["cim\n"], []],
    ["install", ["*"], []],
    ["install", ["cim"], ["--enablerepo=*"]],
    ["install", ["cim"], ["--enablerepo=--nogpgcheck"]],
]))
    test(`nothing is planned for ${JSON.stringify([operation, names, options])}`, () => {
        assert.equal(requestOf(operation, names, options), null);
    });

test("all plugins can be upgraded and repaired at once", () => {
    assert.deepEqual(planWords(request("upgrade", [])), ["upgrade", "--dry-run"]);
    assert.deepEqual(planWords(request("repair", [])), ["repair", "--dry-run"]);
});

test("a change is planned again with its repositories, and not with what was accepted", () => {
    const again = requestAgain({
        operation: "install",
        names: ["cim"],
        command: ["dnf", "-y", "node-plugin", "install", "--trust-key=F", "--enablerepo=cim", "cim"],
    });
    assert.ok(again);
    assert.deepEqual(planWords(again), ["install", "--dry-run", "--enablerepo=cim", "cim"]);
});

test("the installation of a path is not planned again", () => {
    assert.equal(requestAgain({operation: "install", names: ["/root/cim"], command: []}), null);
});
