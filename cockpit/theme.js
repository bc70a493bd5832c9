// @ts-check
/**
 * Follows the light or dark style that the user chose in Cockpit.
 *
 * Cockpit's shell stores auto, dark or light, and tells its pages about a new choice.
 */

const STORED = "shell:style";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** @param {string | null} [style] */
function apply(style = window.localStorage.getItem(STORED)) {
    const isDark = style === "dark" || (style !== "light" && dark.matches);
    document.documentElement.classList.toggle("dark", isDark);
}

/** Begin to follow the style. */
export function followTheme() {
    window.addEventListener("storage", event => {
        if (event.key === STORED)
            apply();
    });
    window.addEventListener("cockpit-style", event => {
        if (event instanceof CustomEvent)
            apply(event.detail.style);
    });
    dark.addEventListener("change", () => apply());
    apply();
}
