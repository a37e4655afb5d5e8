import { SystemError, VolumeError, quote } from "../errors.ts";
import { mappingName } from "../lvm/mapping-name.ts";
import type { Context } from "./context.ts";
import { parseVolumeId } from "./id.ts";
import { mountsAt, ownershipOf } from "./mounted.ts";

/** NodeUnpublishVolume and NodeUnstageVolume. */
export interface UnmountRequest {
  readonly id: string;
  readonly path: string;
  readonly deadline: number | undefined;
}

/** More mounts than this on one path are not a kubelet's doing. */
const mostMounts = 100;

/**
 * Takes the volume away from a target path and removes the target. The path decides: the volume may be gone, and this
 * process may never have seen it. Nothing there is success.
 * @throws VolumeError failedPrecondition when something else is mounted there, or the target is not empty.
 */
export async function unpublishVolume(context: Context, request: UnmountRequest): Promise<void> {
  await unmountOnce(context, "unpublish", request, async () => {
    await unmountAll(context, request);
    await removeTarget(context, request.path);
  });
}

/** Takes the volume away from its staging path, whose directory is the kubelet's and stays. */
export async function unstageVolume(context: Context, request: UnmountRequest): Promise<void> {
  await unmountOnce(context, "unstage", request, () => unmountAll(context, request));
}

async function unmountOnce(
  context: Context,
  verb: string,
  { id, path, deadline }: UnmountRequest,
  work: () => Promise<void>,
): Promise<void> {
  const key = parseVolumeId(id)?.logicalVolume ?? `path ${path}`;
  await context.operations.run({ key, request: `${verb} ${JSON.stringify({ id, path })}`, deadline, work });
}

/** A target may be mounted several times; nothing is unmounted before all of it is known to be the volume's. */
async function unmountAll(context: Context, { id, path }: UnmountRequest): Promise<void> {
  const parsed = parseVolumeId(id);
  const name = parsed && mappingName(parsed.volumeGroup, parsed.logicalVolume);
  const entries = await mountsAt(context, path);
  if (entries.length > mostMounts) throw new VolumeError("failedPrecondition", `${path} has ${entries.length} mounts`);
  for (const entry of entries) {
    if ((await ownershipOf(context, entry, name)) === "foreign") {
      const what = `${entry.type} from ${entry.source}`;
      throw new VolumeError("failedPrecondition", `${path} is the mount of something else than ${quote(id)}: ${what}`);
    }
  }
  for (const _ of entries) await unmount(context, path);
}

async function unmount(context: Context, path: string): Promise<void> {
  await context.host.mounts.unmount(path).catch((error: unknown) => {
    if (!(error instanceof SystemError) || error.code !== "EBUSY") throw error;
    throw new VolumeError("failedPrecondition", `${path} is in use by a process; it is unmounted when that has ended`, {
      cause: error,
    });
  });
}

async function removeTarget(context: Context, path: string): Promise<void> {
  await context.host.mounts.remove(path).catch((error: unknown) => {
    if (!(error instanceof SystemError) || error.code !== "ENOTEMPTY") throw error;
    throw new VolumeError("failedPrecondition", `${path} is not a mount and is not empty; look at it and remove it`, {
      cause: error,
    });
  });
}
