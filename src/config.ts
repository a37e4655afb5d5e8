import { createHash } from "node:crypto";
import { parseArgs } from "node:util";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** How the node role is to run. Everything is checked and defaulted here, once. */
export interface NodeConfig {
  /** Path of the Unix socket that the driver serves. */
  readonly socketPath: string;
  readonly nodeName: string;
  /** The allow-list; the first is the default. */
  readonly volumeGroups: readonly [string, ...string[]];
  /** Kept free in each volume group. */
  readonly reserve: Reserve;
  readonly kubeletDirectory: string;
  /** Where LVM keeps its locks: the host's directory, so that both take the same ones. */
  readonly lockDirectory: string;
  /** Where copies of the volume groups' metadata are kept, if anywhere. */
  readonly backupDirectory: string | undefined;
  readonly logLevel: LogLevel;
}

export type Reserve = { readonly bytes: number } | { readonly percent: number };

/** A command line that cannot be used. The message names every problem, one a line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const options = {
  "csi-endpoint": { type: "string" },
  "node-name": { type: "string" },
  "volume-group": { type: "string", multiple: true },
  reserve: { type: "string" },
  "kubelet-directory": { type: "string" },
  "lvm-lock-directory": { type: "string" },
  "backup-directory": { type: "string" },
  "log-level": { type: "string" },
} as const;

export const nodeHelp = `lvm-local-csi node: the CSI services of one node, on a Unix socket

  --csi-endpoint unix:///PATH    where to listen (or CSI_ENDPOINT)
  --node-name NAME               this node's name in the cluster (or NODE_NAME)
  --volume-group NAME            a volume group that the driver may use; repeat for more, the first is the default
  --reserve BYTES|PERCENT%       kept free in each volume group (default 0)
  --kubelet-directory PATH       below it lie all staging and target paths (default /var/lib/kubelet)
  --lvm-lock-directory PATH      LVM's lock directory, the one that the host uses (default /run/lock/lvm)
  --backup-directory PATH        keep a few copies of each volume group's metadata here (default: none)
  --log-level LEVEL              ${logLevels.join(", ")} (default info)
`;

/** Longest logical volume name that the driver makes: "pvc-" and a uuid. */
const longestVolumeName = 40;
const longestVolumeId = 128;

/**
 * Reads the node role's flags, with `CSI_ENDPOINT` and `NODE_NAME` from the environment where a flag is absent.
 * @throws UsageError naming every unknown flag and bad value at once.
 */
export function parseNodeConfig(args: readonly string[], environment: NodeJS.ProcessEnv): NodeConfig {
  const problems: string[] = [];
  const flags = readFlags(args, problems);
  const socketPath = readEndpoint(flags["csi-endpoint"] ?? environment["CSI_ENDPOINT"], problems);
  const nodeName = readNodeName(flags["node-name"] ?? environment["NODE_NAME"], problems);
  const config = {
    socketPath,
    nodeName,
    volumeGroups: readVolumeGroups(flags["volume-group"] ?? [], nodeName, problems),
    reserve: readReserve(flags.reserve ?? "0", problems),
    kubeletDirectory: readDirectory(flags, "kubelet-directory", problems) ?? "/var/lib/kubelet",
    lockDirectory: readDirectory(flags, "lvm-lock-directory", problems) ?? "/run/lock/lvm",
    backupDirectory: readDirectory(flags, "backup-directory", problems),
    logLevel: readLogLevel(flags["log-level"] ?? "info", problems),
  } as const satisfies NodeConfig;
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return Object.freeze(config);
}

/**
 * The node's value of the topology segment, and the first part of its volume ids: its name, or a digest where the
 * name is longer than a label value may be (63 bytes, Kubernetes label syntax).
 */
export function topologyValue(nodeName: string): string {
  if (nodeName.length <= 63) return nodeName;
  return `n-${createHash("sha256").update(nodeName).digest("hex").slice(0, 24)}`;
}

type Flags = { [Name in keyof typeof options]?: (typeof options)[Name] extends { multiple: true } ? string[] : string };

function readFlags(args: readonly string[], problems: string[]): Flags {
  const { tokens, values, positionals } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (!Object.hasOwn(options, token.name)) problems.push(`${token.rawName}: unknown flag`);
    else if (token.value === undefined) problems.push(`${token.rawName}: needs a value`);
  }
  for (const word of positionals) problems.push(`${JSON.stringify(word)}: not a flag`);
  const known = Object.entries(values).filter(
    ([name, value]) => Object.hasOwn(options, name) && (typeof value === "string" || isTexts(value)),
  );
  return Object.fromEntries(known);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function readEndpoint(text: string | undefined, problems: string[]): string {
  const path = /^unix:(?:\/\/)?(\/.*)$/.exec(text ?? "")?.[1];
  if (path === undefined) {
    problems.push(`--csi-endpoint: ${text === undefined ? "missing" : JSON.stringify(text)}; give unix:///PATH`);
  } else if (Buffer.byteLength(path) > 107) {
    // sun_path of unix(7) holds 108 bytes with its end mark.
    problems.push(`--csi-endpoint: the path is longer than the 107 bytes that a Unix socket may have`);
  }
  return path ?? "";
}

function readNodeName(text: string | undefined, problems: string[]): string {
  // A DNS subdomain name, as Kubernetes requires of node names.
  if (text !== undefined && text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text)) return text;
  problems.push(`--node-name: ${text === undefined ? "missing" : `${JSON.stringify(text)} is not a node name`}`);
  return "";
}

function readVolumeGroups(names: readonly string[], nodeName: string, problems: string[]): NodeConfig["volumeGroups"] {
  if (names.length === 0) problems.push("--volume-group: missing; name at least one volume group");
  if (new Set(names).size < names.length) problems.push("--volume-group: a name is given twice");
  const longest = longestVolumeId - topologyValue(nodeName).length - longestVolumeName - 2;
  for (const name of names) {
    // lvm(8): letters, digits and + _ . -, not beginning with a hyphen, and neither "." nor "..".
    if (!/^[A-Za-z0-9+_.][A-Za-z0-9+_.-]*$/.test(name) || name === "." || name === "..") {
      problems.push(`--volume-group: ${JSON.stringify(name)} is not a volume group name`);
    } else if (name.length > longest) {
      problems.push(`--volume-group: ${name} is longer than ${longest} characters, volume ids would exceed 128 bytes`);
    }
  }
  const [first = "", ...others] = names;
  return [first, ...others];
}

function readReserve(text: string, problems: string[]): Reserve {
  const [, digits, percent] = /^(\d+)(%?)$/.exec(text) ?? [];
  const amount = Number(digits);
  if (digits === undefined || !Number.isSafeInteger(amount) || (percent === "%" && amount > 99)) {
    problems.push(`--reserve: ${JSON.stringify(text)}; give bytes such as 1073741824, or 0% to 99%`);
  }
  return percent === "%" ? { percent: amount } : { bytes: amount };
}

type DirectoryFlag = "kubelet-directory" | "lvm-lock-directory" | "backup-directory";

/** Undefined if it is not given. */
function readDirectory(flags: Flags, name: DirectoryFlag, problems: string[]): string | undefined {
  const text = flags[name];
  if (text?.startsWith("/") === false) problems.push(`--${name}: ${JSON.stringify(text)} is not an absolute path`);
  return text;
}

function readLogLevel(text: string, problems: string[]): LogLevel {
  const level = logLevels.find((known) => known === text);
  if (level === undefined) problems.push(`--log-level: ${JSON.stringify(text)}; one of ${logLevels.join(", ")}`);
  return level ?? "info";
}
