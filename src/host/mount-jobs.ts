import { constants, openSync } from "node:fs";
import { SystemError } from "../errors.ts";
import { openDevice, verifyDevice } from "./block-io.ts";
import { Descriptor } from "./descriptor.ts";
import { nodePath } from "./device-node.ts";
import type { BindMount, BlockDevice, MountFlag } from "./host.ts";
import { formatKubeletPath } from "./kubelet-path.ts";
import type { KubeletPath } from "./kubelet-path.ts";
import { MS_BIND, MS_REMOUNT, mountAttributes, mountFlagBits } from "./mount-flags.ts";
import { lastComponent, openEntry, openMounted, openParent, openPath } from "./path-walk.ts";
import { hasCode } from "./error-code.ts";
import {
  LOOK_UP,
  attachMount,
  cloneMount,
  mount,
  openat,
  setMountAttributes,
  syncfs,
  unmount,
} from "./system-calls.ts";

/**
 * Mounting by descriptor: the target is the descriptor of a walk that followed no symlink, given to the kernel as
 * /proc/self/fd/N, so nobody can swap the path between the walk and the call.
 */

/** A question about the path in another thread looks like a user of the mount while it lasts, which is not long. */
const UNMOUNT_ATTEMPTS = 4;
const PAUSE_MILLISECONDS = 10;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

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
  readonly flags: BindMount["flags"];
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
export function bindMount(input: BindMountInput): void {
  using source = openSource(input.source);
  using parent = openParent(input.target);
  if (input.flags.length > 0 && attachClone(input, source, parent)) {
    return;
  }
  const below = bindOnto(source, parent, input.target);
  if (input.flags.length > 0) {
    setFlagsOrUnmount(input, parent, below);
  }
}

export function remountBind(input: { target: KubeletPath; flags: readonly MountFlag[] }): void {
  using target = openPath(input.target);
  setFlags(target, input.flags);
}

/** The parent is reached by descriptor, the mount by name: while a descriptor of a mount is open, it is busy. */
export function unmountTarget(input: { target: KubeletPath }): void {
  using parent = openParent(input.target);
  const path = `${parent.path}/${lastComponent(input.target)}`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return unmount(path);
    } catch (error) {
      if (attempt === UNMOUNT_ATTEMPTS || !hasCode(error, ["EBUSY"])) {
        throw error;
      }
      Atomics.wait(PAUSE, 0, 0, PAUSE_MILLISECONDS);
    }
  }
}

export function syncFilesystem(input: { path: KubeletPath; mountId: number }): void {
  using root = openMounted(input.path, input.mountId);
  // syncfs(2) takes no descriptor that was only looked up.
  using directory = new Descriptor(openSync(root.path, constants.O_RDONLY | constants.O_DIRECTORY));
  syncfs(directory.number);
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
function attachClone(input: BindMountInput, source: Descriptor, parent: Descriptor): boolean {
  try {
    using target = openEntry(parent, input.target);
    using clone = new Descriptor(cloneMount(source.number));
    const { clear, set } = mountAttributes(input.flags);
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

/** Returns the id of the mount that the new one covers. */
function bindOnto(source: Descriptor, parent: Descriptor, path: KubeletPath): number {
  using target = openEntry(parent, path);
  mount({ source: source.path, target: target.path, type: null, flags: MS_BIND, data: null });
  return target.mountId();
}

function setFlagsOrUnmount(input: BindMountInput, parent: Descriptor, below: number): void {
  try {
    setFlagsOfNew(input, parent, below);
  } catch (error) {
    if (!hasCode(error, ["ESTALE"])) {
      unmount(`${parent.path}/${lastComponent(input.target)}`);
    }
    throw error;
  }
}

function setFlagsOfNew(input: BindMountInput, parent: Descriptor, below: number): void {
  using bound = openEntry(parent, input.target);
  if (bound.mountId() === below) {
    throw new SystemError("ESTALE", `${formatKubeletPath(input.target)} was unmounted as soon as it was mounted`);
  }
  setFlags(bound, input.flags);
}

function setFlags(target: Descriptor, flags: readonly MountFlag[]): void {
  mount({
    source: null,
    target: target.path,
    type: null,
    flags: MS_REMOUNT | MS_BIND | mountFlagBits(flags),
    data: null,
  });
}
