// @ts-check
/** What the overview says of each plugin, as data. */

import {_, format, plural} from "./text.js";

/**
 * @typedef {import("./answers").PluginState} PluginState
 * @typedef {import("./answers").Check} Check
 * @typedef {{kind: "success" | "danger" | "neutral", text: string, problems: string[],
 *            notes: number}} Health
 */

/**
 * Return how a plugin is: what its record says and, if it was checked, its files.
 *
 * @param {PluginState} plugin
 * @param {Check | undefined} check
 * @returns {Health}
 */
export function health(plugin, check) {
    // verify repeats what list says of the record.
    const problems = [...new Set([...plugin.problems, ...(check?.problems ?? [])])];
    const notes = check?.notes.length ?? 0;
    if (plugin.state === "broken" || problems.length)
        return {kind: "danger", text: _("Broken"), problems, notes};
    if (check)
        return {kind: "success", text: _("As installed"), problems, notes};
    return {kind: "neutral", text: _("Installed"), problems, notes};
}

/**
 * Return a badge for how far the packages of a plugin can be trusted; null if nothing is known.
 *
 * @param {import("./answers").Trust} trust
 * @returns {{kind: "success" | "warning" | "danger" | "neutral", text: string, why: string} | null}
 */
export function trustBadge(trust) {
    switch (trust) {
    case "signed":
        return {
            kind: "success",
            text: _("Signed"),
            why: _("Every package was signed, and every signature was checked."),
        };
    case "unchecked":
        return {
            kind: "warning",
            text: _("Not checked"),
            why: _("Every package was signed, but not every signature was checked."),
        };
    case "unsigned":
        return {
            kind: "danger",
            text: _("Unsigned"),
            why: _("At least one package has no known signature."),
        };
    case "unknown":
        return {
            kind: "neutral",
            text: _("Unknown"),
            why: _("Nothing is known about the signatures of its packages."),
        };
    }
    return null;
}

/**
 * Return the available version that is newer than each installed one, by name.
 *
 * @param {PluginState[]} available
 * @returns {Map<string, string>}
 */
export function upgradesOf(available) {
    return new Map(available.filter(plugin => plugin.upgrades)
            .map(plugin => [plugin.name, plugin.version]));
}

/**
 * Return whether a plugin has every word of a search in its name, version, vendor or summary.
 *
 * @param {PluginState} plugin
 * @param {string} words
 */
export function matches(plugin, words) {
    const text = [plugin.name, plugin.version, plugin.vendor, plugin.summary]
            .join("\n")
            .toLocaleLowerCase();
    return words.toLocaleLowerCase().split(/\s+/).every(word => text.includes(word));
}

/**
 * Return the line of counts above the table.
 *
 * @param {{shown: number, all: number, broken: number, upgrades: number}} counts
 */
export function countsText({shown, all, broken, upgrades}) {
    return [
        shown === all
            ? plural("$0 plugin", "$0 plugins", all)
            : format(_("$0 of $1 plugins"), shown, all),
        broken ? plural("$0 broken", "$0 broken", broken) : "",
        upgrades ? plural("$0 upgrade available", "$0 upgrades available", upgrades) : "",
    ].filter(Boolean).join(" · ");
}
