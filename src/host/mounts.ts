import type { BindMount, Mounts } from "./host.ts";
import { parseKubeletPath } from "./kubelet-path.ts";
import type { KubeletDirectory, KubeletPath } from "./kubelet-path.ts";
import type { BindSource } from "./mount-jobs.ts";
import { forgetMountTable, readMountTable } from "./mount-table.ts";
import { namesIn, readAttribute } from "./sysfs.ts";
import type { RunJob } from "./worker-pool.ts";

const BTRFS = "/sys/fs/btrfs";
const EXT4 = "/sys/fs/ext4";

export interface MountsOptions {
  readonly runJob: RunJob;
  readonly kubeletDirectory: KubeletDirectory;
  /** The driver's own directory. */
  readonly directory: () => string;
}

/** Paths are taken apart here; whatever looks one up is a job for the worker threads. */
export function createMounts({ runJob, kubeletDirectory, directory }: MountsOptions): Mounts {
  const parse = (path: string): KubeletPath => parseKubeletPath(kubeletDirectory, path);
  const parseSource = (source: BindMount["source"]): BindSource =>
    "path" in source ? { path: parse(source.path), mountId: source.mountId } : source;
  return {
    kubeletDirectory,
    table: async (ageMs) => readMountTable(ageMs),
    status: async (path) => runJob("path", path, "pathStatus", { path: parse(path) }),
    makeDirectory: async (path) => runJob("path", path, "makeDirectory", { path: parse(path) }),
    makeFile: async (path) => runJob("path", path, "makeFile", { path: parse(path) }),
    remove: async (path) => runJob("path", path, "removePath", { path: parse(path) }),
    usage: async (path, mountId) => runJob("path", path, "filesystemUsage", { path: parse(path), mountId }),
    mount: async (mount) => {
      const input = { ...mount, target: parse(mount.target) };
      return runJob("mount", mount.target, "mountFilesystem", input).finally(forgetMountTable);
    },
    bind: async ({ source, target, flags }) => {
      const input = { source: parseSource(source), target: parse(target), flags, directory: directory() };
      return runJob("mount", target, "bindMount", input).finally(forgetMountTable);
    },
    unmount: async (path) => runJob("mount", path, "unmountTarget", { target: parse(path) }).finally(forgetMountTable),
    growExt4: async (path, mountId, blocks) => runJob("grow", path, "growExt4", { path: parse(path), mountId, blocks }),
    sync: async (path, mountId) => runJob("grow", path, "syncFilesystem", { path: parse(path), mountId }),
    btrfsDevices: async () => btrfsDevices(),
    ext4Errors: async (device) => Number(readAttribute(`${EXT4}/${device.name}/errors_count`) ?? 0),
  };
}

/** The directory is missing while the kernel has not loaded btrfs; beside the filesystems it has `features`. */
function btrfsDevices(): readonly string[] {
  return namesIn(BTRFS).flatMap((filesystem) => namesIn(`${BTRFS}/${filesystem}/devices`));
}
