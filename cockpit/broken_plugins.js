// @ts-check
/** The plugins that are broken, each with the reasons. */

import {element, redraw} from "./dom.js";
import {limited} from "./plugin_parts.js";
import {healthOf} from "./state.js";
import {_, plural, sentence} from "./text.js";
import {details, lines, link} from "./widgets.js";

/** @typedef {import("./answers").PluginState} PluginState */

// How many problems of a plugin are shown at once.
const FIRST = 3;
// How many plugins are; the table has them all.
const MOST = 20;

/**
 * Draw the section of broken plugins; it is hidden if there are none.
 *
 * @param {HTMLElement} section
 * @param {PluginState[]} broken
 */
export function drawBroken(section, broken) {
    section.hidden = !broken.length;
    redraw(section, JSON.stringify(broken.map(plugin => [plugin.name, healthOf(plugin)])), () => [
        element("h2", {id: "broken-heading"}, _("Broken plugins")),
        broken.slice(0, MOST).map(plugin => brokenCard(plugin)),
        broken.length > MOST ? element("p", null, plural(
            "$0 more broken plugin is in the table.",
            "$0 more broken plugins are in the table.",
            broken.length - MOST)) : null,
    ]);
}

/** @param {PluginState} plugin */
function brokenCard(plugin) {
    const {problems} = healthOf(plugin);
    const rest = problems.slice(FIRST);
    return element("article", {class: "alert danger"},
                   element("span", {class: "icon", "aria-hidden": "true"}),
                   element("div", {class: "alert-text"},
                           element("h3", {class: "alert-title"},
                                   link(["plugin", plugin.name], plugin.name)),
                           problems.length
                               ? element("ul", null, problems.slice(0, FIRST).map(
                                   text => element("li", null, lines(sentence(text))))) : null,
                           rest.length
                               ? details(plural("$0 more problem", "$0 more problems", rest.length),
                                         limited(rest, text => element("div", null, lines(sentence(text)))))
                               : null));
}
