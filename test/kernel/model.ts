import { nodeExpand, publish, stage, statistics, unmount } from "./model-node.ts";
import {
  type Command,
  type Kind,
  type Model,
  type RpcName,
  type Step,
  extentBytes,
  fits,
  mountsOf,
  refuse,
  tell,
  withVolume,
} from "./model-state.ts";
import { MiB } from "./world.ts";

const minimumBytes: Readonly<Record<Kind, number>> = { ext4: 16 * MiB, xfs: 300 * MiB, block: extentBytes };

/** Foretells a call. */
export function step(model: Model, command: Command): Step {
  const sized = ["CreateVolume", "ControllerExpandVolume", "NodeExpandVolume"].includes(command.rpc);
  if (sized && isBadRange(command)) return { answer: "INVALID_ARGUMENT", next: model };
  return rules[command.rpc](model, command);
}

const rules: Readonly<Record<RpcName, (model: Model, command: Command) => Step>> = {
  CreateVolume: create,
  DeleteVolume: remove,
  NodeStageVolume: stage,
  NodeUnstageVolume: (model, { slot, staging }) => unmount(model, slot, staging),
  NodePublishVolume: publish,
  NodeUnpublishVolume: (model, { slot, target }) => unmount(model, slot, target),
  ControllerExpandVolume: expand,
  NodeExpandVolume: nodeExpand,
  NodeGetVolumeStats: statistics,
  ControllerGetVolume: (model, { slot }) => {
    const volume = model.volumes.get(slot);
    return volume ? tell(model, volume.extents * extentBytes) : refuse(model, "NOT_FOUND");
  },
  ValidateVolumeCapabilities: (model, { slot, kind }) => {
    const volume = model.volumes.get(slot);
    return volume ? tell(model, volume.kind === kind) : refuse(model, "NOT_FOUND");
  },
  ListVolumes: (model) => {
    const volumes = [...model.volumes].map(([slot, { extents }]) => `v${slot}:${extents * extentBytes}`);
    return tell(model, volumes.toSorted().join(" "));
  },
  GetCapacity: (model) => {
    const bytes = model.freeExtents * extentBytes;
    return tell(model, bytes < minimumBytes.ext4 ? 0 : bytes);
  },
};

function create(model: Model, command: Command): Step {
  const { slot, kind } = command;
  const volume = model.volumes.get(slot);
  if (volume !== undefined) {
    const same = volume.kind === kind && fits(volume, command);
    return same ? tell(model, volume.extents * extentBytes) : refuse(model, "ALREADY_EXISTS");
  }
  const extents = extentsFor(command, minimumBytes[kind]);
  if (extents === undefined) return refuse(model, "OUT_OF_RANGE");
  if (extents > model.freeExtents) return refuse(model, "RESOURCE_EXHAUSTED");
  const made = { kind, extents, grownExtents: 0, superblockReadOnly: false };
  return tell(withVolume(model, slot, made), extents * extentBytes);
}

function remove(model: Model, { slot }: Command): Step {
  const volume = model.volumes.get(slot);
  if (volume === undefined) return tell(model);
  if (mountsOf(model, slot).length > 0) return refuse(model, "FAILED_PRECONDITION");
  return tell(withVolume(model, slot, undefined));
}

function expand(model: Model, command: Command): Step {
  const volume = model.volumes.get(command.slot);
  if (volume === undefined) return refuse(model, "NOT_FOUND");
  const bytes = volume.extents * extentBytes;
  if (command.limitBytes > 0 && bytes > command.limitBytes) return refuse(model, "OUT_OF_RANGE");
  if (bytes >= command.requiredBytes) return tell(model, bytes);
  const extents = extentsFor(command, 0);
  if (extents === undefined || extents - volume.extents > model.freeExtents) return refuse(model, "OUT_OF_RANGE");
  return tell(withVolume(model, command.slot, { ...volume, extents }), extents * extentBytes);
}

function isBadRange({ requiredBytes, limitBytes }: Command): boolean {
  return limitBytes === 0 ? requiredBytes === 0 : limitBytes < requiredBytes;
}

/** Whole extents; undefined where the limit is below the smallest volume. */
function extentsFor({ requiredBytes, limitBytes }: Command, minimum: number): number | undefined {
  const smallest = Math.max(minimum, extentBytes);
  if (requiredBytes === 0) return limitBytes < smallest ? undefined : Math.floor(limitBytes / extentBytes);
  const extents = Math.ceil(Math.max(requiredBytes, minimum) / extentBytes);
  return limitBytes > 0 && extents * extentBytes > limitBytes ? undefined : extents;
}
