// @ts-check
/** The plugins that are broken, each with the reasons. */

import {element, replace} from "./dom.js";
import {limited} from "./plugin_parts.js";
import {healthOf} from "./state.js";
import {_, plural} from "./text.js";
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
    const drawn = JSON.stringify(broken.map(plugin => [plugin.name, healthOf(plugin)]));
    // What is the same is not read out again, and keeps the focus.
    if (section.dataset.drawn === drawn)
        return;
    section.dataset.drawn = drawn;
    section.hidden = !broken.length;
    replace(section,
            element("h2", {id: "broken-heading"}, _("Broken plugins")),
            broken.slice(0, MOST).map(plugin => brokenCard(plugin)),
            broken.length > MOST ? element("p", null, plural(
                "$0 more broken plugin is in the table.",
                "$0 more broken plugins are in the table.",
                broken.length - MOST)) : null);
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
                                   text => element("li", null, lines(text)))) : null,
                           rest.length
                               ? details(plural("$0 more problem", "$0 more problems", rest.length),
                                         limited(rest, text => element("div", null, lines(text))))
                               : null));
}
