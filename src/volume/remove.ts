import { SystemError, VolumeError, quote } from "../errors.ts";
import { nodePath } from "../host/device-node.ts";
import type { BlockDevice, ByteRange, WritableDevice } from "../host/host.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { type Context, type Volume, changeRecord, turnsOf, volumeIn } from "./context.ts";
import { activeDevice, findDevice, withExclusive } from "./device.ts";
import { type VolumeId, parseVolumeId, scratchName } from "./id.ts";
import { mountsOfDevice } from "./mounted.ts";
import type { Work } from "./operations.ts";
import { removeScratch } from "./scratch.ts";
import { type Sweep, sweepDevice, zeroing } from "./sweep.ts";
import type { Wipe } from "./wipe-kind.ts";

/**
 * Removes a volume, its data wiped first where its class wants that. Succeeds for a volume that is proven absent.
 * @throws VolumeError failedPrecondition for another node's volume, one of a volume group that this driver may not
 * use, one that is not the driver's, or one in use; aborted while it is being wiped. LvmError
 */
export async function removeVolume(context: Context, idText: string, deadline: number | undefined): Promise<void> {
  const id = parseVolumeId(idText);
  if (id === undefined) return;
  const group = removableFrom(context, id, idText);
  await context.operations.run({
    key: id.logicalVolume,
    request: `delete ${idText}`,
    deadline,
    interrupts: "create",
    work: (work) => removeWithScratch(context, group, id, work),
  });
}

/**
 * Wipes and removes a volume of any state. An expansion under way is told to stop and kept from starting again; its
 * scratch volume goes too.
 */
export async function removeWithScratch(context: Context, group: VolumeGroup, id: VolumeId, work: Work): Promise<void> {
  await context.operations.run({
    key: scratchName(id.logicalVolume),
    request: "delete",
    deadline: undefined,
    interrupts: "expand",
    work: async () => {
      await removeScratch(group, id.logicalVolume);
      await remove(context, group, id, work);
    },
  });
}

async function remove(context: Context, group: VolumeGroup, id: VolumeId, work: Work): Promise<void> {
  const volume = await findRemovable(group, id);
  if (volume === undefined) return;
  assertNoDependents(volume);
  const isActive = (await findDevice(context, volume.logicalVolume)) !== undefined;
  if (isActive) await assertUnused(context, await activeDevice(context, group, volume.logicalVolume), id);
  await wipeFirst(context, volume, work);
  // Wiping takes long, and somebody may have taken a snapshot meanwhile.
  await assertStillAlone(volume);
  work.progress.text = "removing the logical volume";
  await group.remove(id.logicalVolume);
  context.begun.delete(id.logicalVolume);
}

function removableFrom(context: Context, id: VolumeId, idText: string): VolumeGroup {
  const group = context.groups.get(id.volumeGroup);
  if (id.topologyValue !== context.topologyValue) {
    throw new VolumeError(
      "failedPrecondition",
      `volume ${quote(idText)} is on another node; this is ${context.topologyValue}`,
    );
  }
  if (group === undefined) {
    const reason = `volume group ${id.volumeGroup} is not one that this driver may use; see --volume-group`;
    throw new VolumeError("failedPrecondition", `volume ${quote(idText)}: ${reason}`);
  }
  return group;
}

/** The volume; undefined if LVM itself, under its lock, says that there is none. */
async function findRemovable(group: VolumeGroup, id: VolumeId): Promise<Volume | undefined> {
  const state = await group.read();
  const logicalVolume = state.logicalVolumes.get(id.logicalVolume);
  if (logicalVolume === undefined) {
    if (await group.confirmAbsent(id.logicalVolume)) return undefined;
    throw new VolumeError("aborted", `${state.name}/${id.logicalVolume} appeared as it was looked for; try again`);
  }
  const volume = volumeIn(state, group, id);
  if (volume === undefined) {
    const reason = "was not made by this driver (it lacks the driver's tags); remove it with lvremove if it should go";
    throw new VolumeError("failedPrecondition", `logical volume ${state.name}/${id.logicalVolume} ${reason}`);
  }
  return volume;
}

/** lvremove would take them along (lvremove(8)), and they are not the driver's. */
function assertNoDependents({ id, logicalVolume }: Volume): void {
  if (logicalVolume.dependents.length === 0) return;
  const names = logicalVolume.dependents.join(", ");
  const reason = `other logical volumes rest on it (${names}); remove those first`;
  throw new VolumeError("failedPrecondition", `${id.volumeGroup}/${id.logicalVolume} is in use: ${reason}`);
}

async function assertStillAlone(volume: Volume): Promise<void> {
  assertNoDependents((await findRemovable(volume.group, volume.id)) ?? volume);
}

/** Nobody may have the device mounted, its node bind-mounted, or the device open for itself alone. */
async function assertUnused(context: Context, device: BlockDevice, id: VolumeId): Promise<void> {
  const name = `${id.volumeGroup}/${id.logicalVolume}`;
  const [mount] = await mountsOfDevice(context, device);
  if (mount !== undefined) {
    throw new VolumeError("failedPrecondition", `${name} is in use: mounted at ${mount.target}`);
  }
  await withExclusive(context, device, inUse(name, device), async () => undefined);
}

function inUse(name: string, device: BlockDevice): VolumeError {
  return new VolumeError("failedPrecondition", `${name} is in use: its device ${nodePath(device)} is held open`);
}

/** Wipes the volume where that was asked for and it can hold data; the state says so before the first byte is gone. */
async function wipeFirst(context: Context, volume: Volume, work: Work): Promise<void> {
  const { id, record, group, logicalVolume } = volume;
  const sweep = sweepFor(volume);
  if (sweep === undefined) return;
  // Only this proves that nobody at all has the device open: O_EXCL does not see those who opened it without.
  await group.deactivate(logicalVolume.name);
  await assertStillAlone(volume);
  const device = await activeDevice(context, group, logicalVolume);
  const busy = inUse(`${id.volumeGroup}/${id.logicalVolume}`, device);
  await withExclusive(context, device, busy, async (exclusive) => {
    let current =
      record.state === "removing" ? volume : await changeRecord(volume, { state: "removing", doneBytes: 0 });
    const journey = {
      turns: turnsOf(context, group),
      sizeBytes: logicalVolume.sizeBytes,
      doneBytes: current.record.doneBytes,
      record: async (doneBytes: number) => {
        current = await changeRecord(current, { doneBytes });
      },
    };
    await sweepDevice(exclusive, sweep, journey, work);
  });
}

/** How the volume is to be wiped; undefined if not at all. One that is still being made holds no data of anybody's. */
function sweepFor({ record }: Volume): Sweep | undefined {
  return record.state === "creating" ? undefined : sweepOf(record.wipe);
}

function sweepOf(wipe: Wipe): Sweep | undefined {
  const { largest } = zeroing.steps;
  switch (wipe.kind) {
    case "none":
      return undefined;
    case "zero":
      return zeroing;
    case "discard":
      // a disk may take no notice of a piece that is smaller than what it frees at once
      return { ...zeroing, verb: "discarding", steps: { smallest: largest, largest }, step: discardOrZero };
    case "shred":
      return {
        verb: "shredding",
        passes: wipe.passes,
        steps: { ...zeroing.steps, largest: 64 * 1024 ** 2 },
        step: scrambleAndFlush,
      };
  }
}

/** A disk's turn has ended when the bytes are there, not when the kernel has taken them. */
async function scrambleAndFlush(device: WritableDevice, range: ByteRange): Promise<void> {
  await device.scramble(range);
  await device.flush();
}

/** A disk that cannot discard gets zeroes, which destroy no less. */
async function discardOrZero(device: WritableDevice, range: ByteRange): Promise<void> {
  await device.discard(range).catch((error: unknown) => {
    if (error instanceof SystemError && error.code === "EOPNOTSUPP") return device.zero(range);
    throw error;
  });
}
