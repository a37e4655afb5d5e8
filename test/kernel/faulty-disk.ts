import { type SmallDisk, dmsetup, makeSmallDisk } from "./device-support.ts";
import { exchangeTable } from "./device-tables.ts";

/**
 * What a disk can do to the driver:
 * - dead: every access fails;
 * - readable: every write fails;
 * - flapping: it is dead every other second;
 * - slow: every access takes half a second longer.
 */
export type Fault = "dead" | "readable" | "flapping" | "slow";

/** The targets of device-mapper that do so, with their arguments behind the device (kernel, dm-flakey and dm-delay). */
const targets: Readonly<Record<Fault, readonly [target: string, ...args: readonly string[]]>> = {
  dead: ["flakey", "0", "3600"],
  readable: ["flakey", "0", "3600", "1", "error_writes"],
  flapping: ["flakey", "1", "1"],
  slow: ["delay", "500"],
};

export interface FaultyDisk extends SmallDisk {
  /** From now on; accesses that wait are not lost. */
  readonly strike: (fault: Fault) => Promise<void>;
  readonly heal: () => Promise<void>;
}

/** Makes a small disk that can be given a fault, and be healed. */
export async function makeFaultyDisk(index: number, sizeBytes: number): Promise<FaultyDisk> {
  const disk = await makeSmallDisk(index, sizeBytes);
  const whole = (await dmsetup("table", disk.path)).trim();
  const [start = "", length = "", , device = "", offset = ""] = whole.split(" ");
  return {
    ...disk,
    strike: (fault) => {
      const [target, ...args] = targets[fault];
      return exchangeTable(disk.path, [start, length, target, device, offset, ...args].join(" "));
    },
    heal: () => exchangeTable(disk.path, whole),
  };
}
