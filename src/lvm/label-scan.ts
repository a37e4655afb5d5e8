import { setTimeout as pause } from "node:timers/promises";
import { SystemError } from "../errors.ts";
import type { BlockDevice, Devices } from "../host/host.ts";
import { findLabel, labelRange } from "./label.ts";
import { type LabelledDevice, readHeaders } from "./metadata.ts";

/** How long a device may take to show its label before it is passed over. */
const patienceMilliseconds = 10_000;

/** Looks for LVM's label on devices of which some may be anybody's, and some may never answer. */
export class LabelScan {
  readonly #devices: Devices;
  readonly #patience: number;
  /** Names of devices that still owe an answer, by number. */
  readonly #stuck = new Map<string, string>();

  constructor(devices: Devices, patience = patienceMilliseconds) {
    this.#devices = devices;
    this.#patience = patience;
  }

  /** Names of the devices that were asked and have not answered yet. */
  silent(): readonly string[] {
    return [...this.#stuck.values()];
  }

  /** Those of the devices that have a label. One that cannot be read, or hangs, is left out. */
  async find(candidates: readonly BlockDevice[]): Promise<readonly LabelledDevice[]> {
    const found = await Promise.all(candidates.map((device) => this.#look(device)));
    return found.filter((one) => one !== undefined);
  }

  async #look(device: BlockDevice): Promise<LabelledDevice | undefined> {
    if (this.#stuck.has(device.number)) return undefined;
    this.#stuck.set(device.number, device.name);
    const look = readLabelled(this.#devices, device).finally(() => this.#stuck.delete(device.number));
    const late = new AbortController();
    const given = pause(this.#patience, undefined, { signal: late.signal, ref: false }).catch(() => undefined);
    return Promise.race([look, given]).finally(() => late.abort());
  }
}

async function readLabelled(devices: Devices, device: BlockDevice): Promise<LabelledDevice | undefined> {
  try {
    const [start] = await devices.read(device, [labelRange]);
    const label = start && findLabel(start);
    if (label === undefined) return undefined;
    const labelled = { device, label };
    // Its metadata headers must be readable too.
    await readHeaders(devices, [labelled]);
    return labelled;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
