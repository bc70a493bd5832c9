// @ts-check
/**
 * The page of one plugin, `#/plugin/NAME`.
 *
 * What is known is shown as it arrives: first info and manifest, then the files, then what the
 * check in the background finds. Each part is in a module of its own.
 */

import {CommandFailed, read} from "./command.js";
import {element, replace} from "./dom.js";
import {openPlan} from "./plan.js";
import {renderDrift} from "./plugin_drift.js";
import {renderFiles, renderOthers} from "./plugin_files.js";
import {renderHistory} from "./plugin_history.js";
import {renderOffer} from "./plugin_offer.js";
import {renderPackages} from "./plugin_packages.js";
import {limited} from "./plugin_parts.js";
import {renderSettings} from "./plugin_settings.js";
import {renderRelations, renderSummary} from "./plugin_summary.js";
import {problemAlert} from "./problems.js";
import {canChange, healthOf, refresh, state, subscribe} from "./state.js";
import {_, format, plural, sentence} from "./text.js";
import {alert, badge, button, emptyState, link, newId, spinner} from "./widgets.js";

/**
 * @typedef {import("./answers").PluginInfo} PluginInfo
 * @typedef {import("./answers").PluginState} PluginState
 * @typedef {import("./answers").Manifest} Manifest
 */

/** Also the rule of the command; what is no name is never given to it. */
const NAME = /^[a-z0-9][a-z0-9._+-]{0,63}$/;

/**
 * @param {HTMLElement} container
 * @param {import("./main.js").Params} params
 * @returns {() => void}
 */
export function render(container, {path}) {
    const name = path[0] ?? "";
    const body = element("div", {class: "plugin-page"});
    const heading = element("h1", null, name || _("No name"));
    const badges = element("span", {class: "badges"});
    const actions = element("div", {class: "actions"});
    replace(container,
            element("nav", {class: "breadcrumb", "aria-label": _("Path")},
                    link([], _("Installed plugins"))),
            element("div", {class: "plugin-head"},
                    element("div", {class: "plugin-title"}, heading, badges), actions),
            body);
    const page = new Page(name, {badges, actions, body});
    page.load();
    const stop = subscribe(() => page.update());
    return () => {
        stop();
        page.end();
    };
}

class Page {
    /**
     * @param {string} name
     * @param {{badges: HTMLElement, actions: HTMLElement, body: HTMLElement}} places
     */
    constructor(name, places) {
        this.name = name;
        this.places = places;
        /** @type {PluginInfo | null} */
        this.info = null;
        /** @type {PluginInfo | null} */
        this.newer = null;
        /** @type {CommandFailed | null} */
        this.failure = null;
        /** @type {any} */
        this.manifest = null;
        /** @type {InstalledParts | null} */
        this.parts = null;
        this.loads = 0;
        // The time of the install that is shown: with another one, all is read again. Null while
        // it is read.
        /** @type {string | null} */
        this.seen = null;
        /** @type {boolean | null} */
        this.admin = null;
        this.drawn = "";
    }

    /** Release what the page holds; what is still read is not shown. */
    end() {
        this.loads += 1;
        this.parts?.end();
        this.parts = null;
    }

    /** Read everything about the plugin. */
    async load() {
        if (!NAME.test(this.name)) {
            this.failure = new CommandFailed({kind: "UnknownPlugin"});
            this.draw();
            return;
        }
        this.loads += 1;
        this.admin = state.admin;
        this.seen = null;
        const before = state.list ? this.entry()?.installed_at ?? "" : null;
        const {loads} = this;
        if (!this.parts)
            replace(this.places.body, spinner(_("Reading the plugin…")));
        const [info, manifest] = await Promise.all([
            settled(read(["info", this.name])), settled(read(["manifest", this.name]))]);
        if (loads !== this.loads)
            return;
        this.failure = info instanceof CommandFailed ? info : null;
        this.manifest = manifest;
        /** @type {PluginInfo[]} */
        const found = info instanceof CommandFailed ? [] : info.plugins.filter(
            (/** @type {PluginInfo} */ plugin) => plugin.name === this.name);
        this.info = found.find(plugin => plugin.state !== "available") ?? found[0] ?? null;
        this.newer = found.find(plugin => plugin !== this.info && plugin.upgrades) ?? null;
        this.failure ??= this.info ? null : new CommandFailed({kind: "UnknownPlugin"});
        this.seen = before ?? this.info?.installed_at ?? "";
        this.compareWithList();
        this.show();
        this.update();
    }

    /** Read list and checks again if the plugin has changed since: the page must not say both. */
    compareWithList() {
        const entry = this.entry();
        const told = (/** @type {PluginState} */ {state, problems}) => JSON.stringify([state, problems]);
        if (entry && this.info && told(entry) !== told(this.info))
            refresh();
    }

    /** Show what was read. */
    show() {
        this.parts?.end();
        this.parts = null;
        const info = this.info ?? this.partly();
        if (info && info.state !== "available") {
            this.parts = new InstalledParts(this.places.body, info, this.manifest, this.failure);
            this.parts.begin();
        }
        this.drawn = "";
        this.draw();
    }

    /** Called after each change of the store: show it, or read again what has changed. */
    update() {
        const now = this.entry()?.installed_at ?? "";
        if (this.seen === null || !state.list)
            this.draw();
        else if (!this.parts && this.partly()) {
            this.seen = now;
            this.show();
        } else if (now !== this.seen || (this.failure && state.admin && !this.admin))
            this.load();
        else
            this.draw();
    }

    /** Return what the list has of the installed plugin. */
    entry() {
        return state.list?.plugins.find(
            plugin => plugin.name === this.name && plugin.state !== "available") ?? null;
    }

    /**
     * Return what the list has of a plugin whose info failed, null if that is not enough.
     *
     * Only root may read the descriptor of an installed plugin, so info fails for others.
     */
    partly() {
        return this.failure && this.failure.kind !== "UnknownPlugin" ? fromEntry(this.entry()) : null;
    }

    /** Draw what depends on the store, if it changed. */
    draw() {
        const now = JSON.stringify([this.loads, this.entry(), canChange(), state.list?.target?.live,
            this.failure?.kind, this.upgrade()]);
        if (now !== this.drawn) {
            this.drawn = now;
            this.drawHead();
            if (this.failure && !this.parts)
                this.drawFailure(this.failure);
            else if (this.info?.state === "available")
                renderOffer(this.places.body, this.info);
        }
        this.parts?.update(this.problems());
    }

    /** Return what is wrong with the plugin, as texts. */
    problems() {
        const entry = this.entry();
        return entry ? healthOf(entry).problems : this.info?.problems ?? [];
    }

    /** Return the version to which the plugin can be upgraded, empty if none is known. */
    upgrade() {
        return this.newer?.version ?? state.upgrades.get(this.name) ?? "";
    }

    drawHead() {
        const known = this.info ?? this.entry();
        const {badges, actions} = this.places;
        const broken = this.problems().length > 0 || known?.state === "broken";
        replace(badges, known && [
            known.version ? badge("neutral", known.version) : null, " ",
            known.state === "available" ? badge("info", _("not installed"))
                : broken ? badge("danger", _("broken")) : badge("success", _("installed")),
        ]);
        replace(actions, canChange() && known ? this.buttons(known, broken) : null);
    }

    /**
     * @param {PluginInfo | PluginState} known
     * @param {boolean} broken
     */
    buttons(known, broken) {
        const plan = (/** @type {string} */ operation) => () =>
            openPlan({operation, names: [this.name]});
        if (known.state === "available")
            return [button(_("Install"), plan("install"), {kind: "primary"})];
        const version = this.upgrade();
        return [
            broken && known.version ? button(_("Repair"), plan("repair"), {kind: "primary"}) : null,
            version ? button(format(_("Upgrade to $0"), version), plan("upgrade")) : null,
            known.version ? button(_("Remove"), plan("remove"), {kind: "danger"}) : null,
        ];
    }

    /**
     * Show why there is nothing to show: no such plugin, or a record that cannot be read.
     *
     * @param {CommandFailed} failure
     */
    drawFailure(failure) {
        const problems = this.problems();
        if (failure.kind !== "UnknownPlugin")
            replace(this.places.body, problemAlert(failure, () => this.load()),
                    failure.kind === "RecordError" ? element("p", null, _("The record cannot be read, so this page cannot tell what the plugin has on this system. Its packages and settings may still be there.")) : null);
        else if (problems.length)
            replace(this.places.body, alert("danger", _("Only parts of this plugin are there."),
                                            limited(problems, line)));
        else
            replace(this.places.body, emptyState(
                _("There is no such plugin"),
                element("p", null, _("It is not installed, and it is neither in the library nor in an enabled repository.")),
                element("p", null, link([], _("Show the installed plugins")), " · ",
                        link(["available"], _("Show the available plugins")))));
    }
}

/**
 * Return what the list tells of an installed plugin, null if its record cannot be read.
 *
 * @param {PluginState | null} entry
 * @returns {PluginInfo | null}
 */
function fromEntry(entry) {
    return entry?.version ? {...entry, description: "", url: "", license: "", repos: [], packages: [],
                             parameters: [], settings: [], requires: [], shares: [], plan: null,
                             refused: "", refused_status: 0} : null;
}

/** The parts of the page of an installed plugin. */
class InstalledParts {
    /**
     * @param {HTMLElement} body
     * @param {PluginInfo} info
     * @param {any} answer the manifest, or why there is none
     * @param {CommandFailed | null} failure why only a part of `info` is known
     */
    constructor(body, info, answer, failure) {
        this.body = body;
        this.info = info;
        this.failure = failure;
        this.missing = answer instanceof CommandFailed ? answer : null;
        /** @type {Manifest | null} */
        this.manifest = answer instanceof CommandFailed ? null : answer.plugins.find(
            (/** @type {Manifest} */ plugin) => plugin.name === info.name) ?? null;
        this.ended = false;
        this.live = false;
        this.drift = "";
        this.alerted = "";
        this.endSettings = () => {};
        this.found = element("div", {class: "found-drift"});
        this.check = button(_("Check again"), refresh);
        this.alerts = element("div", {"aria-live": "polite"});
        this.sections = {
            summary: section(_("Summary")),
            drift: section(_("State")),
            settings: section(_("Settings")),
            packages: section(_("Packages")),
            files: section(_("Files")),
            others: section(_("Changes outside of packages")),
            relations: section(_("Requirements and shared parts")),
            history: section(_("Operations")),
        };
    }

    /** Show what is known, and read the files. */
    begin() {
        const {sections, manifest, info} = this;
        const all = Object.values(sections);
        replace(this.body, info.summary ? element("p", {class: "lead"}, info.summary) : null,
                this.alerts, this.failure && this.partlyAlert(this.failure), jumps(all),
                all.map(one => one.box));
        replace(sections.drift.body, this.found, element("div", null, this.check));
        renderSummary(sections.summary.body, info, manifest);
        if (this.failure)
            replace(sections.relations.body, element("p", null, _("Not known: see above.")));
        else
            renderRelations(sections.relations.body, info);
        if (manifest) {
            renderPackages(sections.packages.body, manifest.packages ?? []);
            renderOthers(sections.others.body, manifest.others ?? [], manifest.accounts ?? []);
            renderHistory(sections.history.body, manifest.operations ?? []);
            this.readFiles();
        } else {
            for (const one of [sections.packages, sections.others, sections.history, sections.files])
                replace(one.body, this.missing && problemAlert(this.missing));
            this.readSettings();
        }
        this.drawSettings();
    }

    end() {
        this.ended = true;
        this.endSettings();
    }

    /** @param {CommandFailed} failure */
    partlyAlert(failure) {
        return state.admin === true ? problemAlert(failure)
            : alert("info", _("Description, requirements and shared parts are shown with administrative access only."));
    }

    async readFiles() {
        const {body} = this.sections.files;
        replace(body, spinner(_("Reading the files…")));
        const answer = await settled(read(["manifest", this.info.name, "--files"]));
        if (this.ended)
            return;
        if (answer instanceof CommandFailed)
            replace(body, problemAlert(answer, () => this.readFiles()));
        else
            renderFiles(body, answer.plugins[0]?.files ?? []);
    }

    /** Read the settings of the record: they are known without an inventory, too. */
    async readSettings() {
        const answer = await settled(read(["manifest", this.info.name, "--settings"]));
        if (this.ended || answer instanceof CommandFailed)
            return;
        this.manifest = answer.plugins[0] ?? null;
        this.drawSettings();
    }

    drawSettings() {
        const {body} = this.sections.settings;
        this.endSettings();
        this.endSettings = () => {};
        if (this.manifest?.settings)
            this.endSettings = renderSettings(body, {settings: this.manifest.settings, live: this.live});
        else
            replace(body, this.missing && problemAlert(this.missing));
    }

    /**
     * Show what depends on the store.
     *
     * @param {string[]} problems
     */
    update(problems) {
        const live = state.list?.target?.live ?? false;
        if (live !== this.live) {
            this.live = live;
            this.drawSettings();
        }
        const known = state.checks?.get(this.info.name) ?? null;
        // A check from before the problems is no answer; it is being made again.
        const check = known && !known.problems.length && problems.length ? null : known;
        const found = {check, checking: state.busy, admin: state.admin,
                       problem: state.checksProblem?.message ?? ""};
        const now = JSON.stringify(found);
        if (now !== this.drift) {
            this.drift = now;
            renderDrift(this.found, found);
        }
        this.check.disabled = state.busy;
        this.drawAlerts(problems);
    }

    /** @param {string[]} problems */
    drawAlerts(problems) {
        const now = JSON.stringify(problems);
        if (now === this.alerted)
            return;
        this.alerted = now;
        replace(this.alerts, problems.length ? alert(
            "danger", plural("$0 problem: the plugin is not as it was installed.",
                             "$0 problems: the plugin is not as it was installed.", problems.length),
            limited(problems, line)) : null);
    }
}

/** @param {string} text */
function line(text) {
    return element("div", {class: "line"}, sentence(text));
}

/**
 * @typedef {{title: string, box: HTMLElement, heading: HTMLElement, body: HTMLElement}} Section
 */

/**
 * @param {string} title
 * @returns {Section}
 */
function section(title) {
    const id = newId();
    const heading = element("h2", {id, tabindex: "-1"}, title);
    const body = element("div", {class: "card-body"});
    return {title, heading, body,
            box: element("section", {class: "card", "aria-labelledby": id}, heading, body)};
}

/**
 * Return buttons that lead to the parts of the page.
 *
 * @param {Section[]} sections
 */
function jumps(sections) {
    return element("nav", {class: "jumps", "aria-label": _("Parts of this page")},
                   sections.map(one => button(one.title, () => {
                       one.heading.scrollIntoView({block: "start"});
                       one.heading.focus({preventScroll: true});
                   }, {kind: "link"})));
}

/**
 * Return an answer, or why there is none.
 *
 * @param {Promise<any>} promise
 * @returns {Promise<any>}
 */
function settled(promise) {
    return promise.catch((/** @type {unknown} */ failure) =>
        failure instanceof CommandFailed ? failure : new CommandFailed({message: String(failure)}));
}
