import { VolumeError } from "../errors.ts";
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
 * a group cannot be read: a list without its volumes would say that they are gone.
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
  const states = await Promise.all(
    [...context.groups.values()].map(async (group) => ({ group, state: await group.read() })),
  );
  return states
    .flatMap(({ group, state }) => volumesOf(context, group, state))
    .filter((volume) => volume.record.state !== "creating" || isExpanding(context, volume));
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
