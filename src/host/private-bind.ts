import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Descriptor } from "./descriptor.ts";
import { ignoring } from "./error-code.ts";
import type { MountFlag } from "./host.ts";
import { MS_BIND, MS_PRIVATE, MS_REMOUNT, mountFlagBits } from "./mount-flags.ts";
import { removePrivateDirectory } from "./private-contents.ts";
import { makePrivateDirectory } from "./private-directory.ts";
import { mount, unmount } from "./system-calls.ts";
import { patiently } from "./patiently.ts";

/**
 * A bind mount with flags of its own before Linux 5.12, which can set them only on a mount that is attached. Flags that
 * are set where the mount is wanted stay in this namespace, and its copies in others, where the pods live, do without
 * (mount_namespaces(7)). So the flags are set at a place that has no copies, and the mount is made from there: it and
 * its copies take the flags over.
 */
export interface PrivateBind {
  readonly source: Descriptor;
  readonly target: Descriptor;
  readonly flags: readonly MountFlag[];
  /** The driver's own directory. */
  readonly parent: string;
}

export function bindThroughPrivateMount({ source, target, flags, parent }: PrivateBind): void {
  const { path, fd } = makePrivateDirectory({ parent, purpose: "bind" });
  using _lock = new Descriptor(fd);
  try {
    const place = makePlace(path, source.status().isDirectory());
    bind(source.path, place);
    change(place, MS_REMOUNT | MS_BIND | mountFlagBits(flags));
    bind(place, target.path);
  } finally {
    unmountPrivate(path);
    removePrivateDirectory(path, "bind");
  }
}

/** Takes away what is mounted in such a directory, also when a run was killed in the middle. */
export function unmountPrivate(path: string): void {
  for (const target of [placeIn(path), filesystemIn(path)]) {
    ignoring(["EINVAL", "ENOENT"], () => patiently(() => unmount(target)));
  }
}

/** Something of the source's kind, in a filesystem whose mounts are not copied to other namespaces. */
function makePlace(path: string, isDirectory: boolean): string {
  const filesystem = filesystemIn(path);
  mkdirSync(filesystem, { mode: 0o700 });
  mount({ source: "tmpfs", target: filesystem, type: "tmpfs", flags: 0, data: "size=64k,mode=700" });
  change(filesystem, MS_PRIVATE);
  const place = placeIn(path);
  if (isDirectory) mkdirSync(place);
  else writeFileSync(place, "");
  return place;
}

function filesystemIn(path: string): string {
  return join(path, "private");
}

function placeIn(path: string): string {
  return join(filesystemIn(path), "mount");
}

function bind(source: string, target: string): void {
  mount({ source, target, type: null, flags: MS_BIND, data: null });
}

function change(target: string, flags: number): void {
  mount({ source: null, target, type: null, flags, data: null });
}
