import { constants, openSync, statfsSync } from "node:fs";
import { openDevice, verifyDevice } from "./block-io.ts";
import { Descriptor } from "./descriptor.ts";
import { nodePath } from "./device-node.ts";
import type { BlockDevice, MountFlag } from "./host.ts";
import type { KubeletPath } from "./kubelet-path.ts";
import { MS_BIND, mountAttributes, mountFlagBits } from "./mount-flags.ts";
import { lastComponent, openMounted, openParent, openPath } from "./path-walk.ts";
import { hasCode } from "./error-code.ts";
import { bindThroughPrivateMount } from "./private-bind.ts";
import {
  LOOK_UP,
  attachMount,
  cloneMount,
  mount,
  openat,
  resizeExt4,
  setMountAttributes,
  setSameLabel,
  syncfs,
  unmount,
} from "./system-calls.ts";
import { patiently } from "./patiently.ts";

/**
 * Mounting by descriptor: the target is the descriptor of a walk that followed no symlink, given to the kernel as
 * /proc/self/fd/N, so nobody can swap the path between the walk and the call.
 */

/** statfs(2). */
const XFS_MAGIC = 0x58465342;

export interface FilesystemMountInput {
  readonly device: BlockDevice;
  readonly type: string;
  readonly flags: readonly MountFlag[];
  readonly data: string;
  readonly target: KubeletPath;
}

export type BindSource = { readonly path: KubeletPath; readonly mountId: number } | { readonly device: BlockDevice };

export interface BindMountInput {
  readonly source: BindSource;
  readonly target: KubeletPath;
  readonly flags: readonly MountFlag[];
  /** The driver's own. */
  readonly directory: string;
}

export function mountFilesystem(input: FilesystemMountInput): void {
  // Held until the filesystem holds the device itself: an open device is not removed and its number not given to another.
  using _device = openDevice(input.device, constants.O_RDONLY);
  using target = openPath(input.target);
  mount({
    source: nodePath(input.device),
    target: target.path,
    type: input.type,
    flags: mountFlagBits(input.flags),
    data: input.data === "" ? null : input.data,
  });
}

/** Without flags the new mount has those of the mount it was made from (mount(2)). */
export function bindMount(input: BindMountInput, attach = attachClone): void {
  using source = openSource(input.source);
  using target = openPath(input.target);
  const { flags } = input;
  if (flags.length === 0) {
    mount({ source: source.path, target: target.path, type: null, flags: MS_BIND, data: null });
  } else if (!attach(source, target, flags)) {
    bindThroughPrivateMount({ source, target, flags, parent: input.directory });
  }
}

/** The parent is reached by descriptor, the mount by name: while a descriptor of a mount is open, it is busy. */
export function unmountTarget(input: { target: KubeletPath }): void {
  using parent = openParent(input.target);
  patiently(() => unmount(`${parent.path}/${lastComponent(input.target)}`));
}

export function growExt4(input: { path: KubeletPath; mountId: number; blocks: number }): void {
  using directory = openDirectory(input);
  resizeExt4(directory.number, input.blocks);
}

export function syncFilesystem(input: { path: KubeletPath; mountId: number }): void {
  using directory = openDirectory(input);
  // syncfs(2) leaves the superblock of xfs in the log alone. A log that makes the filesystem larger and then uses
  // what it grew by cannot be replayed (Linux commit a798011c8fd4): after a power cut nothing would mount it (EUCLEAN).
  // So the superblock comes first.
  if (statfsSync(directory.path).type === XFS_MAGIC) setSameLabel(directory.number);
  syncfs(directory.number);
}

/** The root of the mount, opened for what a descriptor that was only looked up cannot do: ioctl(2), syncfs(2). */
function openDirectory({ path, mountId }: { path: KubeletPath; mountId: number }): Descriptor {
  using root = openMounted(path, mountId);
  return new Descriptor(openSync(root.path, constants.O_RDONLY | constants.O_DIRECTORY));
}

function openSource(source: BindSource): Descriptor {
  if ("path" in source) {
    return openMounted(source.path, source.mountId);
  }
  const node = new Descriptor(openat(undefined, nodePath(source.device), LOOK_UP));
  try {
    verifyDevice(source.device, node);
    return node;
  } catch (error) {
    node[Symbol.dispose]();
    throw error;
  }
}

/**
 * Sets the flags before the mount is attached, so that the copies in other mount namespaces have them too: flags set
 * later stay in this one, and the pods live in the host's. False before Linux 5.12, which cannot do it.
 */
function attachClone(source: Descriptor, target: Descriptor, flags: readonly MountFlag[]): boolean {
  try {
    using clone = new Descriptor(cloneMount(source.number));
    const { clear, set } = mountAttributes(flags);
    setMountAttributes(clone.number, clear, set);
    attachMount(clone.number, target.number);
    return true;
  } catch (error) {
    if (hasCode(error, ["ENOSYS"])) {
      return false;
    }
    throw error;
  }
}
