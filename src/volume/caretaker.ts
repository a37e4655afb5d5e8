import { LvmError } from "../errors.ts";
import type { LogicalVolume, VolumeGroupState } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { type Context, type Volume, volumeIn } from "./context.ts";
import { activeDevice } from "./device.ts";
import { formatVolumeId } from "./id.ts";
import { initialize } from "./initialize.ts";
import type { Operation } from "./operations.ts";
import { decodeRecord } from "./record.ts";
import { remove } from "./remove.ts";
import { scratchOf } from "./scratch.ts";

const retryEveryMs = 5_000;
const lookEveryMs = 60_000;

const weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/**
 * Looks after the volume groups beside the calls: carries on what an earlier run left, as soon as its group can be
 * read; resumes devices that a killed command left suspended; keeps copies of the metadata.
 */
export class Caretaker {
  readonly #context: Context;
  readonly #backupDirectory: string | undefined;
  readonly #backedUp = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(context: Context, backupDirectory: string | undefined) {
    this.#context = context;
    this.#backupDirectory = backupDirectory;
  }

  /** Begins; returns at once. */
  start(): void {
    for (const group of this.#context.groups.values()) void this.#attend(group, false);
  }

  /** Ends the timers. What it began on volumes ends with `Operations.end`. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #attend(group: VolumeGroup, recovered: boolean): Promise<void> {
    let done = recovered;
    try {
      const state = await group.read();
      await this.#resumeSuspended(group, state);
      if (!recovered) this.#recover(group, state);
      done = true;
      await this.#backUp(group, state);
    } catch (error) {
      // A group that is not there yet is no fault: it may be made later.
      const missing = error instanceof LvmError && error.kind === "groupMissing";
      this.#context.log[missing ? "debug" : "warn"]({ error: String(error) }, "cannot look after the volume group");
    }
    this.#after(done ? lookEveryMs : retryEveryMs, () => void this.#attend(group, done));
  }

  #after(milliseconds: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, milliseconds);
    timer.unref();
    this.#timers.add(timer);
  }

  #recover(group: VolumeGroup, state: VolumeGroupState): void {
    for (const volume of volumesOf(this.#context, group, state)) {
      const operation = recovery(this.#context, volume);
      if (operation === undefined) continue;
      this.#context.log.info({ volume: formatVolumeId(volume.id), state: volume.record.state }, "carrying on");
      this.#context.operations.run(operation).catch((error: unknown) => {
        this.#context.log.warn({ volume: formatVolumeId(volume.id), error: String(error) }, "could not be carried on");
      });
    }
  }

  async #resumeSuspended(group: VolumeGroup, state: VolumeGroupState): Promise<void> {
    for (const volume of state.logicalVolumes.values()) {
      if (decodeRecord(volume) === undefined) continue;
      const device = await this.#context.host.devices.findMapping(volume.mappingName);
      // A command of ours or of another suspends for moments only; activeDevice asks again under LVM's lock.
      if (device?.mapping?.suspended === true) await activeDevice(this.#context, group, volume);
    }
  }

  /** One copy a weekday, so that a few are kept; never of a moment between two states of a volume. */
  async #backUp(group: VolumeGroup, state: VolumeGroupState): Promise<void> {
    const directory = this.#backupDirectory;
    const settled = [...state.logicalVolumes.values()].every(isSettled);
    if (directory === undefined || !settled || !this.#context.operations.idle) return;
    if (this.#backedUp.get(state.uuid) === state.sequenceNumber) return;
    await group.backup(`${directory}/${state.name}.${weekdays[new Date().getUTCDay()]}`);
    this.#backedUp.set(state.uuid, state.sequenceNumber);
  }
}

/** Whether a logical volume is not the driver's, or is between no two states. */
function isSettled(volume: LogicalVolume): boolean {
  const state = decodeRecord(volume)?.state;
  return state === undefined || state === "ready" || state === "formatted";
}

function volumesOf(context: Context, group: VolumeGroup, state: VolumeGroupState): readonly Volume[] {
  return [...state.logicalVolumes.keys()].flatMap((logicalVolume) => {
    const id = { topologyValue: context.topologyValue, volumeGroup: state.name, logicalVolume };
    return volumeIn(state, group, id) ?? [];
  });
}

/** What is left to do for a volume that an earlier run had under way; undefined if nothing. */
function recovery(context: Context, volume: Volume): Operation<unknown> | undefined {
  const { id, group, record, state } = volume;
  const common = { key: id.logicalVolume, deadline: undefined };
  const scratch = scratchOf(state, id.logicalVolume)?.logicalVolume.name;
  if (record.state === "creating") {
    return { ...common, request: "create recovery", work: (work) => initialize(context, volume, work) };
  }
  if (record.state === "removing") {
    return { ...common, request: "delete recovery", work: (work) => remove(context, group, id, work) };
  }
  if (scratch !== undefined) {
    return { ...common, request: "expand recovery", work: () => group.remove(scratch) };
  }
  return undefined;
}
