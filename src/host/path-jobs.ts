import type { BigIntStats } from "node:fs";
import { closeSync, statfsSync } from "node:fs";
import { SystemError } from "../errors.ts";
import type { Descriptor } from "./descriptor.ts";
import { formatDeviceNumber } from "./device-number.ts";
import type { FilesystemUsage, PathKind, PathStatus } from "./host.ts";
import { formatKubeletPath } from "./kubelet-path.ts";
import type { KubeletPath } from "./kubelet-path.ts";
import { lastComponent, openMounted, openNode, openParent } from "./path-walk.ts";
import { hasCode } from "./error-code.ts";
import { CREATE_FILE, mkdirat, openat, rmdirat, unlinkat } from "./system-calls.ts";

/** As the kubelet makes its own: the group may look, others may not. */
const DIRECTORY_MODE = 0o750;
const FILE_MODE = 0o640;

const ABSENT: PathStatus = { kind: "absent", deviceNumber: undefined, mountId: undefined };
const CORRUPTED: PathStatus = { kind: "other", deviceNumber: undefined, mountId: undefined };

export function pathStatus(input: { path: KubeletPath }): PathStatus {
  try {
    using parent = openParent(input.path);
    using node = openNode(parent, input.path);
    const status = node.status();
    const kind = kindOf(status);
    const deviceNumber = kind === "blockDevice" ? formatDeviceNumber(status.rdev) : undefined;
    return { kind, deviceNumber, mountId: node.mountId() };
  } catch (error) {
    if (hasCode(error, ["ENOENT"])) {
      return ABSENT;
    }
    if (hasCode(error, ["EIO", "ENOTCONN", "ESTALE"])) {
      return CORRUPTED;
    }
    throw error;
  }
}

export function makeDirectory(input: { path: KubeletPath }): void {
  using parent = openParent(input.path);
  unlessThere(input.path, "directory", () => mkdirat(parent.number, lastComponent(input.path), DIRECTORY_MODE));
}

export function makeFile(input: { path: KubeletPath }): void {
  using parent = openParent(input.path);
  unlessThere(input.path, "file", () => {
    closeSync(openat(parent.number, lastComponent(input.path), CREATE_FILE, FILE_MODE));
  });
}

export function removePath(input: { path: KubeletPath }): void {
  try {
    using parent = openParent(input.path);
    const name = lastComponent(input.path);
    if (checkRemovable(statusOf(parent, input.path), input.path) === "directory") {
      rmdirat(parent.number, name);
    } else {
      unlinkat(parent.number, name);
    }
  } catch (error) {
    if (!hasCode(error, ["ENOENT"])) {
      throw error;
    }
  }
}

export function filesystemUsage(input: { path: KubeletPath; mountId: number }): FilesystemUsage {
  using root = openMounted(input.path, input.mountId);
  const { bsize, blocks, bavail, bfree, files, ffree } = statfsSync(root.path);
  return {
    totalBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    usedBytes: (blocks - bfree) * bsize,
    totalInodes: files,
    availableInodes: ffree,
    usedInodes: files - ffree,
  };
}

/** Makes the last component unless what is wanted stands there already; never replaces anything. */
function unlessThere(path: KubeletPath, wanted: PathKind, make: () => void): void {
  try {
    make();
  } catch (error) {
    if (!hasCode(error, ["EEXIST"]) || pathStatus({ path }).kind !== wanted) {
      throw error;
    }
  }
}

function statusOf(parent: Descriptor, path: KubeletPath): BigIntStats {
  using node = openNode(parent, path);
  return node.status();
}

/** An empty directory is told from a full one by rmdir(2), a mount from none by EBUSY of either call. */
function checkRemovable(status: BigIntStats, path: KubeletPath): PathKind {
  const kind = kindOf(status);
  if (kind === "directory" || (kind === "file" && status.size === 0n)) {
    return kind;
  }
  throw new SystemError("ENOTEMPTY", `${formatKubeletPath(path)} is neither a directory nor an empty file (${kind})`);
}

function kindOf(status: BigIntStats): PathKind {
  if (status.isDirectory()) {
    return "directory";
  }
  if (status.isFile()) {
    return "file";
  }
  if (status.isBlockDevice()) {
    return "blockDevice";
  }
  return status.isSymbolicLink() ? "symlink" : "other";
}
