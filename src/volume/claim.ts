import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { NodeConfig } from "../config.ts";
import { SystemError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Log } from "../log.ts";

/** A driver that was told to end may still have to finish a step. */
const patienceMs = 15_000;
const retryEveryMs = 250;

/**
 * Makes this process the only driver of its volume groups on the machine, for as long as it lives: what one looks at and
 * then acts upon, a second one could have changed between. The locks lie with LVM's own, which every container that
 * has the node's volume groups shares.
 * @throws Error when another process has one of the groups and does not end
 */
export async function claimGroups(
  host: Pick<Host, "holdLock">,
  config: Pick<NodeConfig, "lockDirectory" | "volumeGroups">,
  log: Pick<Log, "info">,
): Promise<void> {
  for (const name of config.volumeGroups) {
    await claim(host, { name, path: join(config.lockDirectory, `lvm-local-csi.${name}`) }, log);
  }
}

async function claim(
  host: Pick<Host, "holdLock">,
  { name, path }: { readonly name: string; readonly path: string },
  log: Pick<Log, "info">,
): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!(await isHeld(host, path))) {
    if (performance.now() > end) {
      throw new Error(`another driver process has volume group ${name} (it holds the lock ${path}); end it first`);
    }
    log.info({ volumeGroup: name, path }, "waiting for another driver process to end");
    await setTimeout(retryEveryMs);
  }
}

async function isHeld(host: Pick<Host, "holdLock">, path: string): Promise<boolean> {
  try {
    await host.holdLock(path);
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === "EBUSY") return false;
    throw error;
  }
}
