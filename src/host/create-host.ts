import { closeSync, openSync, readdirSync } from "node:fs";
import { mkdir, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { SystemError } from "../errors.ts";
import { hasCode } from "./error-code.ts";
import type { Log } from "../log.ts";
import { createDevices } from "./devices.ts";
import type { Host } from "./host.ts";
import type { KubeletDirectory } from "./kubelet-path.ts";
import { createLvmLauncher } from "./lvm-launcher.ts";
import { createMounts } from "./mounts.ts";
import { createPrograms, missingPrograms } from "./programs.ts";
import { stateDirectory } from "./state-directory.ts";
import { createWorkerPool } from "./worker-pool.ts";
import type { RunJob } from "./worker-pool.ts";

export interface HostOptions {
  /** Absolute. It may be a symlink: it is resolved once, here. */
  readonly kubeletDirectory: string;
  readonly log?: Pick<Log, "warn">;
  /** What the driver has on this machine for itself; default: `stateDirectory`. */
  readonly directory?: () => string;
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
export async function createHost(options: HostOptions): Promise<OpenHost> {
  const { log = SILENT, directory = stateDirectory } = options;
  const kubeletDirectory = await resolveKubeletDirectory(options.kubeletDirectory);
  const pool = createWorkerPool();
  await removeLeftovers(pool.runJob, directory(), log);
  return {
    host: {
      devices: createDevices(pool.runJob),
      mounts: createMounts({ runJob: pool.runJob, kubeletDirectory, directory }),
      programs: createPrograms(pool.runJob, directory),
      lvm: createLvmLauncher({ runJob: pool.runJob, directory, log }),
      holdLock: async (path) => {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await pool.runJob("path", path, "lockPath", { path });
      },
      hasDeviceMapper,
      missingPrograms,
    },
    close: () => pool.close(),
  };
}

/** Systems make the node at boot; only opening it tells whether there is a device-mapper behind it. */
function hasDeviceMapper(): boolean {
  try {
    closeSync(openSync("/dev/mapper/control", "r+"));
    return true;
  } catch {
    return false;
  }
}

/** What an earlier run left that was killed. Nothing is the worse for it if that fails. */
async function removeLeftovers(runJob: RunJob, directory: string, log: Pick<Log, "warn">): Promise<void> {
  if (readdirSync(directory).length === 0) {
    return;
  }
  const left = await runJob("path", directory, "sweepStateDirectory", { directory });
  if (left.length > 0) {
    log.warn({ directory, left }, "leftovers of an earlier run cannot be removed");
  }
}

async function resolveKubeletDirectory(given: string): Promise<KubeletDirectory> {
  const resolved = await realpath(given).catch((error: unknown) => {
    const absent = `the kubelet directory ${given} does not exist; make it, or see --kubelet-directory`;
    throw hasCode(error, ["ENOENT"]) ? new SystemError("ENOENT", absent, { cause: error }) : error;
  });
  if (!given.startsWith("/") || resolved === "/") {
    throw new SystemError("EINVAL", `${given} cannot be the kubelet directory`);
  }
  if (!(await stat(resolved)).isDirectory()) {
    throw new SystemError("ENOTDIR", `${given} is not a directory`);
  }
  return { given: plainPath(given), resolved };
}

/** The same path without what changes nothing: the kubelet's own paths have no trailing slash, for one. */
function plainPath(path: string): string {
  const components = path.split("/").filter((component) => component !== "" && component !== ".");
  return `/${components.join("/")}`;
}
