import { LvmError, SystemError } from "../errors.ts";
import type { BlockDevice, Devices } from "../host/host.ts";
import { candidateDevices, signatureOf } from "./candidates.ts";
import { type FoundGroup, findGroup } from "./discovery.ts";
import { scanLabels } from "./label-scan.ts";
import { isVolumeOf } from "./mapping-name.ts";
import { readHeaders, sameHeaders } from "./metadata.ts";
import { type DeviceReads, PatientReads } from "./patient-reads.ts";
import { SharedRun } from "./shared-run.ts";

/** How long a look at all block devices is good for, unless a command is about to be sent. */
const lookMilliseconds = 1000;

/** Codes of a device that is no more, or holds no medium. */
const codesOfAbsence = new Set(["ENOENT", "ENODEV", "ENXIO", "ENOMEDIUM"]);

const cares = ["usual", "thorough", "search"] as const;

/**
 * "usual": what the known devices carry, with a look at all devices once a second. "thorough": every device that has
 * appeared or gone before the call is taken into account. "search": the label of every device is read.
 */
export type Care = (typeof cares)[number];

export interface ReaderOptions {
  /** The volume group's. */
  readonly name: string;
  readonly devices: Devices;
  /** The kubelet's directory, without symlinks: no physical volume of the host is on a loop device over what is there. */
  readonly excludedDirectory: string;
  /** How long one device may take for an answer; 10 s where it is absent. */
  readonly patienceMilliseconds?: number;
}

/**
 * Reads one volume group from its devices, without LVM and without its lock. What was read is good for as long as no
 * byte of the labels and the metadata headers has changed.
 */
export class VolumeGroupReader {
  readonly #options: ReaderOptions;
  readonly #reads: PatientReads;
  readonly #runs = new SharedRun(() => this.#run());
  #wanted: Care = "usual";
  #known: FoundGroup | LvmError | undefined;
  /** Uuids of the physical volumes that the group was last seen with; they stay known while it cannot be seen. */
  #believed: ReadonlySet<string> | undefined;
  /** Whether anything but a search of devices that all answered, none of which carried it, has come of any look. */
  #isHeardOf = false;
  /** Names of the devices that gave no answer when all were searched last. */
  #unanswered: readonly string[] = [];
  #signature = "";
  #lookedAt = Number.NEGATIVE_INFINITY;
  #searchedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReaderOptions) {
    this.#options = options;
    const read: DeviceReads["read"] = (device, ranges) => this.#noteFailure(options.devices.read(device, ranges));
    this.#reads = new PatientReads({ read }, options.patienceMilliseconds);
  }

  /**
   * The group as it is committed at some moment after the call. Which devices there are, and a failure to find the
   * group on them, may be as they were a second before the call where the care is the usual one.
   * @throws LvmError groupMissing, groupAmbiguous, groupUnreadable
   */
  read(care: Care = "usual"): Promise<FoundGroup> {
    if (cares.indexOf(care) > cares.indexOf(this.#wanted)) this.#wanted = care;
    return this.#runs.join();
  }

  /**
   * Makes sure that the group that was found is the one that is meant: a disk that has not answered since the first look
   * may carry another one of its name.
   * @throws LvmError groupUnreadable, and as `read` does
   */
  async requireCertain(): Promise<void> {
    if (this.#believed === undefined) await this.read("search");
    if (this.#believed === undefined) throw this.#unreadable("was found, but another one of its name may be there too");
  }

  /** Whether the group, something of it, or a device that may be its own has been seen since the process started. */
  get isHeardOf(): boolean {
    return this.#isHeardOf;
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
    const candidates = await this.#candidates();
    this.#lookedAt = performance.now();
    return signatureOf(candidates) === this.#signature ? undefined : candidates;
  }

  async #candidates(): Promise<readonly BlockDevice[]> {
    const { name, devices, excludedDirectory } = this.#options;
    const all = await devices.list();
    // those that are in use outlive their disks, and a restart of the driver
    if (all.some(({ mapping }) => mapping !== undefined && isVolumeOf(name, mapping.name))) this.#isHeardOf = true;
    return candidateDevices(all, excludedDirectory);
  }

  /** What the known devices carry now; undefined when they alone do not tell. */
  async #follow(known: FoundGroup): Promise<FoundGroup | undefined> {
    try {
      const headers = await readHeaders(this.#reads, known.members);
      if (sameHeaders(known.headers, headers)) return known;
      const search = { labelled: known.members, known: this.#believed, headers };
      const found = await findGroup(this.#reads, this.#options.name, search);
      return isComplete(found) ? this.#remember(found) : undefined;
    } catch (error) {
      if (error instanceof SystemError || error instanceof LvmError) return undefined;
      throw error;
    }
  }

  async #searchAll(): Promise<FoundGroup> {
    return this.#search(await this.#candidates());
  }

  async #search(candidates: readonly BlockDevice[]): Promise<FoundGroup> {
    this.#signature = signatureOf(candidates);
    this.#lookedAt = performance.now();
    this.#searchedAt = this.#lookedAt;
    try {
      return this.#remember(await this.#find(candidates));
    } catch (error) {
      this.#known = asLvmError(error, this.#options.name);
      // one that LVM here may not use counts as missing too, with a reason for its cause
      if (this.#known.kind !== "groupMissing" || this.#known.cause !== undefined) this.#isHeardOf = true;
      throw this.#known;
    }
  }

  #remember(found: FoundGroup): FoundGroup {
    this.#known = found;
    this.#isHeardOf = true;
    // Until all disks have answered once, each search is like the first: it sees whether two groups have that name.
    if (this.#believed !== undefined || this.#unanswered.length === 0) {
      this.#believed = new Set(found.state.physicalVolumes.map((volume) => volume.uuid));
    }
    return found;
  }

  async #find(candidates: readonly BlockDevice[]): Promise<FoundGroup> {
    const { name } = this.#options;
    const labelled = await scanLabels(this.#reads, candidates);
    const suspended = candidates.filter(({ mapping }) => mapping?.suspended === true);
    this.#unanswered = [...this.#reads.silent(), ...suspended.map((device) => device.name)];
    try {
      return await findGroup(this.#reads, name, { labelled, known: this.#believed });
    } catch (error) {
      if (error instanceof LvmError && error.kind === "groupMissing") throw this.#whyMissing(error);
      throw error;
    }
  }

  /** A disk that is there and cannot be read may be one of the group's. */
  async #noteFailure<Bytes>(reading: Promise<Bytes>): Promise<Bytes> {
    try {
      return await reading;
    } catch (error) {
      if (!(error instanceof SystemError && codesOfAbsence.has(error.code))) this.#isHeardOf = true;
      throw error;
    }
  }

  /** Where a device does not answer, as one that is suspended, nobody knows that the group is missing. */
  #whyMissing(error: LvmError): LvmError {
    if (this.#unanswered.length > 0) return this.#unreadable("is on no device that answers", error);
    if (this.#believed === undefined) return error;
    const remedy = "if it was made anew on other disks, restart the driver";
    return new LvmError("groupMissing", `${error.message}; ${remedy}`, { cause: error });
  }

  #unreadable(what: string, cause?: LvmError): LvmError {
    const silent = this.#unanswered.join(", ");
    const problem = `volume group ${this.#options.name} ${what} (no answer from ${silent})`;
    return new LvmError("groupUnreadable", problem, { cause });
  }
}

/** Whether the group was found with all its devices. One that LVM has marked as missing counts as absent. */
export function isComplete(known: FoundGroup | LvmError): boolean {
  return !(known instanceof LvmError) && known.state.physicalVolumes.every((volume) => volume.device !== undefined);
}

function asLvmError(error: unknown, name: string): LvmError {
  if (error instanceof LvmError) return error;
  if (!(error instanceof SystemError)) throw error;
  return new LvmError("groupUnreadable", `a device of volume group ${name} cannot be read: ${error.message}`, {
    cause: error,
  });
}
