// @ts-check
/** The first part of a plugin's page: what it is, who made it, what it needs and shares. */

import {element, replace} from "./dom.js";
import {trustBadge} from "./overview_data.js";
import {code, limited} from "./plugin_parts.js";
import {_, format, time} from "./text.js";
import {badge, definitions, lines, link} from "./widgets.js";

/**
 * @typedef {import("./answers").PluginInfo} PluginInfo
 * @typedef {import("./answers").Manifest} Manifest
 * @typedef {import("./dom.js").Child} Child
 */

/**
 * Show the summary of a plugin; the manifest adds what the installed one has, and may be missing.
 *
 * @param {HTMLElement} container
 * @param {PluginInfo} info
 * @param {Manifest | null} manifest
 */
export function renderSummary(container, info, manifest) {
    replace(container,
            info.description ? element("div", {class: "description"}, lines(info.description)) : null,
            definitions([
                [_("Version"), info.version],
                [_("Vendor"), info.vendor],
                [_("Home page"), address(info.url)],
                [_("Licence"), info.license],
                [_("Trust"), trustOf(info)],
                [_("Origin"), info.origin?.location ?? ""],
                [_("Signed by"), ...keysOf(info, manifest)],
                [_("Installed from"), info.source],
                [_("Installed"), info.installed_at ? time(info.installed_at) : ""],
                [_("Installed by"), manifest?.tool ?? ""],
                [_("Repositories"), info.repos.join(", ")],
                [_("Parameters"), ...parametersOf(info)],
            ]));
}

/**
 * Return a line for each parameter, with its value or what it needs.
 *
 * @param {PluginInfo} info
 * @returns {Child[]}
 */
export function parametersOf({parameters}) {
    return parameters.map(({name, given, value, required, meaning, expected}) => {
        const unset = required ? _("needed") : format(_("$0 by default"), value ?? "");
        return element("div", null, code(name), " = ", given ? value ?? _("a secret") : unset,
                       `: ${meaning} (${expected})`);
    });
}

/**
 * Return a link only for an address of the web; another one is a text. It is shown in full.
 *
 * @param {string} url
 * @returns {Child}
 */
export function address(url) {
    return /^https?:\/\/[^\s]+$/i.test(url)
        ? element("a", {href: url, target: "_blank", rel: "noopener noreferrer"}, url) : url;
}

/**
 * @param {PluginInfo} info
 * @returns {Child}
 */
function trustOf(info) {
    const trust = trustBadge(info.trust);
    return trust ? [badge(trust.kind, trust.text), " ", trust.why] : info.trust;
}

/**
 * Return the keys of the origin, with owner and fingerprint as far as the packages tell.
 *
 * @param {PluginInfo} info
 * @param {Manifest | null} manifest
 * @returns {Child[]}
 */
function keysOf(info, manifest) {
    const known = new Map((manifest?.packages ?? []).map(one => [one.signer, one]));
    return (info.origin?.keys ?? []).map(key => {
        const {fingerprint = "", owner = ""} = known.get(key) ?? {};
        return element("span", {class: "key"}, owner ? `${owner} ` : null,
                       code(fingerprint || key));
    });
}

/**
 * Show what a plugin requires, and what it has together with other plugins.
 *
 * @param {HTMLElement} container
 * @param {PluginInfo} info
 */
export function renderRelations(container, info) {
    const shares = info.shares ?? [];
    replace(container,
            element("section", {class: "group"},
                    element("h3", null, _("Requires")),
                    info.requires.length ? limited(info.requires, code1)
                        : element("p", null, _("This plugin requires no other version or package."))),
            element("section", {class: "group"},
                    element("h3", null, _("Shared with other plugins")),
                    shares.length ? limited(shares, shareLine)
                        : element("p", null, _("No other plugin has a package or setting of this one.")),
                    shares.length ? element("p", {class: "note"},
                                            _("What several plugins share stays until the last of them is removed.")) : null));
}

/** @param {string} text */
function code1(text) {
    return element("code", null, text);
}

/** @param {import("./answers").Share} share */
function shareLine(share) {
    return element("span", null,
                   share.kind === "package" ? _("package") : format(_("setting $0"), share.kind),
                   " ", code(share.name), " ", _("with"), " ",
                   share.plugins.map((name, at) => [at ? ", " : null,
                       link(["plugin", name], name)]));
}
