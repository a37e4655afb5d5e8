import { posix } from "node:path";
import { VolumeError, quote } from "../errors.ts";
import type { Context } from "./context.ts";

/**
 * Makes sure, by its text alone, that a path from a request lies below the kubelet directory. What really stands there
 * is looked at again, without following symlinks, whenever the path is used.
 * @throws VolumeError invalidArgument naming the field
 */
export function checkPath(context: Context, field: string, path: string): void {
  const { given, resolved } = context.host.mounts.kubeletDirectory;
  const problem =
    problemOf(path) ?? (isBelow(path, given) || isBelow(path, resolved) ? undefined : `is not below ${given}`);
  if (problem !== undefined) throw new VolumeError("invalidArgument", `${field} ${quote(path)} ${problem}`);
}

function problemOf(path: string): string | undefined {
  if (!path.startsWith("/")) return "is not an absolute path";
  // PATH_MAX of limits.h, its end mark included.
  if (Buffer.byteLength(path) > 4095) return "is longer than 4095 bytes";
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return "has control characters";
  if (path.split("/").includes("..")) return 'has a ".." in it';
  if (posix.normalize(path) !== path || path.endsWith("/")) return "is not in its shortest form";
  return undefined;
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}
