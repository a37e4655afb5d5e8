import { SystemError, VolumeError, quote, showPath } from "../errors.ts";
import { mappingName } from "../lvm/mapping-name.ts";
import type { Context } from "./context.ts";
import { parseVolumeId } from "./id.ts";
import { describeMount, mountsAt, ownershipOf } from "./mounted.ts";

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
  await unmountOnce(context, "unstage", request, async () => {
    await unmountAll(context, request);
    await assertNoSymlink(context, request.path);
  });
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
  const shown = showPath(path);
  if (entries.length > mostMounts) throw new VolumeError("failedPrecondition", `${shown} has ${entries.length} mounts`);
  for (const entry of entries) {
    if ((await ownershipOf(context, entry, name)) === "foreign") {
      const what = `something else than ${quote(id)}: ${describeMount(entry)}`;
      throw new VolumeError("failedPrecondition", `${shown} is the mount of ${what}`);
    }
  }
  for (const _ of entries) await unmount(context, path);
}

async function unmount(context: Context, path: string): Promise<void> {
  await context.host.mounts.unmount(path).catch((error: unknown) => {
    if (!(error instanceof SystemError) || error.code !== "EBUSY") throw error;
    const reason = "is in use by a process; it is unmounted when that has ended";
    throw new VolumeError("failedPrecondition", `${showPath(path)} ${reason}`, { cause: error });
  });
}

/** The mounts of a path that leads elsewhere were not looked for: "nothing is there" would be a guess. */
async function assertNoSymlink(context: Context, path: string): Promise<void> {
  const { kind } = await context.host.mounts.status(path);
  if (kind === "symlink") throw new VolumeError("invalidArgument", `${showPath(path)} is a symbolic link`);
}

async function removeTarget(context: Context, path: string): Promise<void> {
  await context.host.mounts.remove(path).catch((error: unknown) => {
    if (!(error instanceof SystemError) || error.code !== "ENOTEMPTY") throw error;
    const reason = "is not a mount and is not empty; look at it and remove it";
    throw new VolumeError("failedPrecondition", `${showPath(path)} ${reason}`, { cause: error });
  });
}
