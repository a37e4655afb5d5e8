import { closeSync } from "node:fs";
import { join } from "node:path";
import { SystemError } from "../errors.ts";
import type { BlockDevice } from "./host.ts";
import { hasCode } from "./error-code.ts";
import type { RunJob } from "./worker-pool.ts";

/** A device that only one program may work on. */
export interface DeviceLock {
  /**
   * The number of its descriptor, for the program to inherit: the lock lasts until the program has ended and `release`
   * was called or this process has ended too.
   */
  readonly fd: number;
  release(): Promise<void>;
}

/** @throws SystemError EBUSY when a program that has the lock is still at work */
export async function lockDevice(runJob: RunJob, directory: string, device: BlockDevice): Promise<DeviceLock> {
  const path = join(directory, lockName(device));
  try {
    const fd = await runJob("device", path, "lockPath", { path });
    return { fd, release: () => release(runJob, path, fd) };
  } catch (error) {
    if (hasCode(error, ["EBUSY"])) {
      throw new SystemError("EBUSY", `an earlier program is still at work on ${device.name}`, { cause: error });
    }
    throw error;
  }
}

async function release(runJob: RunJob, path: string, fd: number): Promise<void> {
  closeSync(fd);
  // The program has done its work: a lock file that stays, and that the next run removes, is no reason to say otherwise.
  await runJob("device", path, "removeLock", { path }).catch(() => {});
}

/** A device is known by its device-mapper uuid, since numbers are given out again. */
function lockName(device: BlockDevice): string {
  const identity = device.mapping?.uuid ?? device.number;
  if (!/^[A-Za-z0-9:+._-]{1,200}$/.test(identity)) {
    throw new SystemError("EINVAL", `${device.name} has an identity that cannot be a file's name`);
  }
  return `device-${identity}.lock`;
}
