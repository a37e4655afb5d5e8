import type { BigIntStats } from "node:fs";
import { SystemError, showPath } from "../errors.ts";
import { Descriptor } from "./descriptor.ts";
import { hasCode } from "./error-code.ts";
import { formatKubeletPath } from "./kubelet-path.ts";
import type { KubeletPath } from "./kubelet-path.ts";
import { LOOK_UP, openat } from "./system-calls.ts";

/**
 * A walk to a path below the kubelet directory that no symlink can lead astray. A pod can put symlinks into its
 * volumes and swap them at any time, so each component is looked up by itself, from the directory before it
 * (CVE-2017-1002101, CVE-2021-25741).
 */

/** Opens the directory that holds the last component. @throws SystemError ENOENT, ENOTDIR, ELOOP */
export function openParent(path: KubeletPath): Descriptor {
  let directory = new Descriptor(openat(undefined, path.root, LOOK_UP));
  for (const name of path.components.slice(0, -1)) {
    using parent = directory;
    directory = openDirectory(parent, name, path);
  }
  return directory;
}

/** Opens the last component itself, whatever it is: of a symlink, the symlink. @throws SystemError ENOENT */
export function openNode(parent: Descriptor, path: KubeletPath): Descriptor {
  const name = lastComponent(path);
  return new Descriptor(explaining(path, "does not exist", () => openat(parent.number, name, LOOK_UP)));
}

/** Opens the last component. @throws SystemError ELOOP when it is a symlink, ENOENT */
export function openEntry(parent: Descriptor, path: KubeletPath): Descriptor {
  const entry = openNode(parent, path);
  return keepIf(entry, () => refuseSymlink(entry.status(), path));
}

/** Opens all of a path at once. @throws SystemError ENOENT, ENOTDIR, ELOOP */
export function openPath(path: KubeletPath): Descriptor {
  using parent = openParent(path);
  return openEntry(parent, path);
}

/** Opens a path at which that mount, and no other above or below it, must be. @throws SystemError ESTALE */
export function openMounted(path: KubeletPath, mountId: number): Descriptor {
  const root = openPath(path);
  return keepIf(root, () => {
    const found = root.mountId();
    if (found !== mountId) {
      throw new SystemError("ESTALE", `${formatKubeletPath(path)} is in mount ${found}, not in mount ${mountId}`);
    }
  });
}

/** Does a step at the path. The kernel's errors name one component at most; these give all of the path. */
export function explaining<Result>(path: KubeletPath, whenMissing: string, step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    if (hasCode(error, ["ENOENT"])) {
      throw new SystemError("ENOENT", `${formatKubeletPath(path)}: ${whenMissing}`, { cause: error });
    }
    if (hasCode(error, ["ENAMETOOLONG"])) {
      throw new SystemError("ENAMETOOLONG", `${formatKubeletPath(path)}: a name in it is too long`, { cause: error });
    }
    throw error;
  }
}

export function lastComponent(path: KubeletPath): string {
  const name = path.components.at(-1);
  if (name === undefined) {
    throw new SystemError("EXDEV", `${path.root} is the kubelet directory itself`);
  }
  return name;
}

function openDirectory(parent: Descriptor, name: string, path: KubeletPath): Descriptor {
  const number = explaining(path, "its parent directory does not exist", () => openat(parent.number, name, LOOK_UP));
  const directory = new Descriptor(number);
  return keepIf(directory, () => {
    const status = directory.status();
    refuseSymlink(status, path);
    if (!status.isDirectory()) {
      throw new SystemError("ENOTDIR", `${formatKubeletPath(path)}: ${showPath(name)} is not a directory`);
    }
  });
}

function refuseSymlink(status: BigIntStats, path: KubeletPath): void {
  if (status.isSymbolicLink()) {
    throw new SystemError("ELOOP", `${formatKubeletPath(path)} leads over a symbolic link`);
  }
}

/** Gives the descriptor on, or closes it if the check throws. */
function keepIf(descriptor: Descriptor, check: () => void): Descriptor {
  try {
    check();
    return descriptor;
  } catch (error) {
    descriptor[Symbol.dispose]();
    throw error;
  }
}
