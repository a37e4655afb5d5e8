import { VolumeError } from "../errors.ts";
import { check } from "../filesystem/check.ts";
import { make } from "../filesystem/make.ts";
import type { FilesystemName } from "../filesystem/names.ts";
import { type Contents, probe, probeFilesystem, probeRanges } from "../filesystem/probe.ts";
import { nodePath } from "../host/device-node.ts";
import type { BlockDevice } from "../host/host.ts";
import { type Context, type Volume, changeRecord } from "./context.ts";
import { type ProgramDevice, withExclusive, withPrograms } from "./device.ts";
import type { Work } from "./operations.ts";

/**
 * Sees to it that the device carries the volume's filesystem, fit to be mounted. A filesystem is made only on proof:
 * the record says that the volume never had one, and every place where one would be found was read and holds zeroes.
 * @returns what the device then carries
 * @throws VolumeError failedPrecondition for anything that needs a human; aborted while an earlier run's program works.
 */
export function prepareFilesystem(
  context: Context,
  volume: FilesystemVolume,
  device: BlockDevice,
  work: Work,
): Promise<Contents> {
  return withPrograms(context, device, (given) => {
    const task = { context, volume, device, given, work };
    switch (volume.record.state) {
      case "ready":
        return formatBlank(task);
      case "formatting":
        return formatAgain(task);
      case "creating":
      case "formatted":
      case "growing":
      case "removing":
        return checkFormatted(task);
    }
  });
}

/** A volume that is to carry a filesystem. */
export type FilesystemVolume = Volume & { readonly record: { readonly filesystem: FilesystemName } };

interface Task {
  readonly context: Context;
  readonly volume: FilesystemVolume;
  readonly device: BlockDevice;
  readonly given: ProgramDevice;
  readonly work: Work;
}

async function formatBlank(task: Task): Promise<Contents> {
  const { context, volume, device } = task;
  await assertBlank(context, volume, device);
  return format(task, await changeRecord(volume, { state: "formatting" }), false);
}

/** @throws VolumeError failedPrecondition for a volume that was never used and yet carries something; aborted */
export async function assertBlank(context: Context, volume: Volume, device: BlockDevice): Promise<void> {
  const contents = await inspectExclusively(context, device);
  if (contents.kind !== "blank") throw unexpected(volume, contents, "should be blank before its first use");
}

/** An earlier run ended within mkfs. What it left was never mounted, so that nobody's data can be in it. */
async function formatAgain(task: Task): Promise<Contents> {
  const { context, volume, device } = task;
  const contents = await inspectExclusively(context, device);
  if (contents.kind === "filesystem" && contents.everMounted) {
    throw unexpected(volume, contents, "was interrupted before its first mount, yet has been mounted");
  }
  if (contents.kind === "foreign") {
    throw unexpected(volume, contents, "was interrupted within mkfs, which does not leave this");
  }
  return format(task, volume, true);
}

/** What a device carries that should carry a filesystem, read while it may be in use. */
export async function inspect(context: Context, device: BlockDevice): Promise<Contents> {
  return probeFilesystem(device.sizeBytes, (ranges) => context.host.devices.read(device, ranges));
}

/** What the device carries, while nobody else has it in use: an earlier run's mkfs may still be at work. */
async function inspectExclusively(context: Context, device: BlockDevice): Promise<Contents> {
  const busy = new VolumeError(
    "aborted",
    `${nodePath(device)} is in use, by an earlier run's mkfs or a mount; try again`,
  );
  return withExclusive(context, device, busy, async (exclusive) => {
    // Most devices that are looked at here are blank, which can be told without handing all those bytes over.
    if (await exclusive.holdsZeroes(probeRanges(device.sizeBytes))) return { kind: "blank" };
    return probe(device.sizeBytes, (ranges) => exclusive.read(ranges));
  });
}

async function format(
  { context, device, given, work, ...task }: Task,
  volume: Volume,
  force: boolean,
): Promise<Contents> {
  const { filesystem, mkfsOptions } = task.volume.record;
  work.progress.text = `making the ${filesystem} filesystem`;
  await make(given.programs, filesystem, given.path, { force, extra: mkfsOptions });
  await context.host.devices.flush(device);
  const contents = await inspect(context, device);
  if (contents.kind !== "filesystem" || contents.filesystem !== filesystem) {
    throw unexpected(volume, contents, `should carry ${filesystem} after mkfs`);
  }
  await changeRecord(volume, { state: "formatted" });
  return contents;
}

async function checkFormatted({ context, volume, device, given, work }: Task): Promise<Contents> {
  const { filesystem } = volume.record;
  const contents = await inspect(context, device);
  if (contents.kind !== "filesystem" || contents.filesystem !== filesystem) {
    throw unexpected(volume, contents, `carried ${filesystem}`);
  }
  if (!contents.needsCheck) return contents;
  work.progress.text = `checking the ${filesystem} filesystem`;
  const reason = `${nodePath(device)} is in use, by an earlier run's fsck or a mount; try again`;
  await withExclusive(context, device, new VolumeError("aborted", reason), async () => undefined);
  await check(given.programs, filesystem, given.path);
  return contents;
}

function unexpected(volume: Volume, contents: Contents, expectation: string): VolumeError {
  const found = describe(contents);
  return new VolumeError(
    "failedPrecondition",
    `volume ${volume.state.name}/${volume.logicalVolume.name} ${expectation}; found: ${found}. ` +
      `Nothing was changed. See docs/limitations.md, "A volume that is refused"`,
  );
}

function describe(contents: Contents): string {
  switch (contents.kind) {
    case "blank":
      return "no data where the filesystem should be";
    case "filesystem":
      return `${contents.filesystem} ${contents.uuid}`;
    case "other":
    case "foreign":
      return contents.description;
  }
}
