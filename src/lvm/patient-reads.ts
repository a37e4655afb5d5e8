import { setTimeout as pause } from "node:timers/promises";
import { SystemError } from "../errors.ts";
import type { BlockDevice, ByteRange, Devices } from "../host/host.ts";

/** How long a device may take for an answer before it counts as unreadable. */
const defaultPatienceMilliseconds = 10_000;

export type DeviceReads = Pick<Devices, "read">;

/** Reads devices of which some may never answer: a disk that hangs must not hold up what the other disks can tell. */
export class PatientReads implements DeviceReads {
  readonly #devices: DeviceReads;
  readonly #patience: number;
  /** Names of devices that still owe an answer after all that time, by number. */
  readonly #silent = new Map<string, string>();

  constructor(devices: DeviceReads, patienceMilliseconds = defaultPatienceMilliseconds) {
    this.#devices = devices;
    this.#patience = patienceMilliseconds;
  }

  /** Names of the devices that were asked, and have not answered yet, although the time for it is over. */
  silent(): readonly string[] {
    return [...this.#silent.values()];
  }

  /**
   * Reads as `Devices.read` does.
   * @throws SystemError ETIMEDOUT when the device takes too long, and at once for as long as it has not answered then
   */
  async read(device: BlockDevice, ranges: readonly ByteRange[]): Promise<readonly Uint8Array[]> {
    if (this.#silent.has(device.number)) throw silence(device);
    const answer = this.#devices.read(device, ranges);
    const settled = (): boolean => this.#silent.delete(device.number);
    answer.then(settled, settled);
    const timer = new AbortController();
    try {
      return await Promise.race([answer, this.#giveUp(device, timer.signal)]);
    } finally {
      timer.abort();
    }
  }

  async #giveUp(device: BlockDevice, signal: AbortSignal): Promise<never> {
    await pause(this.#patience, undefined, { signal, ref: false });
    this.#silent.set(device.number, device.name);
    throw silence(device);
  }
}

function silence(device: BlockDevice): SystemError {
  return new SystemError("ETIMEDOUT", `${device.name} does not answer`);
}
