import { LvmError, VolumeError } from "../errors.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { type Context, type Volume, volumesOf } from "./context.ts";
import { formatVolumeId, scratchName } from "./id.ts";

/** A page of ListVolumes. */
export interface VolumePage {
  readonly volumes: readonly Volume[];
  /** Where the next page begins; undefined on the last. */
  readonly next: string | undefined;
}

/**
 * Lists the driver's volumes in the order of their ids. A token names the last volume of the page before, so that
 * volumes made and removed between two pages neither hide nor repeat another.
 * @throws VolumeError aborted for a token that the driver did not make (CSI specification, ListVolumes); LvmError when
 * a group cannot be read: a list without its volumes would say that they are gone. A group of which this process has
 * never seen anything has none: nodes need not have all groups of the allow-list.
 */
export async function listVolumes(context: Context, maxEntries: number, token: string): Promise<VolumePage> {
  const after = decodeToken(token);
  const volumes = (await allVolumes(context))
    .map((volume) => ({ volume, id: formatVolumeId(volume.id) }))
    .filter(({ id }) => after === undefined || id > after)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const page = maxEntries === 0 ? volumes : volumes.slice(0, maxEntries);
  const last = page.at(-1);
  return {
    volumes: page.map(({ volume }) => volume),
    next: last !== undefined && page.length < volumes.length ? encodeToken(last.id) : undefined,
  };
}

/** The volumes that CreateVolume has answered for, and those still being removed. */
async function allVolumes(context: Context): Promise<readonly Volume[]> {
  const volumes = await Promise.all([...context.groups.values()].map((group) => volumesIn(context, group)));
  return volumes.flat().filter((volume) => volume.record.state !== "creating" || isExpanding(context, volume));
}

async function volumesIn(context: Context, group: VolumeGroup): Promise<readonly Volume[]> {
  try {
    return volumesOf(context, group, await group.read());
  } catch (error) {
    if (error instanceof LvmError && error.kind === "groupMissing" && !group.isHeardOf) return [];
    throw error;
  }
}

/** One that grows before its first use is for a while `creating` again. */
function isExpanding(context: Context, { id }: Volume): boolean {
  return context.operations.isRunning(scratchName(id.logicalVolume), "expand ");
}

function encodeToken(id: string): string {
  return Buffer.from(`after ${id}`).toString("base64url");
}

function decodeToken(token: string): string | undefined {
  if (token === "") return undefined;
  const text = Buffer.from(token, "base64url").toString();
  if (text.startsWith("after ") && encodeToken(text.slice(6)) === token) return text.slice(6);
  throw new VolumeError("aborted", "starting_token is not one of this driver's; list again without it");
}
