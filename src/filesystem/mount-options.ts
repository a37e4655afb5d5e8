import type { MountFlag } from "../host/host.ts";
import { FILESYSTEM_OPTIONS, REFUSALS } from "./mount-option-list.ts";
import { refused, splitMountOptions } from "./mount-option-text.ts";
import { type FilesystemName, filesystemNames } from "./names.ts";

/** Options as mount(2) takes them. */
export interface ParsedMountOptions {
  readonly flags: readonly MountFlag[];
  /** For the filesystem itself; "" for none. */
  readonly data: string;
}

/** What mount(2) accepts of `data`: one page with its terminating zero. */
const DATA_BYTES = 4095;

/**
 * Sorts mount options into the kernel's flags and the filesystem's own. As with mount(8) a later option wins over an
 * earlier one that it contradicts.
 *
 * XFS always gets nouuid: a clone or a restored snapshot carries the uuid of its origin, and must be mountable beside
 * it without its uuid being rewritten first. Which device a filesystem is on is decided by the device-mapper uuid.
 * @throws VolumeError invalidArgument naming the option and why it is refused.
 */
export function parseMountOptions(filesystem: FilesystemName, options: readonly string[]): ParsedMountOptions {
  const { flags, rest } = takeFlags(splitMountOptions(options));
  const data: string[] = filesystem === "xfs" ? ["nouuid"] : [];
  for (const option of rest) {
    const value = label(option) ?? own(filesystem, option);
    if (!data.includes(value)) data.push(value);
  }
  requireUniqueKeys(data);
  const text = data.join(",");
  if (text.length > DATA_BYTES) throw refused(text, `with the others it is longer than ${DATA_BYTES} bytes`);
  return { flags, data: text };
}

/**
 * The options that a bind mount can have of its own; the others count for the whole filesystem and were set when it was
 * staged.
 * @throws VolumeError invalidArgument for an option that no filesystem may have.
 */
export function bindFlags(options: readonly string[]): readonly MountFlag[] {
  const { flags, rest } = takeFlags(splitMountOptions(options));
  for (const option of rest) {
    const isKnown = filesystemNames.some((name) => isOwn(name, option));
    if (!isKnown && label(option) === undefined) throw refusal(option, "any filesystem");
  }
  return flags.filter((flag) => BIND_FLAGS.has(flag));
}

const BIND_FLAGS: ReadonlySet<MountFlag> = new Set<MountFlag>([
  "ro",
  "nosuid",
  "nodev",
  "noexec",
  "noatime",
  "nodiratime",
  "relatime",
  "strictatime",
]);

/** For each flag the flags that it takes the place of; "rw" and "defaults" are none. */
const FLAGS: ReadonlyMap<string, { readonly flag?: MountFlag; readonly replaces: readonly MountFlag[] }> = new Map([
  ["defaults", { replaces: [] }],
  ["rw", { replaces: ["ro"] }],
  ["ro", { flag: "ro", replaces: [] }],
  ["nosuid", { flag: "nosuid", replaces: [] }],
  ["nodev", { flag: "nodev", replaces: [] }],
  ["noexec", { flag: "noexec", replaces: [] }],
  ["sync", { flag: "sync", replaces: [] }],
  ["dirsync", { flag: "dirsync", replaces: [] }],
  ["lazytime", { flag: "lazytime", replaces: [] }],
  ["nodiratime", { flag: "nodiratime", replaces: [] }],
  ["noatime", { flag: "noatime", replaces: ["relatime", "strictatime"] }],
  ["relatime", { flag: "relatime", replaces: ["noatime", "strictatime"] }],
  ["strictatime", { flag: "strictatime", replaces: ["noatime", "relatime"] }],
]);

function takeFlags(options: readonly string[]): { flags: readonly MountFlag[]; rest: readonly string[] } {
  let flags: readonly MountFlag[] = [];
  const rest: string[] = [];
  for (const option of options) {
    const known = FLAGS.get(option);
    if (known === undefined) {
      rest.push(option);
      continue;
    }
    flags = flags.filter((flag) => flag !== known.flag && !known.replaces.includes(flag));
    if (known.flag !== undefined) flags = [...flags, known.flag];
  }
  return { flags, rest };
}

/** A security label with its value in quotes, as the kernel's SELinux takes one that may hold commas. */
function label(option: string): string | undefined {
  const found = /^(context|fscontext|defcontext|rootcontext)=(?:"([^"]*)"|([^"]*))$/.exec(option);
  if (found === null) return undefined;
  const [, key, quoted, bare] = found;
  const value = quoted ?? bare ?? "";
  const isContext = /^[\w.-]+:[\w.-]+:[\w.-]+(:[\w.,:-]+)?$/.test(value);
  if (!isContext) throw refused(option, "its value is not an SELinux context (user:role:type:level)");
  return `${key}="${value}"`;
}

function own(filesystem: FilesystemName, option: string): string {
  if (!isOwn(filesystem, option)) throw refusal(option, filesystem);
  return option;
}

function isOwn(filesystem: FilesystemName, option: string): boolean {
  return FILESYSTEM_OPTIONS[filesystem].some((pattern) => pattern.test(option));
}

function refusal(option: string, what: string): Error {
  const key = option.split("=")[0] ?? "";
  const reason = REFUSALS.get(key) ?? (key.startsWith("x-") ? "it is meant for other programs" : undefined);
  return refused(option, reason ?? `it is not among those that the driver takes for ${what}, or its value is not`);
}

function requireUniqueKeys(data: readonly string[]): void {
  const keys = new Set<string>();
  for (const option of data) {
    const key = option.split("=")[0] ?? "";
    if (keys.has(key)) throw refused(option, "it is given before with another value");
    keys.add(key);
  }
}
