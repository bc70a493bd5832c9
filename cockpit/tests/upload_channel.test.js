// @ts-check
import assert from "node:assert/strict";
import {test} from "node:test";

Object.assign(globalThis, {cockpit: {gettext: (/** @type {string} */ text) => text, language: "en"}});

const {MOST_BYTES, refusal, suffixOf} = await import("../upload_channel.js");

test("only the suffix of a name is used, and only that of a bundle", () => {
    assert.equal(suffixOf("cim-1.0.tar.zst"), ".tar.zst");
    assert.equal(suffixOf("../../etc/passwd;rm -rf.tgz"), ".tgz");
    for (const name of ["cim.rpm", "cim.tar.zst\n", ".tar", "cim.TAR", "cim.tar.bz2", ""])
        assert.equal(suffixOf(name), "", name);
});

test("a file that is no bundle, too large or empty is refused before anything is sent", () => {
    assert.match(refusal({name: "cim.rpm", size: 1}), /cim\.rpm is no bundle/);
    assert.match(refusal({name: "cim.tar", size: MOST_BYTES + 1}), /at most/);
    assert.match(refusal({name: "cim.tar", size: 0}), /is empty/);
    assert.equal(refusal({name: "cim.tar", size: MOST_BYTES}), "");
});
