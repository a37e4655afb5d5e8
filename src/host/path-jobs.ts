import type { BigIntStats } from "node:fs";
import { closeSync, opendirSync, statfsSync } from "node:fs";
import { SystemError } from "../errors.ts";
import type { Descriptor } from "./descriptor.ts";
import { formatDeviceNumber } from "./device-number.ts";
import type { FilesystemUsage, PathKind, PathStatus } from "./host.ts";
import { formatKubeletPath } from "./kubelet-path.ts";
import type { KubeletPath } from "./kubelet-path.ts";
import { explaining, lastComponent, openEntry, openMounted, openNode, openParent } from "./path-walk.ts";
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
  const name = lastComponent(input.path);
  unlessThere(parent, input.path, "directory", () => mkdirat(parent.number, name, DIRECTORY_MODE));
}

export function makeFile(input: { path: KubeletPath }): void {
  using parent = openParent(input.path);
  const name = lastComponent(input.path);
  unlessThere(parent, input.path, "file", () => closeSync(openat(parent.number, name, CREATE_FILE, FILE_MODE)));
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

/** Makes the last component unless what is wanted stands there already, empty; never replaces anything. */
function unlessThere(parent: Descriptor, path: KubeletPath, wanted: PathKind, make: () => void): void {
  try {
    explaining(path, "its parent directory does not exist", make);
  } catch (error) {
    if (!hasCode(error, ["EEXIST"])) {
      throw error;
    }
    requireEmpty(parent, path, wanted);
  }
}

/** A mount hides what it is mounted on: that must be what was wanted, with nothing in it. */
function requireEmpty(parent: Descriptor, path: KubeletPath, wanted: PathKind): void {
  using entry = openEntry(parent, path);
  const status = entry.status();
  const kind = kindOf(status);
  if (kind !== wanted) {
    throw new SystemError("EEXIST", `${formatKubeletPath(path)} is there and is not a ${wanted} (${kind})`);
  }
  const isEmpty = kind === "directory" ? isEmptyDirectory(entry) : status.size === 0n;
  if (!isEmpty) {
    throw new SystemError("ENOTEMPTY", `${formatKubeletPath(path)} is not empty; look at it and remove what is in it`);
  }
}

function isEmptyDirectory(entry: Descriptor): boolean {
  const directory = opendirSync(entry.path);
  try {
    return directory.readSync() === null;
  } finally {
    directory.closeSync();
  }
}

function statusOf(parent: Descriptor, path: KubeletPath): BigIntStats {
  using entry = openEntry(parent, path);
  return entry.status();
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
