import { parseArgs } from "node:util";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Where to listen. */
export interface ListenAddress {
  /** A name or an address without brackets; "::" for all addresses. */
  readonly host: string;
  readonly port: number;
}

/** A command line that cannot be used. The message names every problem, one a line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The flags of a command line. What is wrong with them is collected, to be told all at once. */
export class Flags {
  readonly #values: ReadonlyMap<string, readonly string[]>;
  readonly #problems: string[] = [];

  /** @param known names of the flags, without "--"; each has a value */
  constructor(args: readonly string[], known: readonly string[]) {
    const options = Object.fromEntries(known.map((name) => [name, { type: "string", multiple: true }] as const));
    const { tokens, positionals } = parseArgs({
      args: [...args],
      options,
      strict: false,
      allowPositionals: true,
      tokens: true,
    });
    const values = new Map<string, string[]>();
    for (const token of tokens) {
      if (token.kind !== "option") continue;
      if (!known.includes(token.name)) this.problem(`${token.rawName}: unknown flag`);
      else if (token.value === undefined) this.problem(`${token.rawName}: needs a value`);
      else values.set(token.name, [...(values.get(token.name) ?? []), token.value]);
    }
    for (const word of positionals) this.problem(`${JSON.stringify(word)}: not a flag`);
    this.#values = values;
  }

  /** The flag's value, the last one if it is repeated; undefined if it is not given. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  problem(text: string): void {
    this.#problems.push(text);
  }

  /** @throws UsageError naming every problem found */
  requireNone(): void {
    if (this.#problems.length > 0) throw new UsageError(this.#problems.join("\n"));
  }

  /** Path of the Unix socket to serve, of `--csi-endpoint` or else of the environment's `CSI_ENDPOINT`. */
  endpoint(environment: NodeJS.ProcessEnv): string {
    const text = this.text("csi-endpoint") ?? environment["CSI_ENDPOINT"];
    const path = /^unix:(?:\/\/)?(\/.*)$/.exec(text ?? "")?.[1];
    if (path === undefined) {
      this.problem(`--csi-endpoint: ${text === undefined ? "missing" : JSON.stringify(text)}; give unix:///PATH`);
    }
    this.#checkSocketPath("csi-endpoint", path);
    return path ?? "";
  }

  /** Path of a Unix socket. */
  socket(name: string): string | undefined {
    const path = this.path(name);
    this.#checkSocketPath(name, path);
    return path;
  }

  /** An absolute path; undefined if it is not given. */
  path(name: string): string | undefined {
    const text = this.text(name);
    if (text?.startsWith("/") === false) this.problem(`--${name}: ${JSON.stringify(text)} is not an absolute path`);
    return text;
  }

  /** `HOST:PORT`, an IPv6 address in brackets, `:PORT` for all addresses; undefined if it is not given. */
  listen(name: string): ListenAddress | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
    const port = Number(digits);
    if (digits === undefined || port < 1 || port > 65_535) {
      this.problem(`--${name}: ${JSON.stringify(text)}; give HOST:PORT, such as 0.0.0.0:9810 or [::]:9810`);
    }
    return { host: bracketed || plain || "::", port };
  }

  /** The Kubernetes namespace of `--namespace` or else of the environment's `POD_NAMESPACE`. */
  namespace(environment: NodeJS.ProcessEnv): string {
    const text = this.text("namespace") ?? environment["POD_NAMESPACE"];
    // a DNS label, as Kubernetes requires
    if (text !== undefined && /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) return text;
    this.problem(`--namespace: ${text === undefined ? "missing" : `${JSON.stringify(text)} is not a namespace`}`);
    return "";
  }

  logLevel(): LogLevel {
    const text = this.text("log-level") ?? "info";
    const level = logLevels.find((known) => known === text);
    if (level === undefined) this.problem(`--log-level: ${JSON.stringify(text)}; one of ${logLevels.join(", ")}`);
    return level ?? "info";
  }

  #checkSocketPath(name: string, path: string | undefined): void {
    // sun_path of unix(7) holds 108 bytes with its end mark
    if (Buffer.byteLength(path ?? "") <= 107) return;
    this.problem(`--${name}: the path is longer than the 107 bytes that a Unix socket may have`);
  }
}
