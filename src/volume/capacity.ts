import { LvmError } from "../errors.ts";
import { minimumBytes } from "../filesystem/names.ts";
import type { FilesystemName } from "../filesystem/names.ts";
import type { Context } from "./context.ts";
import type { Parameters } from "./parameters.ts";
import { roomFor } from "./room.ts";

/** What GetCapacity answers, in bytes. */
export interface Capacity {
  readonly available: number;
  /** The smallest volume that can be made. */
  readonly minimum: number;
}

/**
 * How large one volume of this class can be now. A group that is missing or not of the allow-list has no room: an error
 * would leave the figure that was published before (csi-provisioner, syncCapacity).
 * @throws LvmError when the group cannot be read
 */
export async function capacityFor(
  context: Context,
  parameters: Parameters,
  filesystem: FilesystemName | undefined,
): Promise<Capacity> {
  const name = parameters.volumeGroup ?? [...context.groups.keys()][0];
  const group = name === undefined ? undefined : context.groups.get(name);
  const state = await group?.read().catch((error: unknown) => {
    if (error instanceof LvmError && error.kind === "groupMissing") return undefined;
    throw error;
  });
  if (state === undefined) return { available: 0, minimum: 0 };
  const { bytes } = roomFor(state, parameters.layout, context.reserve);
  const unit = state.extentBytes * parameters.layout.stripes;
  const smallest = Math.max(unit, filesystem === undefined ? 0 : minimumBytes(filesystem));
  const minimum = Math.ceil(smallest / unit) * unit;
  return { available: bytes < minimum ? 0 : bytes, minimum };
}
