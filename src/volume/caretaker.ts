import { setImmediate } from "node:timers/promises";
import { VolumeError } from "../errors.ts";
import type { VolumeGroupState } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { type Context, type Volume, volumeIn, volumesOf } from "./context.ts";
import { activeDevice } from "./device.ts";
import { scratchName } from "./id.ts";
import { initialize } from "./initialize.ts";
import type { Operation, Work } from "./operations.ts";
import { removeWithScratch } from "./remove.ts";
import { removeScratch, scratchOwners } from "./scratch.ts";

const retryEveryMs = 5_000;
const lookEveryMs = 60_000;

const weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/**
 * Looks after the volume groups beside the calls: carries on what was left between two states, by an earlier run or by
 * a call that failed and was not repeated; resumes devices that a killed command left suspended; keeps copies of the
 * metadata.
 */
export class Caretaker {
  readonly #context: Context;
  readonly #backupDirectory: string | undefined;
  readonly #backedUp = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** What was last told of the groups that cannot be looked after. */
  readonly #complaints = new Map<VolumeGroup, string>();

  constructor(context: Context, backupDirectory: string | undefined) {
    this.#context = context;
    this.#backupDirectory = backupDirectory;
  }

  /** Begins; returns at once. */
  start(): void {
    for (const group of this.#context.groups.values()) void this.#attend(group);
  }

  /** Ends the timers. What it began on volumes ends with `Operations.end`. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #attend(group: VolumeGroup): Promise<void> {
    let again = retryEveryMs;
    try {
      const state = await group.read();
      if (this.#complaints.delete(group))
        this.#context.log.info({ volumeGroup: group.name }, "the volume group is there");
      this.#recover(group, state);
      await this.#resumeSuspended(group, state);
      again = lookEveryMs;
      await this.#backUp(group, state);
    } catch (error) {
      this.#tellWhy(group, error);
    }
    this.#after(again, () => void this.#attend(group));
  }

  /** Once: a group that is not there may be made later, and a disk that is away may stay away. */
  #tellWhy(group: VolumeGroup, error: unknown): void {
    const complaint = String(error);
    const isNews = this.#complaints.get(group) !== complaint;
    this.#complaints.set(group, complaint);
    this.#context.log[isNews ? "warn" : "debug"]({ error: complaint }, "waiting for the volume group");
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
    const volumes = volumesOf(this.#context, group, state);
    const unfinished = volumes.flatMap((volume) => recovery(this.#context, volume) ?? []);
    // Of a volume that is being removed or made, too: what it was to grow by is of no use to anybody.
    const scratches = scratchOwners(state).map((owner) => scratchRecovery(group, owner));
    for (const operation of [...unfinished, ...scratches]) this.#carryOn(operation);
  }

  #carryOn(operation: Operation<unknown>): void {
    const fields = { volume: operation.key, operation: operation.request };
    this.#context.log.info(fields, "carrying on");
    this.#context.operations.run(operation).catch((error: unknown) => {
      const busy = error instanceof VolumeError && error.kind === "aborted";
      this.#context.log[busy ? "debug" : "warn"]({ ...fields, error: String(error) }, "could not be carried on");
    });
  }

  async #resumeSuspended(group: VolumeGroup, state: VolumeGroupState): Promise<void> {
    const { devices } = this.#context.host;
    // by uuid: a command that renames, and was killed, leaves the device suspended under its old name
    const names = new Map((await devices.list()).map(({ mapping, name }) => [mapping?.uuid, name]));
    for (const { logicalVolume } of volumesOf(this.#context, group, state)) {
      // others get their turn between a thousand volumes
      await setImmediate();
      const name = names.get(logicalVolume.mappingUuid);
      const device = name === undefined ? undefined : await devices.findNamed(name);
      // A command of ours or of another suspends for moments only; activeDevice asks again under LVM's lock.
      if (device?.mapping?.uuid !== logicalVolume.mappingUuid || !device.mapping.suspended) continue;
      await activeDevice(this.#context, group, logicalVolume).catch((error: unknown) => {
        this.#context.log.warn({ volume: logicalVolume.name, error: String(error) }, "a device stays suspended");
      });
    }
  }

  /** One copy a weekday, so that a few are kept; never of a moment between two states of a volume. */
  async #backUp(group: VolumeGroup, state: VolumeGroupState): Promise<void> {
    const directory = this.#backupDirectory;
    const settled = volumesOf(this.#context, group, state).every(isSettled) && scratchOwners(state).length === 0;
    if (directory === undefined || !settled || !this.#context.operations.idle) return;
    if (this.#backedUp.get(state.uuid) === state.sequenceNumber) return;
    await group.backup(`${directory}/${state.name}.${weekdays[new Date().getUTCDay()]}`);
    this.#backedUp.set(state.uuid, state.sequenceNumber);
  }
}

/** Whether a volume is between no two states. */
function isSettled({ record }: Volume): boolean {
  return record.state === "ready" || record.state === "formatted";
}

/** What is left to do for a volume that nobody is at work on; undefined if nothing. */
function recovery(context: Context, volume: Volume): Operation<unknown> | undefined {
  const { id, record } = volume;
  const common = { key: id.logicalVolume, deadline: undefined };
  if (record.state === "creating") {
    return { ...common, request: "create recovery", work: (work) => finishCreation(context, volume, work) };
  }
  if (record.state === "removing") {
    return { ...common, request: "delete recovery", work: (work) => finishRemoval(context, volume, work) };
  }
  return undefined;
}

/** An expansion that ended before the volume had grown; the volume itself may be gone. */
function scratchRecovery(group: VolumeGroup, owner: string): Operation<unknown> {
  const key = scratchName(owner);
  return { key, deadline: undefined, request: "expand recovery", work: () => removeScratch(group, owner) };
}

/** The record may have changed since it was read: a volume that is in use must never be initialized. */
async function finishCreation(context: Context, volume: Volume, work: Work): Promise<void> {
  const now = volumeIn(await volume.group.read(), volume.group, volume.id);
  if (now?.record.state === "creating") await initialize(context, now, work);
}

/** Likewise: another volume may have been made under the name of one that is gone. */
async function finishRemoval(context: Context, { group, id }: Volume, work: Work): Promise<void> {
  const now = volumeIn(await group.read(), group, id);
  if (now?.record.state === "removing") await removeWithScratch(context, group, id, work);
}
