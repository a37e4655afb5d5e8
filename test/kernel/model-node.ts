import {
  type Command,
  type Model,
  type ModelMount,
  type ModelVolume,
  type Step,
  extentBytes,
  fits,
  mountsOf,
  refuse,
  tell,
  withMount,
  withVolume,
} from "./model-state.ts";

export function stage(model: Model, command: Command): Step {
  const { slot, kind, staging, readOnly } = command;
  const volume = model.volumes.get(slot);
  const refusal = volume === undefined ? "NOT_FOUND" : stageRefusal(model, volume, command);
  if (volume === undefined || refusal !== undefined) return refuse(model, refusal ?? "");
  if (kind === "block") return tell(model);
  const grownExtents = volume.grownExtents === 0 || !readOnly ? volume.extents : volume.grownExtents;
  const staged = withVolume(model, slot, { ...volume, grownExtents, superblockReadOnly: readOnly });
  return tell(withMount(staged, staging, { slot, readOnly }));
}

function stageRefusal(model: Model, volume: ModelVolume, command: Command): string | undefined {
  const { slot, kind, staging, readOnly } = command;
  const there = kind === "block" ? undefined : model.mounts.get(staging);
  if (volume.kind !== kind || isOthers(there, slot)) return "FAILED_PRECONDITION";
  if (there !== undefined) return there.readOnly === readOnly ? undefined : "ALREADY_EXISTS";
  const isMounted = kind !== "block" && mountsOf(model, slot).length > 0;
  return isMounted && volume.superblockReadOnly !== readOnly ? "ABORTED" : undefined;
}

export function publish(model: Model, command: Command): Step {
  const { slot, target } = command;
  const volume = model.volumes.get(slot);
  if (volume === undefined) return refuse(model, "NOT_FOUND");
  const there = model.mounts.get(target);
  const isPossible = isPublishable(model, volume, command) && !isOthers(there, slot);
  if (!isPossible) return refuse(model, "FAILED_PRECONDITION");
  const readOnly = isToBeReadOnly(model, command);
  if (there?.readOnly === readOnly) return tell(model);
  if (there?.readOnly === true) return refuse(model, "ALREADY_EXISTS");
  if (command.alone && isElsewhere(model, command)) return refuse(model, "FAILED_PRECONDITION");
  return tell(withMount(model, target, { slot, readOnly }));
}

function isPublishable({ mounts }: Model, volume: ModelVolume, { slot, kind, staging }: Command): boolean {
  return volume.kind === kind && (kind === "block" || mounts.get(staging)?.slot === slot);
}

function isToBeReadOnly({ mounts }: Model, { kind, staging, readOnly }: Command): boolean {
  return readOnly || (kind !== "block" && mounts.get(staging)?.readOnly === true);
}

function isElsewhere(model: Model, { slot, staging, target }: Command): boolean {
  return mountsOf(model, slot).some((place) => place !== staging && place !== target);
}

function isOthers(mount: ModelMount | undefined, slot: number): boolean {
  return mount !== undefined && mount.slot !== slot;
}

export function unmount(model: Model, slot: number, place: string): Step {
  const there = model.mounts.get(place);
  if (there === undefined) return tell(model);
  if (there.slot !== slot) return refuse(model, "FAILED_PRECONDITION");
  return tell(withMount(model, place, undefined));
}

export function nodeExpand(model: Model, command: Command): Step {
  const { slot, place } = command;
  const volume = model.volumes.get(slot);
  if (volume === undefined || model.mounts.get(place)?.slot !== slot) return refuse(model, "NOT_FOUND");
  if (!fits(volume, command)) return refuse(model, "OUT_OF_RANGE");
  const bytes = volume.extents * extentBytes;
  if (volume.kind === "block" || volume.grownExtents === volume.extents) return tell(model, bytes);
  const writable = mountsOf(model, slot).some((one) => model.mounts.get(one)?.readOnly === false);
  if (!writable) return refuse(model, "FAILED_PRECONDITION");
  return tell(withVolume(model, slot, { ...volume, grownExtents: volume.extents }), bytes);
}

export function statistics(model: Model, { slot, place }: Command): Step {
  const volume = model.volumes.get(slot);
  if (volume === undefined || model.mounts.get(place)?.slot !== slot) return refuse(model, "NOT_FOUND");
  return tell(model, volume.kind === "block" ? volume.extents * extentBytes : "filesystem");
}
