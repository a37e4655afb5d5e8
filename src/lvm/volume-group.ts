import { LvmError } from "../errors.ts";
import {
  type StripedExtents,
  activateArguments,
  backupArguments,
  createArguments,
  deactivateArguments,
  extendArguments,
  listArguments,
  refreshArguments,
  removeArguments,
  tagArguments,
} from "./arguments.ts";
import { failureOf } from "./failure.ts";
import { GroupCommands, type VolumeGroupOptions, deviceExtentsOf, nodesOf } from "./group-commands.ts";
import type { ExtentArea, VolumeGroupState } from "./model.ts";
import { Queue } from "./queue.ts";
import { Removals } from "./removals.ts";
import type { Verdict } from "./verdict.ts";

export interface NewVolume extends StripedExtents {
  readonly name: string;
  readonly tags: readonly string[];
  /** Uuids of those that it must lie on; LVM chooses where they are absent. */
  readonly physicalVolumes?: readonly string[];
}

/**
 * More extents for a volume: as many as it is to have in all, because the `lvm` of a killed run may yet carry out the
 * same extension, and it must not be done twice.
 */
export interface Extension extends StripedExtents {
  readonly name: string;
  /** How many it has: where somebody else has given it more meanwhile, nothing is done. */
  readonly from: number;
  /** The physical extents to take besides; LVM chooses where they are absent. */
  readonly areas?: readonly ExtentArea[];
}

/**
 * One volume group. Reads never start a process; commands go to LVM one at a time, in the order of the calls, and are
 * never interrupted. Only a creation lets others go before it: of many claims at once the first are ready early then,
 * and the metadata, which each command reads and writes whole, is not full of half-made volumes meanwhile. A command
 * that was carried out is durable when its promise resolves, and the next `read` shows it.
 *
 * Every method rejects with LvmError: besides the kinds that it names, groupMissing, groupAmbiguous, groupUnreadable,
 * physicalVolumeMissing, metadataFull, locked, outcomeUnknown and refused.
 */
export class VolumeGroup {
  readonly name: string;
  readonly #commands: GroupCommands;
  readonly #queue = new Queue();
  readonly #removals: Removals;
  #closed = false;

  constructor(options: VolumeGroupOptions) {
    this.name = options.name;
    this.#commands = new GroupCommands(options);
    this.#removals = new Removals(this.#commands, this.#queue);
  }

  /**
   * The group as its metadata is committed at some moment after the call, without LVM's lock. Disks that appear or go
   * are noticed within a second; so is a group that was missing or unreadable.
   * @throws LvmError groupMissing, groupAmbiguous, groupUnreadable
   */
  read(): Promise<VolumeGroupState> {
    return this.#commands.read();
  }

  /**
   * False while every look since the process started has found all devices answering and none with the group on it, nor
   * any of its volumes active: nothing then speaks for it ever having been here.
   */
  get isHeardOf(): boolean {
    return this.#commands.isHeardOf;
  }

  /**
   * Makes an active volume with its tags in one commit. Its content is what the extents held.
   * @param plan decides on the volume, given the group as it is when it is its turn; what it throws is thrown on
   * @throws LvmError noSpace, volumeExists
   */
  async create(plan: (state: VolumeGroupState) => NewVolume): Promise<void> {
    const build = (state: VolumeGroupState): readonly string[] => {
      const volume = plan(state);
      return createArguments(state.name, { ...volume, nodes: nodesOf(state, volume.physicalVolumes ?? []) });
    };
    this.#refuseWhenClosed();
    return this.#queue.begin(async () => requireSuccess("lvcreate", await this.#commands.change(build)));
  }

  /** Removes a volume. Removals that wait share one commit. @throws LvmError volumeInUse, volumeMissing */
  async remove(name: string): Promise<void> {
    this.#refuseWhenClosed();
    // Its words are checked here, where they can fail nobody else's removal.
    removeArguments(this.name, [name]);
    return this.#removals.remove(name);
  }

  /** Adds extents to a volume. @throws LvmError noSpace, volumeGrown, volumeMissing */
  extend(extension: Extension): Promise<void> {
    return this.#change("lvextend", (state) => extendWords(state, extension));
  }

  /**
   * Removes a volume and gives its extents to another, with no other command of the driver between. They are those
   * that it has as it is removed: an administrator may have moved it since it was made (pvmove(8)).
   * @returns the extents
   * @throws LvmError volumeInUse, volumeMissing, volumeGrown, noSpace; the first volume may be gone then
   */
  removeThenExtend(extension: Extension & { readonly remove: string }): Promise<readonly ExtentArea[]> {
    return this.#run(async () => {
      let areas: readonly ExtentArea[] = [];
      const removed = await this.#commands.change((state) => {
        areas = areasOf(state, extension.remove);
        // What cannot be said to LVM is refused before anything is removed.
        extendWords(state, { ...extension, areas });
        return removeArguments(state.name, [extension.remove]);
      });
      requireSuccess("lvremove", removed);
      requireSuccess("lvextend", await this.#commands.change((state) => extendWords(state, { ...extension, areas })));
      return areas;
    });
  }

  /** Changes a volume's tags in one commit, or in none where there is nothing to change. @throws LvmError volumeMissing */
  async changeTags(
    name: string,
    change: { readonly add: readonly string[]; readonly remove: readonly string[] },
  ): Promise<void> {
    if (change.add.length + change.remove.length === 0) return;
    await this.#change("lvchange", (state) => tagArguments(state.name, name, change));
  }

  /** Makes the volume's device. @throws LvmError volumeMissing */
  activate(name: string): Promise<void> {
    return this.#use("lvchange", (state) => activateArguments(state.name, name));
  }

  /** Takes the volume's device away; nothing happens to one that is open. @throws LvmError volumeInUse, volumeMissing */
  deactivate(name: string): Promise<void> {
    return this.#use("lvchange", (state) => deactivateArguments(state.name, name));
  }

  /** Loads the volume's device anew from the metadata, and resumes it if it is suspended. @throws LvmError volumeMissing */
  refresh(name: string): Promise<void> {
    return this.#use("lvchange", (state) => refreshArguments(state.name, name));
  }

  /**
   * Asks LVM, which takes the group's lock for it, whether the volume is absent. True is a proof: it rests on all
   * physical volumes, and what they say is durable.
   */
  confirmAbsent(name: string): Promise<boolean> {
    return this.#run(async () => {
      await this.#commands.requireCertain();
      const verdict = await this.#commands.change((state) => listArguments(state.name, name));
      if (verdict.succeeded) return false;
      const failure = failureOf("lvs", verdict);
      if (failure.kind === "volumeMissing") return true;
      throw failure;
    });
  }

  /**
   * Makes sure that what `read` shows outlasts a power cut: where nothing remains to be done, nothing that is done now
   * sees to it. @throws LvmError
   */
  makeDurable(): Promise<void> {
    return this.#commands.makeDurable();
  }

  /** Writes a backup of the metadata to this file, for vgcfgrestore(8). */
  backup(file: string): Promise<void> {
    return this.#use("vgcfgbackup", (state) => backupArguments(state.name, file));
  }

  /** Ends the process when the commands that were given before have been carried out; later ones are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue.idle();
    await this.#commands.end();
  }

  #change(command: string, build: (state: VolumeGroupState) => readonly string[]): Promise<void> {
    return this.#run(async () => requireSuccess(command, await this.#commands.change(build)));
  }

  #use(command: string, build: (state: VolumeGroupState) => readonly string[]): Promise<void> {
    return this.#run(async () => requireSuccess(command, await this.#commands.use(build)));
  }

  async #run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#refuseWhenClosed();
    return this.#queue.run(work);
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new LvmError("refused", "the driver is stopping; try again when it has started");
  }
}

/** The physical extents of a volume, all of which must be known. */
function areasOf(state: VolumeGroupState, name: string): readonly ExtentArea[] {
  const segments = state.logicalVolumes.get(name)?.segments;
  if (segments === undefined) throw new LvmError("volumeMissing", `${state.name}/${name} is gone`);
  if (segments.every((segment) => segment.areas.length === segment.stripeCount)) {
    return segments.flatMap((segment) => segment.areas);
  }
  throw new LvmError("volumeInUse", `${state.name}/${name} is being moved (pvmove); try again when that is done`);
}

function extendWords(state: VolumeGroupState, extension: Extension): readonly string[] {
  const extents = state.logicalVolumes.get(extension.name)?.extentCount ?? extension.from;
  if (extents !== extension.from) {
    const change = `has ${extents} extents, not ${extension.from} any more`;
    throw new LvmError("volumeGrown", `${state.name}/${extension.name} ${change}: somebody else changed its size`);
  }
  return extendArguments(state.name, { ...extension, areas: deviceExtentsOf(state, extension.areas ?? []) });
}

function requireSuccess(command: string, verdict: Verdict): void {
  if (!verdict.succeeded) throw failureOf(command, verdict);
}
