/** The part of Cockpit's API that the page uses; base1/cockpit.js has it since version 287. */

interface CockpitEvents {
    addEventListener(name: string, listener: (event: any, ...args: any[]) => void): void;
    removeEventListener(name: string, listener: (event: any, ...args: any[]) => void): void;
}

/** What a program or channel fails with. */
interface CockpitFailure {
    message: string;
    problem: string | null;
    exit_status?: number | null;
    exit_signal?: string | null;
}

interface CockpitProcess extends Promise<any> {
    stream(listener: (data: any) => void): CockpitProcess;
    input(data: any, more?: boolean): CockpitProcess;
    close(problem?: string): void;
}

interface CockpitSpawnOptions {
    superuser?: "try" | "require" | null;
    err?: "out" | "ignore" | "message";
    environ?: string[];
    directory?: string;
    binary?: boolean;
    batch?: number;
    latency?: number;
}

interface CockpitChannel extends CockpitEvents {
    readonly valid: boolean;
    readonly binary: boolean;
    send(data: any): void;
    control(options: {[name: string]: unknown}): void;
    close(options?: string | {[name: string]: unknown}): void;
    wait(): Promise<any>;
}

interface CockpitFile {
    readonly path: string;
    read(): Promise<any>;
    watch(listener: (content: any, tag: string) => void, options?: {read?: boolean}): {remove(): void};
    close(): void;
}

interface CockpitLocation {
    readonly path: string[];
    readonly options: {[name: string]: string | string[]};
    readonly href: string;
    go(path: string | string[], options?: {[name: string]: string}): void;
    replace(path: string | string[], options?: {[name: string]: string}): void;
    encode(path: string[], options?: {[name: string]: string}): string;
    decode(href: string, options?: {[name: string]: string}): string[];
}

interface CockpitPermission extends CockpitEvents {
    /** Null until it is known. */
    readonly allowed: boolean | null;
    close(): void;
}

interface CockpitDBus {
    call(path: string, of: string, method: string, args: unknown[]): Promise<unknown[]>;
    subscribe(match: {[name: string]: string}, listener: (path: string) => void): {remove(): void};
    close(): void;
}

interface Cockpit extends CockpitEvents {
    spawn(argv: string[], options?: CockpitSpawnOptions): CockpitProcess;
    file(path: string, options?: {[name: string]: unknown}): CockpitFile;
    channel(options: {[name: string]: unknown}): CockpitChannel;
    dbus(name: string, options: {bus: "system"}): CockpitDBus;
    permission(options: {admin: boolean}): CockpitPermission;
    gettext(text: string): string;
    ngettext(one: string, many: string, count: number): string;
    locale(messages: {[id: string]: unknown} | null): void;
    readonly language: string;
    readonly language_direction: "ltr" | "rtl";
    location: CockpitLocation;
    readonly hidden: boolean;
    jump(path: string, host?: string): void;
}

declare const cockpit: Cockpit;

interface Window {
    cockpit: Cockpit;
}
