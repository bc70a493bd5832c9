// @ts-check
/** The page of a plugin that is available and not installed. */

import {element, replace} from "./dom.js";
import {limited} from "./plugin_parts.js";
import {address, parametersOf} from "./plugin_summary.js";
import {_, sentence} from "./text.js";
import {alert, definitions, lines} from "./widgets.js";

/**
 * Show what an available plugin is, and why it cannot be installed, if so.
 *
 * @param {HTMLElement} container
 * @param {import("./answers").PluginInfo} info
 */
export function renderOffer(container, info) {
    replace(container,
            info.summary ? element("p", {class: "lead"}, info.summary) : null,
            info.refused ? alert("warning", _("It cannot be installed here."), lines(sentence(info.refused))) : null,
            info.problems.length ? alert("danger", _("It cannot be used."),
                                         info.problems.map(text => lines(sentence(text)))) : null,
            element("section", {class: "card"},
                    element("h2", null, _("Summary")),
                    element("div", {class: "card-body"},
                            info.description ? element("div", {class: "description"}, lines(info.description)) : null,
                            definitions([
                                [_("Version"), info.version],
                                [_("Vendor"), info.vendor],
                                [_("Home page"), address(info.url)],
                                [_("Licence"), info.license],
                                [_("Source"), info.source],
                                [_("Repositories"), info.repos.join(", ")],
                                [_("Parameters"), ...parametersOf(info)],
                            ]))),
            card(_("Settings that it would make"), info.settings, _("It has no settings.")),
            card(_("Packages that it would install"), info.packages, _("It has no packages.")),
            card(_("Requires"), info.requires, _("It requires no other version or package.")));
}

/**
 * @param {string} title
 * @param {string[]} texts
 * @param {string} none
 */
function card(title, texts, none) {
    return element("section", {class: "card"},
                   element("h2", null, title),
                   element("div", {class: "card-body"}, texts.length
                       ? limited(texts, text => element("span", null, text))
                       : element("p", null, none)));
}
