import { VolumeError } from "../errors.ts";
import { type FilesystemName, isFilesystemName } from "../filesystem/names.ts";
import type { LogicalVolume } from "../lvm/model.ts";
import { decodeTagText, encodeTagText } from "../lvm/tag.ts";
import { type Wipe, formatWipe, parseWipe } from "./wipe-kind.ts";

/**
 * Where a volume is in its life (docs/architecture.md, "The life of a volume"). `growing` is a scratch volume's only
 * state.
 */
export const states = ["creating", "ready", "formatting", "formatted", "removing", "growing"] as const;
export type State = (typeof states)[number];

export const initializations = ["auto", "signatures", "zero"] as const;
export type Initialization = (typeof initializations)[number];

/** What a logical volume's tags say of it. The volume group's metadata is the driver's only memory. */
export interface VolumeRecord {
  readonly state: State;
  /** The name in CreateVolume. */
  readonly name: string;
  /** The filesystem of a volume that is mounted; undefined for raw block. */
  readonly filesystem: FilesystemName | undefined;
  readonly initialize: Initialization;
  readonly wipe: Wipe;
  /** Arguments for mkfs, by the StorageClass. */
  readonly mkfsOptions: readonly string[];
  /** Namespace and name of the claim, where the provisioner sent them. */
  readonly claim: string | undefined;
  /** Bytes done of the zeroing or wiping under way. */
  readonly doneBytes: number;
}

/** Every tag of the driver's begins with this; a logical volume without such a tag is not the driver's. */
const prefix = "lvm.local.csi/";

/** The mark of a scratch volume. */
export const growingTag = tag("state", "growing");

/** The metadata area is small (1 MiB by default) and holds all volumes' tags. */
const tagBudgetBytes = 512;

/** The tags of a record. The claim's name, which is only for people, gives way where they are over 512 bytes. */
export function encodeRecord(record: VolumeRecord, logicalVolume: string): readonly string[] {
  const fields: readonly (readonly [string, string | undefined])[] = [
    ["state", record.state],
    ["name", record.name === logicalVolume ? undefined : record.name],
    ["fs", record.filesystem ?? "block"],
    ["init", record.initialize === "auto" ? undefined : record.initialize],
    ["wipe", record.wipe.kind === "none" ? undefined : formatWipe(record.wipe)],
    ["mkfs", record.mkfsOptions.length === 0 ? undefined : record.mkfsOptions.join(" ")],
    ["done", record.doneBytes === 0 ? undefined : String(record.doneBytes)],
  ];
  const tags = fields.flatMap(([key, value]) => (value === undefined ? [] : [tag(key, value)]));
  const claim = record.claim === undefined ? [] : [tag("claim", record.claim)];
  const all = [...tags, ...claim];
  return bytes(all) <= tagBudgetBytes ? all : tags;
}

/**
 * Makes sure that a new volume's tags stay within 512 bytes in every state of its life.
 * @throws VolumeError invalidArgument
 */
export function assertRecordFits(record: VolumeRecord, logicalVolume: string): void {
  const largest = { ...record, state: "formatting", claim: undefined, doneBytes: Number.MAX_SAFE_INTEGER } as const;
  const excess = bytes(encodeRecord(largest, logicalVolume)) - tagBudgetBytes;
  if (excess <= 0) return;
  throw new VolumeError(
    "invalidArgument",
    `name and mkfsOptions together are ${excess} bytes too long for the volume's tags; shorten mkfsOptions`,
  );
}

/**
 * Reads a logical volume's record; undefined if the volume is not the driver's.
 * @throws VolumeError internal when its tags were changed by hand into something that makes no sense.
 */
export function decodeRecord(volume: LogicalVolume): VolumeRecord | undefined {
  const fields = readTags(volume);
  if (fields.size === 0) return undefined;
  return {
    state: oneOf(states, fields.get("state"), "state", volume),
    name: fields.get("name") ?? volume.name,
    filesystem: decodeFilesystem(fields.get("fs"), volume),
    initialize: oneOf(initializations, fields.get("init") ?? "auto", "init", volume),
    wipe: decodeWipe(fields.get("wipe") ?? "none", volume),
    mkfsOptions: fields.get("mkfs")?.split(" ") ?? [],
    claim: fields.get("claim"),
    doneBytes: decodeBytes(fields.get("done") ?? "0", volume),
  };
}

/** The driver's tags by their keys. */
function readTags(volume: LogicalVolume): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const tagText of volume.tags) {
    const [, key, value] = /^lvm\.local\.csi\/([a-z]+)=(.*)$/.exec(tagText) ?? [];
    if (key === undefined || value === undefined) continue;
    const text = decodeTagText(value);
    if (fields.has(key)) throw damaged(volume, `two tags ${prefix}${key}`);
    if (text === undefined) throw damaged(volume, `an unreadable tag ${prefix}${key}`);
    fields.set(key, text);
  }
  return fields;
}

/** The tags to take away and to add, so that a volume with the one record has the other: one commit. */
export function recordChange(
  volume: LogicalVolume,
  record: VolumeRecord,
): { readonly add: readonly string[]; readonly remove: readonly string[] } {
  const wanted = encodeRecord(record, volume.name);
  return {
    add: wanted.filter((text) => !volume.tags.includes(text)),
    remove: volume.tags.filter((text) => text.startsWith(prefix) && !wanted.includes(text)),
  };
}

function tag(key: string, value: string): string {
  return `${prefix}${key}=${encodeTagText(value)}`;
}

function bytes(tags: readonly string[]): number {
  return tags.reduce((sum, text) => sum + text.length, 0);
}

function damaged(volume: LogicalVolume, what: string): VolumeError {
  return new VolumeError(
    "internal",
    `logical volume ${volume.name} has ${what}; compare its tags (lvs -o+lv_tags) with docs/architecture.md`,
  );
}

function oneOf<T extends string>(known: readonly T[], text: string | undefined, key: string, volume: LogicalVolume): T {
  const value = known.find((item) => item === text);
  if (value === undefined) throw damaged(volume, `no sensible tag ${prefix}${key} (${JSON.stringify(text)})`);
  return value;
}

function decodeFilesystem(text: string | undefined, volume: LogicalVolume): FilesystemName | undefined {
  if (text === "block") return undefined;
  if (text === undefined || !isFilesystemName(text)) throw damaged(volume, `no sensible tag ${prefix}fs`);
  return text;
}

function decodeWipe(text: string, volume: LogicalVolume): Wipe {
  const wipe = parseWipe(text);
  if (wipe === undefined) throw damaged(volume, `no sensible tag ${prefix}wipe`);
  return wipe;
}

function decodeBytes(text: string, volume: LogicalVolume): number {
  const amount = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(amount)) throw damaged(volume, `no sensible tag ${prefix}done`);
  return amount;
}
