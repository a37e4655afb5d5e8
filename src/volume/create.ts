import { LvmError, type LvmFailure, SystemError, VolumeError, quote } from "../errors.ts";
import { minimumBytes } from "../filesystem/names.ts";
import type { VolumeGroupState } from "../lvm/model.ts";
import type { NewVolume, VolumeGroup } from "../lvm/volume-group.ts";
import { type Context, type Volume, volumeIn } from "./context.ts";
import { findExisting } from "./existing.ts";
import { type VolumeId, logicalVolumeName } from "./id.ts";
import { initialize } from "./initialize.ts";
import type { Work } from "./operations.ts";
import type { Layout, Parameters, VolumeKind } from "./parameters.ts";
import { type VolumeRecord, assertRecordFits, encodeRecord } from "./record.ts";
import { type SizeRange, describeRoom, extentsFor, roomFor } from "./room.ts";

/** A checked CreateVolume. */
export interface CreateRequest {
  readonly name: string;
  readonly range: SizeRange;
  readonly kind: VolumeKind;
  readonly parameters: Parameters;
  /** When the caller gives up, in milliseconds since the epoch. */
  readonly deadline: number | undefined;
  /** Only a volume of that name that is there already, finished if need be. */
  readonly onlyExisting: boolean;
}

/**
 * Makes a volume, initialized and ready to be staged; again: the volume that is there.
 * @throws VolumeError alreadyExists if the name's volume differs from the request; notFound if only an existing one
 * is wanted, failedPrecondition if that cannot be told without its missing group; resourceExhausted, outOfRange,
 * invalidArgument; aborted while it is being initialized. LvmError
 */
export function createVolume(context: Context, request: CreateRequest): Promise<Volume> {
  const { deadline, ...asked } = request;
  const name = logicalVolumeName(request.name);
  const record = newRecord(request);
  assertRecordFits(record, name);
  const search = { ...request, name, record, chosen: chooseGroup(context, request.parameters) };
  return context.operations.run({
    key: name,
    request: `create ${JSON.stringify(asked)}`,
    deadline,
    work: async (work) => {
      const volume = (await findExisting(context, search)) ?? (await makeNew(context, request, record));
      if (volume.record.state === "creating") return finish(context, volume, work);
      await volume.group.makeDurable();
      return volume;
    },
  });
}

function newRecord(request: CreateRequest): VolumeRecord {
  const { parameters, kind, name } = request;
  return {
    state: "creating",
    name,
    ...kind,
    initialize: parameters.initialize,
    wipe: parameters.wipe,
    claim: parameters.claim,
    doneBytes: 0,
  };
}

function makeNew(context: Context, request: CreateRequest, record: VolumeRecord): Promise<Volume> {
  if (!request.onlyExisting) return allocate(context, request, record);
  throw new VolumeError("notFound", `there is no volume ${quote(request.name)} on this node, and none is to be made`);
}

/** Makes the logical volume, marked `creating` in the same commit. */
async function allocate(context: Context, request: CreateRequest, record: VolumeRecord): Promise<Volume> {
  const group = chooseGroup(context, request.parameters);
  const logicalVolume = logicalVolumeName(request.name);
  const id = { topologyValue: context.topologyValue, volumeGroup: group.name, logicalVolume };
  await group
    .create((state) => beginVolume(context, request, record, state))
    .catch(async (error: unknown) => {
      if (error instanceof LvmError && error.kind !== "volumeExists" && !mayPass(error))
        await removeHalfMade(group, id);
      throw error;
    })
    .catch(asNoRoom(context, logicalVolume));
  const volume = volumeIn(await group.read(), group, id);
  if (volume !== undefined) return volume;
  throw new VolumeError("unavailable", `${group.name}/${logicalVolume} vanished as it was made; try again`);
}

/** LVM can fail to make a volume's device and then to take the volume back: callers take its code for "nothing is left". */
async function removeHalfMade(group: VolumeGroup, id: VolumeId): Promise<void> {
  try {
    if (volumeIn(await group.read(), group, id)?.record.state === "creating") await group.remove(id.logicalVolume);
  } catch (cause) {
    throw new VolumeError("aborted", `${id.logicalVolume} is half made and cannot be removed; try again`, { cause });
  }
}

function beginVolume(
  context: Context,
  request: CreateRequest,
  record: VolumeRecord,
  state: VolumeGroupState,
): NewVolume {
  const plan = planVolume(context, request, record, state);
  context.begun.add(plan.name);
  return plan;
}

/** Decides on the volume when it is its turn, so that no two volumes are promised the same room. */
function planVolume(
  context: Context,
  request: CreateRequest,
  record: VolumeRecord,
  state: VolumeGroupState,
): NewVolume {
  const { layout } = request.parameters;
  checkStripes(layout, state);
  const minimum = record.filesystem === undefined ? 0 : minimumBytes(record.filesystem);
  const extents = extentsFor(request.range, minimum, state, layout);
  const room = roomFor(state, layout, context.reserve);
  if (extents > room.extents) {
    const why = describeRoom(state, room, context.reserve);
    throw new VolumeError("resourceExhausted", `${extents * state.extentBytes} bytes are asked for, but ${why}`);
  }
  const name = logicalVolumeName(request.name);
  return {
    name,
    extents,
    stripes: layout.stripes,
    ...(layout.stripeBytes === undefined ? {} : { stripeBytes: layout.stripeBytes }),
    tags: encodeRecord(record, name),
    ...(room.physicalVolumes === undefined ? {} : { physicalVolumes: room.physicalVolumes }),
  };
}

function chooseGroup(context: Context, parameters: Parameters): VolumeGroup {
  const name = parameters.volumeGroup ?? [...context.groups.keys()][0];
  const group = name === undefined ? undefined : context.groups.get(name);
  if (group === undefined) {
    const allowed = [...context.groups.keys()].join(", ");
    throw new VolumeError(
      "invalidArgument",
      `parameter "volumeGroup" is ${quote(name ?? "")}; this node allows ${allowed}`,
    );
  }
  return group;
}

/**
 * A group that is missing, or has lost a disk, has no room: the scheduler then tries another node. Not where a volume
 * of that name may lie in it, which would be left over: then the group is waited for.
 */
function asNoRoom(context: Context, logicalVolume: string): (error: unknown) => never {
  return (error) => {
    const away = error instanceof LvmError && ["groupMissing", "physicalVolumeMissing"].includes(error.kind);
    if (!away || context.begun.has(logicalVolume)) throw error;
    throw new VolumeError("resourceExhausted", error.message, { cause: error });
  };
}

function checkStripes(layout: Layout, state: VolumeGroupState): void {
  if (layout.stripeBytes === undefined || layout.stripeBytes <= state.extentBytes) return;
  const reason = `is larger than the extents of volume group ${state.name} (${state.extentBytes} bytes)`;
  throw new VolumeError("invalidArgument", `parameter "stripeSize" ${reason}`);
}

/**
 * Initializes the volume. If that fails for good, the volume is removed before the caller is told, because its caller
 * takes a final code for "nothing is left" (csi-provisioner, checkError).
 */
async function finish(context: Context, volume: Volume, work: Work): Promise<Volume> {
  try {
    return await initialize(context, volume, work);
  } catch (error) {
    if (mayPass(error)) throw error;
    context.log.error({ volume: volume.logicalVolume.name, error: String(error) }, "initializing failed; removing");
    await volume.group.remove(volume.logicalVolume.name).catch((cause: unknown) => {
      throw new VolumeError("aborted", `initializing failed (${String(error)}), removing too; try again`, { cause });
    });
    throw error;
  }
}

const passingFailures: ReadonlySet<LvmFailure> = new Set([
  "groupMissing",
  "groupAmbiguous",
  "groupUnreadable",
  "physicalVolumeMissing",
  "locked",
  "outcomeUnknown",
]);

/** Whether the same call may succeed later with what is there now. */
function mayPass(error: unknown): boolean {
  if (error instanceof LvmError) return passingFailures.has(error.kind);
  if (error instanceof SystemError) return error.code === "ESTALE" || error.code === "EAGAIN";
  return error instanceof VolumeError && (error.kind === "aborted" || error.kind === "unavailable");
}
