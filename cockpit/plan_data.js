// @ts-check
/**
 * A plan of the command as data in the order in which a page shows it. Without DOM.
 *
 * @typedef {import("./answers").PlanAnswer} PlanAnswer
 * @typedef {import("./answers").PluginAction} PluginAction
 * @typedef {import("./answers").Signature} Signature
 * @typedef {import("./answers").Noteworthy} Noteworthy
 * @typedef {import("./answers").Origin} Origin
 */

import {_, format} from "./text.js";

// The kinds of things to review, the most dangerous first.
const REVIEWED = ["setuid", "setgid", "capabilities", "device", "world-writable", "kernel-module",
                  "access", "unit", "tmpfiles", "library", "selinux", "protected", "command",
                  "bus-name", "cockpit-page", "same-name", "drop-in", "not-updated", "scriptlets"];
const DANGEROUS = REVIEWED.slice(0, 13);

/**
 * Return what happens to a plugin, such as "Upgrade cim 1.0 → 1.1".
 *
 * @param {PluginAction} plugin
 */
export function pluginTitle(plugin) {
    const templates = {
        install: _("Install $0"),
        upgrade: _("Upgrade $0"),
        repair: _("Repair $0"),
        remove: _("Remove $0"),
        keep: _("Keep $0"),
    };
    const version = plugin.action === "upgrade"
        ? `${plugin.old_version} → ${plugin.version}`
        : plugin.version || plugin.old_version;
    return format(templates[plugin.action], `${plugin.name} ${version}`.trim());
}

/**
 * Return what happened to a plugin, as the command says it after a change.
 *
 * @param {PluginAction} plugin
 */
export function pluginDone(plugin) {
    const templates = {
        install: _("Installed plugin $0."),
        upgrade: _("Upgraded plugin $0."),
        repair: _("Repaired plugin $0."),
        remove: _("Removed plugin $0."),
        keep: _("Plugin $0 is unchanged."),
    };
    return format(templates[plugin.action],
                  `${plugin.name} ${plugin.version || plugin.old_version}`.trim());
}

/**
 * Return the settings of a plugin as the terminal orders them: what it drops first.
 *
 * @param {PluginAction} plugin
 */
export function settingsInOrder(plugin) {
    const ranks = {off: 0, stays: 1, on: 2, again: 2};
    return [...plugin.settings].sort((one, other) => ranks[one.action] - ranks[other.action]);
}

/**
 * Return whether a key that signed packages is known, offered, missing, or there is none.
 *
 * @param {Signature} signature
 * @returns {"known" | "offered" | "missing" | "unsigned"}
 */
export function keyState(signature) {
    if (!signature.key)
        return "unsigned";
    if (signature.owner)
        return "known";
    return signature.fingerprint ? "offered" : "missing";
}

/**
 * Return a fingerprint in groups of four characters, all of it.
 *
 * @param {string} fingerprint
 */
export function grouped(fingerprint) {
    return (fingerprint.toUpperCase().match(/.{1,4}/g) ?? []).join(" ");
}

/**
 * Return what to review, by kind, the most dangerous kind first. An unknown kind is dangerous.
 *
 * @param {PlanAnswer} plan
 * @returns {{kind: string, danger: boolean, items: Noteworthy[]}[]}
 */
export function reviews(plan) {
    /** @type {Map<string, Noteworthy[]>} */
    const groups = new Map();
    for (const notable of plan.noteworthy) {
        const group = groups.get(notable.kind) ?? [];
        group.push(notable);
        groups.set(notable.kind, group);
    }
    return [...groups]
            .sort(([one], [other]) => REVIEWED.indexOf(one) - REVIEWED.indexOf(other))
            .map(([kind, items]) => ({
                kind,
                items,
                danger: DANGEROUS.includes(kind) || !REVIEWED.includes(kind),
            }));
}

/**
 * Return the title of a kind of things to review.
 *
 * @param {string} kind
 */
export function reviewTitle(kind) {
    /** @type {Record<string, string>} */
    const titles = {
        "setuid": _("Programs that run as their owner (setuid)"),
        "setgid": _("Programs that run as their group (setgid)"),
        "capabilities": _("Files with capabilities"),
        "device": _("Device nodes"),
        "world-writable": _("Files that every user can write"),
        "kernel-module": _("Kernel modules that replace one of the kernel"),
        "access": _("Files that change who may do what"),
        "unit": _("Changes to units of the system"),
        "tmpfiles": _("Files that are changed at boot"),
        "library": _("Changes to the libraries of programs"),
        "selinux": _("Changes to the SELinux policy"),
        "protected": _("Files in protected places"),
        "command": _("Commands that run without a setting"),
        "bus-name": _("Names and policies on D-Bus"),
        "cockpit-page": _("Pages in Cockpit"),
        "same-name": _("Files with the name of another one of the system"),
        "drop-in": _("Files that are active without a setting"),
        "not-updated": _("Files that a new image does not update on a deployed host"),
        "scriptlets": _("Scriptlets that run as root"),
    };
    return titles[kind] ?? kind;
}

/**
 * Return an origin as the command words it.
 *
 * @param {Origin} origin
 * @param {{key: string, fingerprint: string, owner: string}[]} known
 */
export function originText(origin, known) {
    const texts = new Map(known.map(
        each => [each.key, `${each.fingerprint} ${each.owner}`.trim()]));
    const keys = origin.keys.map(key => texts.get(key) ?? key).join(", ");
    return format(_("$0, $1, from $2"), origin.vendor || _("an unnamed vendor"),
                  keys ? format(_("signed by $0"), keys) : _("without checked signatures"),
                  origin.location);
}

/**
 * Return the options without which a plan is not carried out: for each key that nobody has
 * confirmed, and each plugin whose origin changes. A user has to choose each of them.
 *
 * @param {PlanAnswer} plan
 */
export function conditions(plan) {
    return [
        ...plan.plugins.filter(changesOrigin).map(originOption),
        ...plan.signatures.filter(needsTrust).map(keyOption),
    ];
}

/**
 * Return whether a plugin would be replaced by one of another origin.
 *
 * @param {PluginAction} plugin
 */
export function changesOrigin(plugin) {
    return plugin.old_origin !== null && plugin.origin !== null;
}

/**
 * Return whether a key has to be trusted before its packages can be installed.
 *
 * @param {Signature} signature
 */
export function needsTrust(signature) {
    return signature.checked && keyState(signature) === "offered";
}

/** @param {Signature} signature */
export function keyOption(signature) {
    return `--trust-key=${signature.fingerprint}`;
}

/** @param {PluginAction} plugin */
export function originOption(plugin) {
    return `--accept-origin=${plugin.name}`;
}

/**
 * Return the ids of keys that neither the system nor a repository has: their packages are refused.
 *
 * @param {PlanAnswer} plan
 */
export function missingKeys(plan) {
    return plan.signatures.filter(each => each.checked && keyState(each) === "missing")
        .map(each => each.key);
}

/**
 * Return the packages that are refused because they are not signed.
 *
 * @param {PlanAnswer} plan
 */
export function unsignedPackages(plan) {
    return plan.signatures.filter(each => each.checked && keyState(each) === "unsigned")
        .flatMap(each => each.packages);
}

/**
 * Return how much space a plan needs, or frees if the result is negative, in bytes.
 *
 * @param {{needed_bytes: number, freed_bytes: number}} space
 */
export function netBytes(space) {
    return space.needed_bytes - space.freed_bytes;
}
