import { LvmError, VolumeError } from "../errors.ts";
import type { ByteRange } from "../host/host.ts";
import type { ExtentArea, LogicalVolume } from "../lvm/model.ts";
import { type Context, type Volume, changeRecord, findVolume } from "./context.ts";
import { activeDevice, withExclusive } from "./device.ts";
import { formatVolumeId, scratchName } from "./id.ts";
import { initialize, isZeroedWhole } from "./initialize.ts";
import type { Work } from "./operations.ts";
import type { Layout } from "./parameters.ts";
import { type VolumeRecord, decodeRecord, encodeRecord, recordChange } from "./record.ts";
import { type SizeRange, describeRoom, extentsFor, roomFor } from "./room.ts";
import { stripeBytesOf, stripesOf } from "./sameness.ts";
import { unzeroedRanges } from "./grown-extents.ts";
import { sweepDevice, zeroing } from "./sweep.ts";

/**
 * Extends a volume's logical volume to the size asked for; a volume that is large enough is left as it is.
 * @returns the volume as it then is.
 * @throws VolumeError notFound; outOfRange where there is no room, because csi-resizer would take resourceExhausted
 * for "still under way" and never let the user lower the request; aborted. LvmError
 */
export function expandVolume(
  context: Context,
  idText: string,
  range: SizeRange,
  deadline: number | undefined,
): Promise<Volume> {
  return findVolume(context, idText).then((found) =>
    context.operations.run({
      key: found.id.logicalVolume,
      request: `expand ${idText} ${range.required} ${range.limit}`,
      deadline,
      work: async (work) => extend(context, await findVolume(context, idText), range, work),
    }),
  );
}

async function extend(context: Context, found: Volume, range: SizeRange, work: Work): Promise<Volume> {
  assertNotRemoving(found);
  // Nobody is at work on it: an earlier run ended between the two states, in CreateVolume or here.
  const volume = found.record.state === "creating" ? await initialize(context, found, work) : found;
  const { logicalVolume, state, group, id, record } = volume;
  if (range.limit > 0 && logicalVolume.sizeBytes > range.limit) {
    const reason = `is below the volume's ${logicalVolume.sizeBytes} bytes; volumes never shrink`;
    throw new VolumeError("outOfRange", `capacity_range.limit_bytes ${range.limit} ${reason}`);
  }
  if (logicalVolume.sizeBytes >= range.required) return volume;
  const layout = { stripes: stripesOf(logicalVolume), stripeBytes: stripeBytesOf(logicalVolume) };
  const extents = extentsFor(range, 0, state, layout) - logicalVolume.extentCount;
  const scratch = state.logicalVolumes.get(scratchName(id.logicalVolume));
  if (scratch?.extentCount !== extents) {
    if (scratch !== undefined) await group.remove(scratch.name);
    assertRoom(context, await reread(context, volume), extents, layout);
  }
  const extend = (): Promise<void> => group.extend({ name: logicalVolume.name, extents, ...stripeArguments(layout) });
  if (isZeroedWhole(record)) await extendZeroed(context, volume, extents, layout, work);
  else if (record.state === "ready") await extendBlank(context, volume, extend, work);
  else await asOutOfRange(extend());
  return reread(context, volume);
}

function assertNotRemoving({ state, logicalVolume, record }: Volume): void {
  if (record.state !== "removing") return;
  throw new VolumeError("failedPrecondition", `${state.name}/${logicalVolume.name} is being removed`);
}

/**
 * Grows a volume that has no filesystem yet: the places that must be blank for one to be made lie elsewhere on a larger
 * device, so it is initialized again. The state says so before anything changes, and a restart finds it.
 */
async function extendBlank(context: Context, volume: Volume, extend: () => Promise<void>, work: Work): Promise<void> {
  const pending = await changeRecord(volume, { state: "creating", doneBytes: 0 });
  try {
    await asOutOfRange(extend());
  } finally {
    await initialize(context, await reread(context, pending), work);
  }
}

function assertRoom(context: Context, volume: Volume, extents: number, layout: Layout): void {
  const { state } = volume;
  const room = roomFor(state, layout, context.reserve);
  if (extents <= room.extents) return;
  const why = describeRoom(state, room, context.reserve);
  throw new VolumeError("outOfRange", `the volume would grow by ${extents * state.extentBytes} bytes, but ${why}`);
}

/**
 * Grows a volume that must never show earlier data: the new extents are taken by a scratch volume, zeroed, and handed
 * over to the volume, back to back, by naming them to lvextend.
 */
async function extendZeroed(
  context: Context,
  volume: Volume,
  extents: number,
  layout: Layout,
  work: Work,
): Promise<void> {
  const { group, id, logicalVolume } = volume;
  const zeroed = await zeroedScratch(context, volume, extents, layout, work);
  work.progress.text = "extending the logical volume";
  await asOutOfRange(
    group.removeThenExtend({
      remove: scratchName(id.logicalVolume),
      name: logicalVolume.name,
      extents,
      areas: zeroed,
      ...stripeArguments(layout),
    }),
  );
  const grown = await reread(context, volume);
  const ranges = unzeroedRanges(grown.logicalVolume, logicalVolume.extentCount, zeroed, grown.state.extentBytes);
  if (ranges.length > 0) await zeroInUse(context, grown, ranges);
}

/** The extents of a scratch volume of this size, all zeroed. */
async function zeroedScratch(
  context: Context,
  volume: Volume,
  extents: number,
  layout: Layout,
  work: Work,
): Promise<readonly ExtentArea[]> {
  let scratch = await findScratch(volume);
  if (scratch === undefined) {
    const name = scratchName(volume.id.logicalVolume);
    const { physicalVolumes } = roomFor(volume.state, layout, context.reserve);
    const record = { ...volume.record, state: "growing", claim: undefined, doneBytes: 0 } as const;
    await volume.group.create({
      name,
      extents,
      ...stripeArguments(layout),
      tags: encodeRecord(record, name),
      ...(physicalVolumes === undefined ? {} : { physicalVolumes }),
    });
    scratch = await findScratch(volume);
  }
  if (scratch === undefined) throw new VolumeError("unavailable", "the scratch volume vanished as it was made; try again");
  await zeroScratch(context, volume, scratch, work);
  return scratch.logicalVolume.segments.flatMap((segment) => segment.areas);
}

async function zeroScratch(context: Context, volume: Volume, scratch: Scratch, work: Work): Promise<void> {
  const { logicalVolume, record } = scratch;
  const device = await activeDevice(context, volume.group, logicalVolume);
  const busy = new VolumeError("aborted", `the device of ${logicalVolume.name} is still in use; try again`);
  const journey = {
    sizeBytes: logicalVolume.sizeBytes,
    doneBytes: record.doneBytes,
    record: async (doneBytes: number) => {
      const now = await findScratch(volume);
      const change = now && recordChange(now.logicalVolume, { ...now.record, doneBytes });
      if (change !== undefined) await volume.group.changeTags(logicalVolume.name, change);
    },
  };
  await withExclusive(context, device, busy, (exclusive) => sweepDevice(exclusive, zeroing, journey, work));
}

interface Scratch {
  readonly logicalVolume: LogicalVolume;
  readonly record: VolumeRecord;
}

async function findScratch(volume: Volume): Promise<Scratch | undefined> {
  const state = await volume.group.read();
  const logicalVolume = state.logicalVolumes.get(scratchName(volume.id.logicalVolume));
  const record = logicalVolume && decodeRecord(logicalVolume);
  if (logicalVolume === undefined) return undefined;
  if (record?.state === "growing") return { logicalVolume, record };
  throw new VolumeError(
    "failedPrecondition",
    `logical volume ${state.name}/${logicalVolume.name} stands in the way and is not the driver's; rename or remove it`,
  );
}

/** Zeroes what a volume in use has just grown by: nobody has had time to write there, and nobody may read it. */
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
