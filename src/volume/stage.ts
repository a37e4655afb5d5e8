import { SystemError, VolumeError, quote, showPath } from "../errors.ts";
import { type ParsedMountOptions, parseMountOptions } from "../filesystem/mount-options.ts";
import { needsGrowth } from "../filesystem/grow.ts";
import type { FilesystemName } from "../filesystem/names.ts";
import type { Contents } from "../filesystem/probe.ts";
import type { BlockDevice, MountEntry } from "../host/host.ts";
import { type Access, assertUsable } from "./access.ts";
import { type Context, findVolume, requireOwnId } from "./context.ts";
import { activeDevice } from "./device.ts";
import { inspect, prepareFilesystem } from "./format.ts";
import { growFilesystem } from "./grow.ts";
import { describeMount, mountsAround } from "./mounted.ts";
import type { Work } from "./operations.ts";

/** A checked NodeStageVolume. */
export interface StageRequest {
  readonly id: string;
  readonly stagingPath: string;
  readonly access: Access;
  readonly deadline: number | undefined;
}

/**
 * Makes a volume usable on this node: active, and as a filesystem also made (once in its life), checked where its
 * superblock asks for that, mounted at the staging path and as large as its device. Raw block needs no more than its
 * device.
 * @throws VolumeError notFound; aborted; failedPrecondition for contents that are not what the volume's record says,
 * which are never overwritten; alreadyExists when it is staged otherwise. LvmError, SystemError
 */
export async function stageVolume(context: Context, request: StageRequest): Promise<void> {
  const { deadline, ...asked } = request;
  const id = requireOwnId(context, request.id);
  await context.operations.run({
    key: id.logicalVolume,
    request: `stage ${JSON.stringify(asked)}`,
    deadline,
    work: (work) => stage(context, request, work),
  });
}

async function stage(context: Context, request: StageRequest, work: Work): Promise<void> {
  const { access, stagingPath } = request;
  const volume = await findVolume(context, request.id);
  assertUsable(volume, access);
  const { filesystem, state } = volume.record;
  const options = access.kind === "mount" && filesystem ? stageOptions(filesystem, access) : undefined;
  const device = await activeDevice(context, volume.group, volume.logicalVolume);
  // what the pod writes must not outlast the metadata that says that it is there
  if (options === undefined || state === "formatted") await volume.group.makeDurable();
  if (options === undefined || filesystem === undefined) return;

  const staged = await findStaged(context, device, stagingPath);
  const growing = { context, filesystem, device, stagingPath, isReadOnly: options.flags.includes("ro") };
  if (staged !== undefined) {
    assertSameMount(staged, options);
    await inspect(context, device)
      .then((contents) => growMounted(growing, contents))
      .catch(asPending);
    return;
  }
  const mounted = { ...volume, record: { ...volume.record, filesystem } };
  const contents = await prepareFilesystem(context, mounted, device, work);
  await mount(context, { device, type: filesystem, ...options, target: stagingPath });
  await growMounted(growing, contents).catch(async (error: unknown) => {
    await context.host.mounts.unmount(stagingPath);
    throw error;
  });
}

interface Growing {
  readonly context: Context;
  readonly filesystem: FilesystemName;
  readonly device: BlockDevice;
  readonly stagingPath: string;
  readonly isReadOnly: boolean;
}

async function growMounted(growing: Growing, contents: Contents): Promise<void> {
  const { context, filesystem, device, stagingPath, isReadOnly } = growing;
  if (isReadOnly || !needsGrowth(contents, device.sizeBytes)) return;
  await growFilesystem(context, filesystem, device, stagingPath);
}

/**
 * The kubelet takes most codes for "nothing is mounted", and would never unstage. What this call has mounted is
 * unmounted before it fails; what an earlier call has mounted stays, and the call is repeated.
 */
function asPending(error: unknown): never {
  const why = error instanceof Error ? error.message : String(error);
  throw new VolumeError("unavailable", `the volume is staged, but could not be looked at or grown: ${why}`, {
    cause: error,
  });
}

interface StageOptions extends ParsedMountOptions {
  /** What the caller sent, if anything of it is in `data`; else "". */
  readonly callersOptions: string;
}

/** ext4 goes on after an error by default; a database is better served by a filesystem that then stops writing. */
function stageOptions(filesystem: FilesystemName, access: Access & { kind: "mount" }): StageOptions {
  const { flags, data } = parseMountOptions(filesystem, access.mountFlags);
  const isCallers = data !== parseMountOptions(filesystem, []).data;
  const callersOptions = isCallers ? access.mountFlags.join(",") : "";
  if (filesystem !== "ext4" || /(^|,)errors=/.test(data)) return { flags, data, callersOptions };
  return { flags, data: [data, "errors=remount-ro"].filter((text) => text !== "").join(","), callersOptions };
}

/**
 * The mount of the volume at its staging path; undefined if nothing is mounted there.
 * @throws VolumeError failedPrecondition when something else is mounted there.
 */
export async function findStaged(
  context: Context,
  device: BlockDevice,
  stagingPath: string,
): Promise<MountEntry | undefined> {
  const { top, topIsOwn } = await mountsAround(context, device, stagingPath);
  if (top === undefined || topIsOwn) return top;
  throw new VolumeError(
    "failedPrecondition",
    `${showPath(stagingPath)} is the mount of something else (${describeMount(top)}); unmount that first`,
  );
}

function assertSameMount(staged: MountEntry, options: ParsedMountOptions): void {
  const isReadOnly = staged.options.includes("ro");
  if (isReadOnly === options.flags.includes("ro")) return;
  const is = isReadOnly ? "read-only" : "writable";
  throw new VolumeError("alreadyExists", `the volume is staged ${is} at ${showPath(staged.target)}; unstage it first`);
}

async function mount(
  context: Context,
  filesystem: StageOptions & { readonly device: BlockDevice; readonly type: string; readonly target: string },
): Promise<void> {
  await context.host.mounts.makeDirectory(filesystem.target);
  await context.host.mounts.mount(filesystem).catch((error: unknown) => {
    throw error instanceof SystemError ? mountError(error, filesystem) : error;
  });
  const mounted = await findStaged(context, filesystem.device, filesystem.target);
  if (mounted === undefined) {
    const path = showPath(filesystem.target);
    throw new VolumeError("unavailable", `${path} was unmounted as it was mounted; try again`);
  }
}

/** Which options a kernel takes together, and with which filesystem, the driver's lists do not know. */
function mountError(cause: SystemError, { type, callersOptions }: { type: string; callersOptions: string }): Error {
  if (cause.code === "EBUSY") {
    const reason = "the device is in use, by a program of an earlier run or mounted with other options";
    return new VolumeError("aborted", `${reason}; try again when that has ended`, { cause });
  }
  if (cause.code !== "EINVAL" || callersOptions === "") return cause;
  const reason = `the kernel refuses to mount the ${type} filesystem with mount options ${quote(callersOptions)}`;
  return new VolumeError("invalidArgument", `${reason}; its log says why (dmesg)`, { cause });
}
