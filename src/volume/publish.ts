import { VolumeError, showPath } from "../errors.ts";
import { bindFlags } from "../filesystem/mount-options.ts";
import type { BindMount, BlockDevice, MountEntry, MountFlag } from "../host/host.ts";
import { type Access, assertUsable } from "./access.ts";
import { type Context, findVolume, requireOwnId } from "./context.ts";
import { activeDevice } from "./device.ts";
import { describeMount, isNodeMount, mountsAround, resolvedPath } from "./mounted.ts";
import { findStaged } from "./stage.ts";

/** A checked NodePublishVolume. */
export interface PublishRequest {
  readonly id: string;
  readonly stagingPath: string;
  readonly targetPath: string;
  readonly access: Access;
  readonly readOnly: boolean;
  readonly deadline: number | undefined;
}

/**
 * Shows a staged volume at a pod's target path: a bind mount of the staged filesystem, or of the device's node. The
 * target is made here, since the kubelet makes only its parent.
 * @throws VolumeError notFound; failedPrecondition when it is not staged, when another pod has it alone
 * (ReadWriteOncePod), or when something else is at the target; alreadyExists when it is published there otherwise.
 */
export async function publishVolume(context: Context, request: PublishRequest): Promise<void> {
  const { deadline, ...asked } = request;
  const id = requireOwnId(context, request.id);
  await context.operations.run({
    key: id.logicalVolume,
    request: `publish ${JSON.stringify(asked)}`,
    deadline,
    work: () => publish(context, request),
  });
}

async function publish(context: Context, request: PublishRequest): Promise<void> {
  const { access, targetPath } = request;
  const volume = await findVolume(context, request.id);
  assertUsable(volume, access);
  const device = await activeDevice(context, volume.group, volume.logicalVolume);
  const staged = access.kind === "block" ? undefined : await stagedMount(context, device, request);
  const bind: BindMount = {
    // Named with its mount, so that nothing else can be bound if it is swapped meanwhile.
    source: staged === undefined ? { device } : { path: request.stagingPath, mountId: staged.id },
    target: targetPath,
    flags: publishFlags(request, staged),
  };
  const { own, top: published, topIsOwn } = await mountsAround(context, device, targetPath);
  if (published !== undefined && isKept(published, topIsOwn, bind)) return;
  if (access.mode === "single") assertAlone(context, own, request);
  if (published !== undefined) await context.host.mounts.unmount(targetPath);
  await bindToTarget(context, device, bind);
}

async function stagedMount(context: Context, device: BlockDevice, request: PublishRequest): Promise<MountEntry> {
  const staged = await findStaged(context, device, request.stagingPath);
  if (staged !== undefined) return staged;
  const path = showPath(request.stagingPath);
  throw new VolumeError("failedPrecondition", `the volume is not staged at ${path}; stage it first`);
}

/** What is staged read-only is published so, whatever is asked: the repeated call has to find what the first one made. */
function publishFlags({ access, readOnly }: PublishRequest, staged: MountEntry | undefined): readonly MountFlag[] {
  const flags = access.kind === "mount" ? bindFlags(access.mountFlags) : [];
  const isAsked = readOnly || access.mode === "readOnly" || flags.includes("ro");
  const isReadOnly = isAsked || staged?.options.includes("ro") === true;
  return isReadOnly ? [...flags.filter((flag) => flag !== "ro"), "ro"] : flags;
}

/**
 * Whether a repeated call finds its mount. One that lacks the read-only flag was left by a run that ended between the
 * two steps of a read-only bind: it is made anew, since a flag that is set later does not reach the mount's copies in
 * other namespaces.
 */
function isKept(published: MountEntry, isOwn: boolean, { target, flags }: BindMount): boolean {
  const path = showPath(target);
  if (!isOwn) {
    const what = describeMount(published);
    throw new VolumeError("failedPrecondition", `${path} is the mount of something else (${what}); unmount that first`);
  }
  const isReadOnly = published.options.includes("ro");
  if (isReadOnly && !flags.includes("ro")) {
    throw new VolumeError("alreadyExists", `the volume is published read-only at ${path}; unpublish it first`);
  }
  return isReadOnly === flags.includes("ro");
}

/** ReadWriteOncePod: no other pod of this node may have the volume, whoever remembers it or not. */
function assertAlone(context: Context, own: readonly MountEntry[], request: PublishRequest): void {
  const ownPaths = new Set([request.stagingPath, request.targetPath].map((path) => resolvedPath(context, path)));
  const pod = request.targetPath.split("/").at(-1);
  const other = own.find((entry) => {
    // The kubelet's own second mount of a raw block volume: .../volumeDevices/<volume>/dev/<pod>.
    const isKubeletMap = isNodeMount(entry) && entry.target.endsWith(`/dev/${pod}`);
    const isWhole = isNodeMount(entry) || entry.root === "/";
    return !ownPaths.has(entry.target) && isWhole && !isKubeletMap;
  });
  if (other === undefined) return;
  throw new VolumeError(
    "failedPrecondition",
    `the volume may be used by one pod alone and is published at ${showPath(other.target)} already`,
  );
}

async function bindToTarget(context: Context, device: BlockDevice, bind: BindMount): Promise<void> {
  const { mounts } = context.host;
  const { kind } = await mounts.status(bind.target);
  try {
    if ("device" in bind.source) await mounts.makeFile(bind.target);
    else await mounts.makeDirectory(bind.target);
    await mounts.bind(bind);
  } catch (error) {
    // The kubelet takes most errors for "nothing is mounted" and would find our directory in its way.
    if (kind === "absent") await mounts.remove(bind.target).catch(() => undefined);
    throw error;
  }
  if ((await mountsAround(context, device, bind.target)).topIsOwn) return;
  throw new VolumeError("unavailable", `${showPath(bind.target)} was unmounted as it was mounted; try again`);
}
