import { LvmError, VolumeError } from "../errors.ts";
import { minimumGrownBytes } from "../filesystem/names.ts";
import type { ByteRange } from "../host/host.ts";
import type { LogicalVolume, VolumeGroupState } from "../lvm/model.ts";
import type { NewVolume } from "../lvm/volume-group.ts";
import { type Context, type Volume, changeRecord, findVolume } from "./context.ts";
import { activeDevice } from "./device.ts";
import { assertBlank } from "./format.ts";
import { unzeroedRanges } from "./grown-extents.ts";
import { formatVolumeId, scratchName } from "./id.ts";
import { initialize, isZeroedWhole } from "./initialize.ts";
import type { Work } from "./operations.ts";
import type { Layout } from "./parameters.ts";
import { encodeRecord } from "./record.ts";
import { type Room, type SizeRange, describeRoom, extentsFor, missingPhysicalVolumes, roomFor } from "./room.ts";
import { stripeBytesOf, stripesOf } from "./sameness.ts";
import { assertNameIsFree, removeScratch, scratchOf, zeroScratch } from "./scratch.ts";

/**
 * Extends a volume's logical volume to the size asked for; a volume that is large enough is left as it is.
 * @returns the volume as it then is.
 * @throws VolumeError notFound; outOfRange where there is no room, because csi-resizer would take resourceExhausted
 * for "still under way" and never let the user lower the request; aborted. LvmError
 */
export async function expandVolume(
  context: Context,
  idText: string,
  range: SizeRange,
  deadline: number | undefined,
): Promise<Volume> {
  const { id } = await findVolume(context, idText);
  return context.operations.run({
    // What takes long happens to the scratch volume: pods' calls for the volume itself go on meanwhile.
    key: scratchName(id.logicalVolume),
    request: `expand ${idText} ${range.required} ${range.limit}`,
    deadline,
    work: (work) => expand(context, idText, range, work),
  });
}

/** A volume on its way to more extents. */
interface Expansion {
  readonly volume: Volume;
  /** How many it is to have. */
  readonly totalExtents: number;
  /** How many more these are. */
  readonly extents: number;
  readonly layout: Layout;
}

async function expand(context: Context, idText: string, range: SizeRange, work: Work): Promise<Volume> {
  const found = await findVolume(context, idText);
  assertNotRemoving(found);
  await removeScratch(found.group, found.id.logicalVolume);
  const volume = await finished(context, await reread(context, found), work);
  const { logicalVolume, state, record } = volume;
  assertNoShrinking(volume, range);
  if (logicalVolume.sizeBytes >= range.required) {
    // an lvextend that was interrupted may have left the device as it was, or suspended
    await activeDevice(context, volume.group, logicalVolume);
    await volume.group.makeDurable();
    return volume;
  }
  const layout = { stripes: stripesOf(logicalVolume), stripeBytes: stripeBytesOf(logicalVolume) };
  const minimum = record.filesystem === undefined ? 0 : minimumGrownBytes(record.filesystem);
  const totalExtents = extentsFor(range, minimum, state, layout);
  const expansion = { volume, layout, totalExtents, extents: totalExtents - logicalVolume.extentCount };
  const inPlace = (): Promise<boolean> => alone(context, volume, work, () => extendInPlace(context, expansion, work));
  if (isZeroedWhole(record) || !(await inPlace())) await extendZeroed(context, expansion, work);
  return reread(context, volume);
}

/** Has the volume to itself for a while: waits for other calls, and gives way when it is told to. */
function alone<Result>(
  context: Context,
  { id }: Volume,
  { signal }: Work,
  work: () => Promise<Result>,
): Promise<Result> {
  return context.operations.run({
    key: id.logicalVolume,
    request: "expansion",
    deadline: undefined,
    patience: signal,
    work,
  });
}

/** A volume that nobody is making any more was left so by a run that ended, in CreateVolume or here. */
async function finished(context: Context, volume: Volume, work: Work): Promise<Volume> {
  if (volume.record.state !== "creating") return volume;
  return alone(context, volume, work, async () => {
    const now = await reread(context, volume);
    return now.record.state === "creating" ? initialize(context, now, work) : now;
  });
}

/**
 * @returns false, with nothing done, for a volume within whose first mkfs an earlier run ended: an earlier tenant's
 * partition table may lie where its device is to end, and the next stage could not tell that from one that somebody
 * made since. What it grows by is zeroed beforehand, so that it does not matter where this ends or what comes next.
 */
async function extendInPlace(context: Context, expansion: Expansion, work: Work): Promise<boolean> {
  const { record } = await reread(context, expansion.volume);
  if (record.state === "formatting") return false;
  if (record.state === "ready" && record.filesystem !== undefined) await extendBlank(context, expansion, work);
  else await extend(context, expansion);
  return true;
}

function assertNotRemoving({ state, logicalVolume, record }: Volume): void {
  if (record.state !== "removing") return;
  throw new VolumeError("failedPrecondition", `${state.name}/${logicalVolume.name} is being removed`);
}

function assertNoShrinking({ logicalVolume }: Volume, { limit }: SizeRange): void {
  if (limit === 0 || logicalVolume.sizeBytes <= limit) return;
  const reason = `is below the volume's ${logicalVolume.sizeBytes} bytes; volumes never shrink`;
  throw new VolumeError("outOfRange", `capacity_range.limit_bytes ${limit} ${reason}`);
}

async function extend(context: Context, { volume, extents, totalExtents, layout }: Expansion): Promise<void> {
  assertRoom(context, volume.state, extents, layout);
  const { name, extentCount: from } = volume.logicalVolume;
  const extension = { name, from, extents: totalExtents, ...stripeArguments(layout) };
  await asOutOfRange(volume.group.extend(extension));
}

/**
 * Grows a volume that has no filesystem yet: the places that must be blank for one to be made lie elsewhere on a larger
 * device, so it is initialized again. Somebody may have put something on it by hand: that is kept, and the growth
 * refused. The state says so before anything changes, and a restart finds it.
 */
async function extendBlank(context: Context, expansion: Expansion, work: Work): Promise<void> {
  const { group, logicalVolume } = expansion.volume;
  await assertBlank(context, expansion.volume, await activeDevice(context, group, logicalVolume));
  const pending = await changeRecord(expansion.volume, { state: "creating", doneBytes: 0 });
  try {
    await extend(context, { ...expansion, volume: pending });
  } finally {
    await initialize(context, await reread(context, pending), work);
  }
}

/**
 * Grows a volume by what must not show earlier data: the new extents are taken by a scratch volume, zeroed, and handed
 * over to the volume, back to back, by naming them to lvextend.
 */
async function extendZeroed(context: Context, expansion: Expansion, work: Work): Promise<void> {
  const { volume, totalExtents, layout } = expansion;
  const { group, id, logicalVolume } = volume;
  const scratch = await makeScratch(context, expansion);
  await zeroScratch(context, group, scratch, work);
  work.progress.text = "extending the logical volume";
  await alone(context, volume, work, async () => {
    const total = { extents: totalExtents, ...stripeArguments(layout) };
    const extension = { name: logicalVolume.name, from: logicalVolume.extentCount, remove: scratch.name, ...total };
    const zeroed = await group.removeThenExtend(extension).catch(asTaken);
    const grown = await findVolume(context, formatVolumeId(id));
    const growth = { from: logicalVolume.extentCount, to: totalExtents };
    const ranges = unzeroedRanges(grown.logicalVolume, growth, zeroed, grown.state.extentBytes);
    if (ranges.length > 0) await zeroInUse(context, grown, ranges);
  });
}

async function makeScratch(context: Context, expansion: Expansion): Promise<LogicalVolume> {
  const { group, id, state } = expansion.volume;
  assertNameIsFree(state, id.logicalVolume);
  await asOutOfRange(group.create((now) => newScratch(context, now, expansion)));
  const scratch = scratchOf(await group.read(), id.logicalVolume);
  if (scratch !== undefined) return scratch;
  throw new VolumeError("unavailable", "the scratch volume vanished as it was made; try again");
}

function newScratch(context: Context, state: VolumeGroupState, { volume, extents, layout }: Expansion): NewVolume {
  const name = scratchName(volume.id.logicalVolume);
  const { physicalVolumes } = assertRoom(context, state, extents, layout);
  const record = { ...volume.record, state: "growing", claim: undefined, doneBytes: 0 } as const;
  return {
    name,
    extents,
    ...stripeArguments(layout),
    tags: encodeRecord(record, name),
    ...(physicalVolumes === undefined ? {} : { physicalVolumes }),
  };
}

function assertRoom(context: Context, state: VolumeGroupState, extents: number, layout: Layout): Room {
  const room = roomFor(state, layout, context.reserve);
  if (extents <= room.extents) return room;
  const why = describeRoom(state, room, context.reserve);
  // A disk that comes back makes the expansion possible again, while outOfRange would end it.
  if (missingPhysicalVolumes(state).length > 0) throw new LvmError("physicalVolumeMissing", why);
  throw new VolumeError("outOfRange", `the volume would grow by ${extents * state.extentBytes} bytes, but ${why}`);
}

/**
 * Zeroes what a volume in use has just grown by, against what LVM was told. Nobody has been told of those bytes yet, and
 * what somebody else adds before or after is not among them; only what is added between the look at the volume's size
 * and LVM's lock would be, or what a pod writes that watches the size of its device.
 */
async function zeroInUse(context: Context, volume: Volume, ranges: readonly ByteRange[]): Promise<void> {
  const device = await activeDevice(context, volume.group, volume.logicalVolume);
  const shared = await context.host.devices.openShared(device);
  try {
    for (const range of ranges) await shared.zero(range);
    await shared.flush();
  } finally {
    await shared.close();
  }
}

async function reread(context: Context, volume: Volume): Promise<Volume> {
  return findVolume(context, formatVolumeId(volume.id));
}

function stripeArguments(layout: Layout): { readonly stripes: number; readonly stripeBytes?: number } {
  const { stripes, stripeBytes } = layout;
  return stripeBytes === undefined ? { stripes } : { stripes, stripeBytes };
}

/** LVM found no room after all: someone else was quicker. */
function asOutOfRange<Result>(extension: Promise<Result>): Promise<Result> {
  return extension.catch((error: unknown) => {
    if (!(error instanceof LvmError) || (error.kind !== "noSpace" && error.kind !== "metadataFull")) throw error;
    throw new VolumeError("outOfRange", error.message, { cause: error });
  });
}

/** The zeroed extents were let go for a moment, and someone else took them: the repeated call zeroes others. */
function asTaken(error: unknown): never {
  if (!(error instanceof LvmError) || error.kind !== "noSpace") throw error;
  throw new VolumeError("aborted", "the extents for the expansion were taken by another; try again", { cause: error });
}
