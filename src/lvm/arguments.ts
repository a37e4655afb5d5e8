import { LvmError, quote } from "../errors.ts";
import { checkedPath } from "./configuration.ts";
import type { ExtentRange } from "./model.ts";

/** Runs of extents on one device. */
export interface DeviceExtents {
  /** Path of its node. */
  readonly node: string;
  readonly ranges: readonly ExtentRange[];
}

/** A number of extents in stripes: linear is one stripe. */
export interface StripedExtents {
  readonly extents: number;
  readonly stripes: number;
  /** What goes to one stripe before the next one's turn; LVM's default (64 KiB) where it is absent. */
  readonly stripeBytes?: number;
}

/** lvcreate(8), active and untouched: not zeroed, not searched for signatures. */
export function createArguments(
  group: string,
  volume: StripedExtents & {
    readonly name: string;
    readonly tags: readonly string[];
    readonly nodes: readonly string[];
  },
): readonly string[] {
  const tags = volume.tags.flatMap((tag) => ["--addtag", checkedTag(tag)]);
  return command("lvcreate", [
    ...["--yes", "--wipesignatures", "n", "--zero", "n", "--type", volume.stripes > 1 ? "striped" : "linear"],
    ...(volume.stripes > 1 ? stripeArguments(volume) : []),
    ...["--extents", extentCount(volume), "--name", checkedName(volume.name)],
    ...tags,
    checkedName(group),
    ...volume.nodes.map(checkedPath),
  ]);
}

/** lvextend(8) to this many extents, the new ones exactly these where any are named. */
export function extendArguments(
  group: string,
  volume: StripedExtents & { readonly name: string; readonly areas: readonly DeviceExtents[] },
): readonly string[] {
  return command("lvextend", [
    ...["--yes", ...stripeArguments(volume), "--extents", extentCount(volume)],
    fullName(group, volume.name),
    ...volume.areas.map(areaArgument),
  ]);
}

/** Names that one lvremove takes, with room to spare below the limit of words. */
export const mostRemovals = 45;

/**
 * lvremove(8) of several volumes: all in one commit, or, when LVM refuses one of them, none. It would take a volume's
 * snapshots along: one that has any, as LVM sees under its lock, is left out, and the command succeeds all the same
 * (lvmreport(7), selection).
 */
export function removeArguments(group: string, names: readonly string[]): readonly string[] {
  const selection = ["--select", "lv_role!=origin"];
  return command("lvremove", ["--yes", ...selection, ...names.map((name) => fullName(group, name))]);
}

/** lvchange(8) that adds and takes away tags in one commit. */
export function tagArguments(
  group: string,
  name: string,
  change: { readonly add: readonly string[]; readonly remove: readonly string[] },
): readonly string[] {
  return command("lvchange", [
    "--yes",
    ...change.add.flatMap((tag) => ["--addtag", checkedTag(tag)]),
    ...change.remove.flatMap((tag) => ["--deltag", checkedTag(tag)]),
    fullName(group, name),
  ]);
}

export function activateArguments(group: string, name: string): readonly string[] {
  return command("lvchange", ["--yes", "--activate", "y", "--ignoreactivationskip", fullName(group, name)]);
}

/** `lvchange -an`: LVM refuses it while the volume's device is open. */
export function deactivateArguments(group: string, name: string): readonly string[] {
  return command("lvchange", ["--yes", "--activate", "n", fullName(group, name)]);
}

export function refreshArguments(group: string, name: string): readonly string[] {
  return command("lvchange", ["--yes", "--refresh", fullName(group, name)]);
}

export function listArguments(group: string, name: string): readonly string[] {
  return command("lvs", ["--options", "lv_name", fullName(group, name)]);
}

/** vgextend(8) that takes back physical volumes that LVM has marked as missing. */
export function restoreArguments(group: string, nodes: readonly string[]): readonly string[] {
  return command("vgextend", ["--yes", "--restoremissing", checkedName(group), ...nodes.map(checkedPath)]);
}

export function backupArguments(group: string, file: string): readonly string[] {
  return command("vgcfgbackup", ["--file", checkedPath(file), checkedName(group)]);
}

/** At 64 words the process answers nothing at all, and waits. */
const mostWords = 60;

function command(name: string, words: readonly string[]): readonly string[] {
  if (words.length < mostWords) return [name, ...words];
  throw new LvmError("refused", `${name} would need ${words.length + 1} words; LVM takes ${mostWords} at once`);
}

function stripeArguments(volume: StripedExtents): readonly string[] {
  const { stripes, stripeBytes } = volume;
  const size = stripes > 1 && stripeBytes !== undefined ? ["--stripesize", `${count(stripeBytes)}b`] : [];
  return ["--stripes", count(stripes), ...size];
}

/** LVM would round up what does not fill its last row of stripes. */
function extentCount(volume: StripedExtents): string {
  if (volume.extents % volume.stripes === 0) return count(volume.extents);
  throw new LvmError("refused", `${volume.extents} extents cannot be laid in ${volume.stripes} equal stripes`);
}

/** All ranges of a device in one word: `/dev/sdb:0-9:20-24`. */
function areaArgument(area: DeviceExtents): string {
  const ranges = area.ranges.map((range) => `:${range.start}-${range.start + range.count - 1}`);
  return `${checkedPath(area.node)}${ranges.join("")}`;
}

function count(value: number): string {
  if (Number.isSafeInteger(value) && value > 0) return String(value);
  throw new LvmError("refused", `${value} is no number of extents, stripes or bytes`);
}

function fullName(group: string, name: string): string {
  return `${checkedName(group)}/${checkedName(name)}`;
}

/** lvm(8), "VALID NAMES". */
function checkedName(name: string): string {
  if (/^[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}$/.test(name) && name !== "." && name !== "..") return name;
  throw new LvmError("refused", `${quote(name)} cannot be the name of a volume group or logical volume`);
}

/** lvm(8), "VALID NAMES", and what a command line could take for an option is refused. */
function checkedTag(tag: string): string {
  if (/^[A-Za-z0-9_+.][A-Za-z0-9_+.\-/=!:&]{0,1023}$/.test(tag)) return tag;
  throw new LvmError("refused", `${quote(tag)} cannot be a tag`);
}
