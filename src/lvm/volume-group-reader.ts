import { LvmError, SystemError } from "../errors.ts";
import type { BlockDevice, Devices } from "../host/host.ts";
import { candidateDevices, signatureOf } from "./candidates.ts";
import { type FoundGroup, findGroup } from "./discovery.ts";
import { LabelScan } from "./label-scan.ts";
import { readHeaders, sameHeaders } from "./metadata.ts";
import { SharedRun } from "./shared-run.ts";

/** How long a look at all block devices is good for, unless a command is about to be sent. */
const lookMilliseconds = 1000;

const cares = ["usual", "thorough", "search"] as const;

/**
 * "usual": what the known devices carry, with a look at all devices once a second. "thorough": every device that has
 * appeared or gone before the call is taken into account. "search": the label of every device is read.
 */
export type Care = (typeof cares)[number];

/**
 * Reads one volume group from its devices, without LVM and without its lock. What was read is good for as long as no
 * byte of the labels and the metadata headers has changed.
 */
export class VolumeGroupReader {
  readonly #name: string;
  readonly #devices: Devices;
  readonly #scan: LabelScan;
  readonly #runs = new SharedRun(() => this.#run());
  #wanted: Care = "usual";
  #known: FoundGroup | LvmError | undefined;
  #signature = "";
  #lookedAt = Number.NEGATIVE_INFINITY;
  #searchedAt = Number.NEGATIVE_INFINITY;

  constructor(name: string, devices: Devices, scan = new LabelScan(devices)) {
    this.#name = name;
    this.#devices = devices;
    this.#scan = scan;
  }

  /**
   * The group as it is committed at some moment after the call.
   * @throws LvmError groupMissing, groupAmbiguous, groupUnreadable
   */
  read(care: Care = "usual"): Promise<FoundGroup> {
    if (cares.indexOf(care) > cares.indexOf(this.#wanted)) this.#wanted = care;
    return this.#runs.join();
  }

  #run(): Promise<FoundGroup> {
    const care = this.#wanted;
    this.#wanted = "usual";
    return care === "search" ? this.#searchAll() : this.#read(care === "thorough");
  }

  async #read(thorough: boolean): Promise<FoundGroup> {
    const now = performance.now();
    const candidates = thorough || now - this.#lookedAt >= lookMilliseconds ? await this.#otherCandidates() : undefined;
    if (candidates !== undefined) return this.#search(candidates);
    const known = this.#known;
    const isDue = thorough || now - this.#searchedAt >= lookMilliseconds;
    if (known === undefined || (isDue && !isComplete(known))) return this.#searchAll();
    if (known instanceof LvmError) throw known;
    return (await this.#follow(known)) ?? this.#searchAll();
  }

  /** The devices to search; undefined when they are those that were searched last. */
  async #otherCandidates(): Promise<readonly BlockDevice[] | undefined> {
    const candidates = candidateDevices(await this.#devices.list());
    this.#lookedAt = performance.now();
    return signatureOf(candidates) === this.#signature ? undefined : candidates;
  }

  /** What the known devices carry now; undefined when they alone do not tell. */
  async #follow(known: FoundGroup): Promise<FoundGroup | undefined> {
    try {
      if (sameHeaders(known.headers, await readHeaders(this.#devices, known.members))) return known;
      const found = await findGroup(this.#devices, this.#name, known.members);
      if (!isComplete(found)) return undefined;
      this.#known = found;
      return found;
    } catch (error) {
      if (error instanceof SystemError || error instanceof LvmError) return undefined;
      throw error;
    }
  }

  async #searchAll(): Promise<FoundGroup> {
    return this.#search(candidateDevices(await this.#devices.list()));
  }

  async #search(candidates: readonly BlockDevice[]): Promise<FoundGroup> {
    this.#signature = signatureOf(candidates);
    this.#lookedAt = performance.now();
    this.#searchedAt = this.#lookedAt;
    this.#known = await this.#find(candidates).catch((error: unknown) => asLvmError(error, this.#name));
    if (this.#known instanceof LvmError) throw this.#known;
    return this.#known;
  }

  /** Where a device does not answer, nobody knows that the group is missing. */
  async #find(candidates: readonly BlockDevice[]): Promise<FoundGroup> {
    const labelled = await this.#scan.find(candidates);
    try {
      return await findGroup(this.#devices, this.#name, labelled);
    } catch (error) {
      const silent = this.#scan.silent();
      if (silent.length === 0 || !(error instanceof LvmError) || error.kind !== "groupMissing") throw error;
      const problem = `volume group ${this.#name} is on no device that answers; ${silent.join(", ")} does not`;
      throw new LvmError("groupUnreadable", problem, { cause: error });
    }
  }
}

/** Whether the group was found with all its devices. One that LVM has marked as missing counts as absent. */
function isComplete(known: FoundGroup | LvmError): boolean {
  return !(known instanceof LvmError) && known.state.physicalVolumes.every((volume) => volume.device !== undefined);
}

function asLvmError(error: unknown, name: string): LvmError {
  if (error instanceof LvmError) return error;
  if (!(error instanceof SystemError)) throw error;
  return new LvmError("groupUnreadable", `a device of volume group ${name} cannot be read: ${error.message}`, {
    cause: error,
  });
}
