import { LvmError, SystemError } from "../errors.ts";
import { nodePath } from "../host/device-node.ts";
import type { Devices, LvmLauncher } from "../host/host.ts";
import type { Log } from "../log.ts";
import { type DeviceExtents, restoreArguments } from "./arguments.ts";
import { lvmConfiguration } from "./configuration.ts";
import type { FoundGroup } from "./discovery.ts";
import { failureOf, missesPhysicalVolume } from "./failure.ts";
import type { LabelledDevice } from "./metadata.ts";
import type { ExtentArea, VolumeGroupState } from "./model.ts";
import { type CommandObserver, Session } from "./session.ts";
import type { Verdict } from "./verdict.ts";
import { type Care, VolumeGroupReader, isComplete } from "./volume-group-reader.ts";

export interface VolumeGroupOptions {
  readonly name: string;
  readonly devices: Devices;
  readonly lvm: LvmLauncher;
  /** Where LVM on this host keeps its locks: /run/lock/lvm, as a rule. */
  readonly lockDirectory: string;
  /** The kubelet's directory, without symlinks: no physical volume of the host is on a loop device over what is there. */
  readonly excludedDirectory: string;
  readonly log: Log;
  readonly observe?: CommandObserver | undefined;
}

/** Makes a command's words for the group as it is when the command is sent. */
type Build = (state: VolumeGroupState) => readonly string[];

/**
 * Sends commands about one volume group to an `lvm` that sees exactly the group's devices. The caller sends one at a
 * time. A command is built and sent against a fresh reading of the group, because an `lvm` that misses a device does
 * not always refuse: lvchange and lvremove go through and mark it as missing for good.
 */
export class GroupCommands {
  readonly #options: VolumeGroupOptions;
  readonly #reader: VolumeGroupReader;
  readonly #session: Session;
  /** Sequence number of the newest metadata that is known to be durable. */
  #durable: number | undefined;

  constructor(options: VolumeGroupOptions) {
    this.#options = options;
    this.#reader = new VolumeGroupReader(options);
    this.#session = new Session(options.lvm, options.log, options.observe);
  }

  async read(): Promise<VolumeGroupState> {
    return (await this.#reader.read()).state;
  }

  get isHeardOf(): boolean {
    return this.#reader.isHeardOf;
  }

  /**
   * Runs a command that changes the metadata, or whose answer rests on all of it, and makes the metadata durable.
   * Refused while a physical volume is missing: LVM would mark it, and the mark outlasts its return.
   * @throws LvmError physicalVolumeMissing, outcomeUnknown, and those of `read`
   */
  async change(build: Build): Promise<Verdict> {
    const { verdict, found } = await this.#send(build, requireComplete);
    await this.#durably(Promise.all(this.#flushes(found.members)));
    // what LVM has marked as missing then may come back with the metadata of before
    const isAway = found.members.length < found.state.physicalVolumes.length;
    if (verdict.succeeded && isAway) throw this.#unknown("a physical volume went away meanwhile; see pvs");
    this.#durable = found.state.sequenceNumber;
    return verdict;
  }

  /**
   * Makes durable what `read` shows, if it may have been committed and not flushed: by a run that ended between the two,
   * by one whose flush failed, or by somebody else. On one disk is enough, since LVM goes by the newest metadata: one that
   * hangs or fails holds nobody up.
   * @throws LvmError outcomeUnknown, and those of `read`
   */
  async makeDurable(): Promise<void> {
    const { state, carriers } = await this.#reader.read();
    if (state.sequenceNumber === this.#durable) return;
    await this.#durably(Promise.any(this.#flushes(carriers)));
    this.#durable = state.sequenceNumber;
  }

  /** Runs a command that leaves the metadata as it is. @throws LvmError */
  async use(build: Build): Promise<Verdict> {
    return (await this.#send(build, () => {})).verdict;
  }

  /** @throws LvmError groupUnreadable when it is not certain that this is the group that is meant */
  requireCertain(): Promise<void> {
    return this.#reader.requireCertain();
  }

  end(): Promise<void> {
    return this.#session.end();
  }

  /** A command that did not find its devices was refused before it did anything: it is sent once more, to others. */
  async #send(build: Build, check: (found: FoundGroup) => void): Promise<{ verdict: Verdict; found: FoundGroup }> {
    const first = await this.#prepare("thorough", check);
    const verdict = await this.#execute(first, build);
    const found = missesPhysicalVolume(verdict) ? await this.#restoreMissing(first) : first;
    if (verdict.succeeded || !isAboutDevices(failureOf("", verdict))) return { verdict, found };
    const second = await this.#prepare("search", check);
    if (this.#configuration(second) === this.#configuration(first)) return { verdict, found };
    return { verdict: await this.#execute(second, build), found: second };
  }

  /** Reads the group. A new process is only started after a search of all devices. */
  async #prepare(care: Care, check: (found: FoundGroup) => void): Promise<FoundGroup> {
    let found = await this.#reader.read(care);
    if (!this.#session.has(this.#configuration(found))) found = await this.#reader.read("search");
    check(found);
    return found;
  }

  async #execute(found: FoundGroup, build: Build): Promise<Verdict> {
    return this.#session.execute(build(found.state), this.#configuration(found));
  }

  /**
   * Somebody's `vgextend` between our reading and LVM's lock gives the group a disk that our `lvm` may not see, and
   * that it then marks as missing. What was not missing before the command, and is there now, loses its mark at once:
   * with it LVM changes nothing in the group.
   */
  async #restoreMissing(before: FoundGroup): Promise<FoundGroup> {
    // A command that LVM carries out although a disk is away says the same each time, and marks nothing.
    if (!isComplete(before)) return before;
    const { log, name } = this.#options;
    try {
      const found = await this.#reader.read("search");
      const nodes = markedAsMissing(found);
      if (nodes.length === 0) return found;
      const verdict = await this.#session.execute(restoreArguments(name, nodes), this.#configuration(found));
      if (!verdict.succeeded) throw failureOf("vgextend", verdict);
      log.warn({ group: name, nodes }, "LVM had marked disks as missing that have just joined the group; undone");
      return found;
    } catch (error) {
      const remedy = "see pvs, and vgextend --restoremissing";
      log.error({ group: name, error: String(error) }, `LVM may have marked a physical volume as missing; ${remedy}`);
      return before;
    }
  }

  #configuration(found: FoundGroup): string {
    const nodes = found.members.map((member) => nodePath(member.device));
    return lvmConfiguration(nodes, this.#options.lockDirectory);
  }

  #flushes(disks: readonly LabelledDevice[]): readonly Promise<void>[] {
    return disks.map((disk) => this.#options.devices.flush(disk.device));
  }

  /** LVM leaves what it wrote in the disk's cache; a power cut could take back what was promised. */
  async #durably(flushes: Promise<unknown>): Promise<void> {
    try {
      await flushes;
    } catch (error) {
      const cause: unknown = error instanceof AggregateError ? error.errors[0] : error;
      if (!(cause instanceof SystemError)) throw cause;
      throw this.#unknown(cause.message, cause);
    }
  }

  #unknown(why: string, cause?: SystemError): LvmError {
    const problem = `the metadata of volume group ${this.#options.name} could not be made durable`;
    return new LvmError("outcomeUnknown", `${problem}: ${why}`, { cause });
  }
}

/** The nodes of these physical volumes. @throws LvmError physicalVolumeMissing */
export function nodesOf(state: VolumeGroupState, uuids: readonly string[]): readonly string[] {
  return uuids.map((uuid) => {
    const device = state.physicalVolumes.find((volume) => volume.uuid === uuid)?.device;
    if (device !== undefined) return nodePath(device);
    throw new LvmError("physicalVolumeMissing", `a physical volume of volume group ${state.name} is missing; see pvs`);
  });
}

/** The areas by device. @throws LvmError physicalVolumeMissing */
export function deviceExtentsOf(state: VolumeGroupState, areas: readonly ExtentArea[]): readonly DeviceExtents[] {
  const byVolume = Map.groupBy(areas, (area) => area.physicalVolume);
  return [...byVolume].map(([uuid, ranges]) => ({ node: nodesOf(state, [uuid]).join(""), ranges }));
}

function requireComplete({ state }: FoundGroup): void {
  const missing = state.physicalVolumes.filter((volume) => volume.device === undefined).length;
  if (missing === 0) return;
  throw new LvmError(
    "physicalVolumeMissing",
    `volume group ${state.name} misses ${missing} of its ${state.physicalVolumes.length} physical volumes: bring the disk back ` +
      `(then vgextend --restoremissing, if pvs shows it as missing) or give it up with vgreduce --removemissing`,
  );
}

/** The nodes of disks that are there, although LVM has marked them as missing. */
function markedAsMissing({ state, members }: FoundGroup): readonly string[] {
  const present = new Set(state.physicalVolumes.flatMap(({ device }) => device?.number ?? []));
  return members.filter((one) => !present.has(one.device.number)).map((one) => nodePath(one.device));
}

function isAboutDevices(failure: LvmError): boolean {
  return failure.kind === "physicalVolumeMissing" || failure.kind === "groupMissing";
}
