import { LvmError } from "../errors.ts";
import type { Devices } from "../host/host.ts";
import { type CommittedText, type Headers, type LabelledDevice, readTexts } from "./metadata.ts";
import type { VolumeGroupState } from "./model.ts";
import { groupSection, uuidOf, volumeGroupState } from "./volume-group-state.ts";

/** A volume group as some devices carry it. */
export interface FoundGroup {
  readonly state: VolumeGroupState;
  /** The devices of its physical volumes, those that LVM has marked as missing too. */
  readonly members: readonly LabelledDevice[];
  /** What the state was read from. */
  readonly headers: Headers;
}

/**
 * Finds the volume group of that name on these devices.
 * @throws LvmError groupMissing, groupAmbiguous, groupUnreadable; SystemError when one of the devices cannot be read
 */
export async function findGroup(
  devices: Devices,
  name: string,
  labelled: readonly LabelledDevice[],
): Promise<FoundGroup> {
  const { headers, texts } = await readTexts(devices, labelled);
  const newest = newestText(texts, name);
  const uuids = physicalVolumeUuids(newest.text);
  const members = labelled.filter((one) => uuids.has(one.label.uuid));
  refuseCopies(members, name);
  const byUuid = new Map(members.map((one) => [one.label.uuid, one.device]));
  return {
    state: volumeGroupState(newest.text, byUuid, { usedBytes: newest.bytes, capacityBytes: newest.capacityBytes }),
    members,
    headers: headersOf(headers, members),
  };
}

type WholeText = CommittedText & { readonly text: NonNullable<CommittedText["text"]> };

function newestText(texts: readonly CommittedText[], name: string): WholeText {
  const ours = texts.filter((text) => text.name === name);
  const whole = ours.filter((text): text is WholeText => text.text !== undefined);
  const uuids = new Set(whole.map((text) => uuidOf(groupSection(text.text)[1])));
  if (uuids.size > 1) {
    const remedy = "rename one of them with vgrename and its uuid";
    throw new LvmError("groupAmbiguous", `${uuids.size} volume groups are named ${name}; ${remedy}`);
  }
  const newest = whole.toSorted((a, b) => b.sequenceNumber - a.sequenceNumber)[0];
  if (newest !== undefined) return newest;
  if (ours.length === 0) throw new LvmError("groupMissing", `no device carries volume group ${name}; see pvs`);
  throw new LvmError("groupUnreadable", `the metadata of volume group ${name} is damaged on all its devices; see vgck`);
}

function physicalVolumeUuids(text: WholeText["text"]): ReadonlySet<string> {
  const section = groupSection(text)[1].sections.get("physical_volumes");
  return new Set([...(section?.sections.values() ?? [])].map(uuidOf));
}

function refuseCopies(members: readonly LabelledDevice[], name: string): void {
  for (const [uuid, copies] of Map.groupBy(members, (one) => one.label.uuid)) {
    if (copies.length === 1) continue;
    const names = copies.map((copy) => copy.device.name).join(" and ");
    const problem = `physical volume ${uuid} of volume group ${name} is on ${names}`;
    throw new LvmError("groupAmbiguous", `${problem}; detach the copies, or give them another uuid with vgimportclone`);
  }
}

function headersOf(headers: Headers, members: readonly LabelledDevice[]): Headers {
  return {
    fingerprints: new Map([...headers.fingerprints].filter(([device]) => members.includes(device))),
    found: headers.found.filter(({ labelled }) => members.includes(labelled)),
  };
}
