import { open, readFile } from "node:fs/promises";
import { createVolume } from "./volume-support.ts";
import { MiB, type World, blockCapability, devicePath } from "./world.ts";

const pattern = Buffer.alloc(MiB, "secret! ");

/** The same, with the end of a partition table wherever a device of whole mebibytes may end. */
export const partitioned = Buffer.from(pattern);
partitioned.write("EFI PART", MiB - 512);

/** Fills the extents that are taken next, or all that are free, with a tenant's data: a volume of his that he deletes. */
export async function leaveTenantsData(world: World, wantedBytes?: number, piece = pattern): Promise<void> {
  const parameters = { initialize: "signatures" };
  const capability = blockCapability();
  const { availableCapacity } = await world.rpc.GetCapacity({ volumeCapabilities: [capability], parameters });
  const sizeBytes = wantedBytes ?? Number(availableCapacity);
  const volumeId = await createVolume(world, { capability, sizeBytes, parameters });
  await fillWithPattern(devicePath(world, volumeId), sizeBytes, piece);
  await world.rpc.DeleteVolume({ volumeId });
}

/** Writes the tenant's data over a whole device, and onto its disk. */
export async function fillWithPattern(device: string, sizeBytes: number, piece = pattern): Promise<void> {
  const handle = await open(device, "r+");
  for (let at = 0; at < sizeBytes; at += MiB) await handle.write(piece, 0, MiB, at);
  await handle.sync();
  await handle.close();
}

/** Throws when there is anything but zeroes on a device from there on. */
export async function requireZeroes(device: string, from = 0): Promise<void> {
  const bytes = (await readFile(device)).subarray(from);
  const at = bytes.findIndex((byte) => byte !== 0);
  if (at >= 0) throw new Error(`${device} has data at byte ${from + at}: ${bytes.subarray(at, at + 16).toString()}`);
}
