import { existsSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { SystemError } from "../errors.ts";
import type { Log } from "../log.ts";
import { createDevices } from "./devices.ts";
import type { Host } from "./host.ts";
import type { KubeletDirectory } from "./kubelet-path.ts";
import { createLvmLauncher } from "./lvm-launcher.ts";
import { createMounts } from "./mounts.ts";
import { createPrograms, missingPrograms } from "./programs.ts";
import { stateDirectory } from "./state-directory.ts";
import { createWorkerPool } from "./worker-pool.ts";

export interface HostOptions {
  /** Absolute. It may be a symlink: it is resolved once, here. */
  readonly kubeletDirectory: string;
  readonly log?: Pick<Log, "warn">;
}

export interface OpenHost {
  readonly host: Host;
  /**
   * Waits for the calls at work, refuses those that wait and ends the worker threads. Programs and `lvm` are not
   * touched. A call that hangs with its disk keeps this from ending, and the process too: nothing can interrupt it.
   */
  readonly close: () => Promise<void>;
}

const SILENT: Pick<Log, "warn"> = { warn: () => {} };

/** Opens the machine. @throws Error with the code ENOENT, ENOTDIR or EINVAL when that cannot be the kubelet directory. */
export async function createHost({ kubeletDirectory, log = SILENT }: HostOptions): Promise<OpenHost> {
  const directory = await resolveKubeletDirectory(kubeletDirectory);
  const pool = createWorkerPool();
  return {
    host: {
      devices: createDevices(pool.runJob),
      mounts: createMounts(pool.runJob, directory),
      programs: createPrograms(pool.runJob, stateDirectory),
      lvm: createLvmLauncher(log),
      hasDeviceMapper: () => existsSync("/dev/mapper/control"),
      missingPrograms,
    },
    close: () => pool.close(),
  };
}

async function resolveKubeletDirectory(given: string): Promise<KubeletDirectory> {
  const resolved = await realpath(given);
  if (!given.startsWith("/") || resolved === "/") {
    throw new SystemError("EINVAL", `${given} cannot be the kubelet directory`);
  }
  if (!(await stat(resolved)).isDirectory()) {
    throw new SystemError("ENOTDIR", `${given} is not a directory`);
  }
  return { given, resolved };
}
