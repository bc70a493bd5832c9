// @ts-check
import assert from "node:assert/strict";
import {test} from "node:test";

Object.assign(globalThis, {cockpit: {gettext: (/** @type {string} */ text) => text}});

const {conditions, grouped, keyState, missingKeys, originText, pluginTitle, reviews, settingsInOrder,
    unsignedPackages} =
    await import("../plan_data.js");

const OFFERED = {
    key: "7385aa2cfeb094fa", owner: "", fingerprint: "f583b10356fcb594f0e16a537385aa2cfeb094fa",
    offered_owner: "Vendor", packages: ["a-1-1.noarch"], checked: true,
};

/** @param {object} values */
function plan(values) {
    return /** @type {any} */ ({plugins: [], signatures: [], noteworthy: [], ...values});
}

/** @param {object} values */
function plugin(values) {
    return /** @type {any} */ ({
        action: "install", name: "cim", version: "1.1", old_version: "", settings: [], origin: null,
        old_origin: null, ...values,
    });
}

test("titles name the versions that matter", () => {
    assert.equal(pluginTitle(plugin({})), "Install cim 1.1");
    assert.equal(pluginTitle(plugin({action: "upgrade", old_version: "1.0"})), "Upgrade cim 1.0 → 1.1");
    assert.equal(pluginTitle(plugin({action: "remove", version: "", old_version: "1.0"})), "Remove cim 1.0");
});

test("a key that nobody has confirmed is a condition, a known one is none", () => {
    const known = {...OFFERED, owner: "Vendor"};
    assert.deepEqual(conditions(plan({signatures: [OFFERED, known]})),
                     [`--trust-key=${OFFERED.fingerprint}`]);
});

test("a key whose signatures are not checked is no condition", () => {
    assert.deepEqual(conditions(plan({signatures: [{...OFFERED, checked: false}]})), []);
});

test("a change of origin is a condition", () => {
    const origin = {vendor: "", keys: [], location: "/a"};
    assert.deepEqual(conditions(plan({plugins: [plugin({origin, old_origin: origin}), plugin({})]})),
                     ["--accept-origin=cim"]);
});

test("packages without a signature and without a key differ", () => {
    assert.equal(keyState({...OFFERED, key: "", fingerprint: ""}), "unsigned");
    const missing = {...OFFERED, fingerprint: "", offered_owner: ""};
    assert.equal(keyState(missing), "missing");
    assert.deepEqual(missingKeys(plan({signatures: [missing, OFFERED]})), ["7385aa2cfeb094fa"]);
});

test("packages without a signature are refused where signatures are checked", () => {
    const unsigned = {...OFFERED, key: "", fingerprint: "", offered_owner: ""};
    assert.deepEqual(unsignedPackages(plan({signatures: [unsigned, OFFERED]})), ["a-1-1.noarch"]);
    assert.deepEqual(unsignedPackages(plan({signatures: [{...unsigned, checked: false}]})), []);
});

test("a fingerprint is shown whole", () => {
    assert.equal(grouped(OFFERED.fingerprint).replaceAll(" ", "").toLowerCase(), OFFERED.fingerprint);
    assert.equal(grouped(""), "");
});

test("dangerous kinds come first, and nothing is left out", () => {
    const kinds = ["scriptlets", "drop-in", "setuid", "drop-in", "kind-of-a-later-version"];
    const items = kinds.map(kind => ({kind, package: "a", path: "/a", detail: ""}));
    const shown = reviews(plan({noteworthy: items}));
    assert.deepEqual(shown.map(({kind, danger}) => [kind, danger]), [
        ["kind-of-a-later-version", true], ["setuid", true], ["drop-in", false], ["scriptlets", false]]);
    assert.equal(shown.flatMap(group => group.items).length, items.length);
});

test("settings that a plugin drops come first", () => {
    const settings = ["on", "off", "again", "stays"].map(action => ({action}));
    assert.deepEqual(settingsInOrder(plugin({settings})).map(each => each.action),
                     ["off", "stays", "on", "again"]);
});

test("an origin is worded as by the command", () => {
    const known = [{key: "k1", fingerprint: "f1", owner: "o1"}];
    assert.equal(originText({vendor: "V", keys: ["k1", "k2"], location: "/l"}, known),
                 "V, signed by f1 o1, k2, from /l");
    assert.equal(originText({vendor: "", keys: [], location: "/l"}, []),
                 "an unnamed vendor, without checked signatures, from /l");
});
