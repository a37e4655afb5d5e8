import { quote } from "../errors.ts";
import type { BlockDevice, MountEntry } from "../host/host.ts";
import type { LogicalVolume } from "../lvm/model.ts";
import type { Context } from "./context.ts";

/** Mounts as they were at one moment. */
export interface MountsAround {
  /** What a process sees at the path. */
  readonly top: MountEntry | undefined;
  /** All mounts of the device. */
  readonly own: readonly MountEntry[];
  /** Whether the topmost mount at the path is one of the device's. */
  readonly topIsOwn: boolean;
}

/**
 * What is mounted at exactly this path, and where the device is mounted, from one look at the mount table.
 * @param lookAgeMs how long ago that look may have been
 */
export async function mountsAround(
  context: Context,
  device: BlockDevice,
  path: string,
  lookAgeMs = 0,
): Promise<MountsAround> {
  const table = await context.host.mounts.table(lookAgeMs);
  const top = atPath(context, table, path).at(-1);
  const own = await ofDevice(context, table, device);
  return { top, own, topIsOwn: own.some((entry) => entry === top) };
}

/**
 * All mounts of a device in the driver's mount namespace, as the kernel sees them: filesystems on it, and bind mounts
 * of its node.
 */
export async function mountsOfDevice(context: Context, device: BlockDevice): Promise<readonly MountEntry[]> {
  return ofDevice(context, await context.host.mounts.table(), device);
}

async function ofDevice(
  context: Context,
  table: readonly MountEntry[],
  device: BlockDevice,
): Promise<readonly MountEntry[]> {
  const named = table.filter((entry) => isMountOf(entry, device));
  const isBtrfs = named.some(({ type }) => type === "btrfs");
  const carriesBtrfs = isBtrfs && (await context.host.mounts.btrfsDevices()).includes(device.name);
  return carriesBtrfs ? named : named.filter(({ type }) => type !== "btrfs");
}

/** The mounts at exactly this path, lowest first; the last one is what a process sees there. */
export async function mountsAt(context: Context, path: string): Promise<readonly MountEntry[]> {
  return atPath(context, await context.host.mounts.table(), path);
}

function atPath(context: Context, table: readonly MountEntry[], path: string): readonly MountEntry[] {
  const resolved = resolvedPath(context, path);
  return table.filter((entry) => entry.target === resolved);
}

/** What is mounted, for a message; a source may hold any text. */
export function describeMount({ type, source }: MountEntry): string {
  return `${type} from ${quote(source)}`;
}

/** Where a path below the kubelet directory really lies, as the mount table names it. */
export function resolvedPath(context: Context, path: string): string {
  const { given, resolved } = context.host.mounts.kubeletDirectory;
  return path.startsWith(`${given}/`) ? resolved + path.slice(given.length) : path;
}

/** Whether a mount is the node of a device-mapper device, as a raw block volume is published. */
export function isNodeMount(entry: MountEntry): boolean {
  return entry.type === "devtmpfs" && /^\/dm-\d+(\/\/deleted)?$/.test(entry.root);
}

/** Whose a mount is, for calls that know a volume only by its id. */
export type Ownership = "ours" | "vanished" | "foreign";

/**
 * Whether a mount's device is the logical volume of that device-mapper name, no longer exists, or is something else.
 * Needs neither LVM nor the disk.
 */
export async function ownershipOf(
  context: Context,
  entry: MountEntry,
  mappingName: LogicalVolume["mappingName"] | undefined,
): Promise<Ownership> {
  if (isNodeMount(entry) && entry.root.endsWith("//deleted")) return "vanished";
  const device = await deviceOf(context, entry);
  if (device === "none") return "foreign";
  if (device === undefined) return "vanished";
  const isVolume = device.mapping?.name === mappingName && device.mapping?.uuid.startsWith("LVM-") === true;
  return isVolume ? "ours" : "foreign";
}

/** The block device behind a mount; undefined if it is gone; "none" if the mount never had one. */
async function deviceOf(context: Context, entry: MountEntry): Promise<BlockDevice | undefined | "none"> {
  if (isNodeMount(entry)) return context.host.devices.findNamed(entry.root.slice(1));
  if (!entry.number.startsWith("0:")) return context.host.devices.findNumber(entry.number);
  const [, mapping, kernelName] = /^\/dev\/(?:mapper\/(.+)|(dm-\d+))$/.exec(entry.source) ?? [];
  if (entry.type !== "btrfs") return "none";
  if (mapping !== undefined) return context.host.devices.findMapping(mapping);
  return kernelName === undefined ? "none" : context.host.devices.findNamed(kernelName);
}

/** As far as the entry tells: the source of a btrfs may be a text of long ago. */
function isMountOf(entry: MountEntry, device: BlockDevice): boolean {
  if (isNodeMount(entry)) return entry.root === `/${device.name}`;
  if (entry.type !== "btrfs") return entry.number === device.number;
  // btrfs shows an anonymous number; its source is a device of the live filesystem.
  return [`/dev/${device.name}`, `/dev/mapper/${device.mapping?.name}`].includes(entry.source);
}
