import { LvmError } from "../errors.ts";
import { type CommittedText, type Headers, type LabelledDevice, readTexts } from "./metadata.ts";
import type { VolumeGroupState } from "./model.ts";
import { newestText, physicalVolumeUuids } from "./newest-text.ts";
import type { DeviceReads } from "./patient-reads.ts";
import { volumeGroupState } from "./volume-group-state.ts";

/** A volume group as some devices carry it. */
export interface FoundGroup {
  readonly state: VolumeGroupState;
  /** The devices of its physical volumes, those that LVM has marked as missing too. */
  readonly members: readonly LabelledDevice[];
  /** What the state was read from. */
  readonly headers: Headers;
  /** Those of the members that carry the state's text. */
  readonly carriers: readonly LabelledDevice[];
}

/** Devices on which a volume group is looked for. */
export interface Search {
  readonly labelled: readonly LabelledDevice[];
  /** Uuids of the physical volumes that it was last seen with, if it was seen. */
  readonly known: ReadonlySet<string> | undefined;
  /** The headers of all these devices, if they have just been read. */
  readonly headers?: Headers;
}

/**
 * Finds the volume group of that name on these devices.
 * @param search whose `known` are the uuids of the physical volumes that it was last seen with. They alone are believed
 * then: another device belongs to the group only if the metadata on one of them says so, whatever it says itself.
 * Anybody can write a label and a metadata text with the group's name and uuid to a disk that is his, but nothing tells
 * him the uuid of one of its physical volumes (so no message of the driver's may have one).
 * @throws LvmError groupMissing, groupAmbiguous, groupUnreadable; SystemError when one of the devices cannot be read
 */
export async function findGroup(reads: DeviceReads, name: string, search: Search): Promise<FoundGroup> {
  const { labelled, known } = search;
  const { headers, texts } =
    known === undefined
      ? await readTexts(reads, labelled, search.headers)
      : await readBelieved(reads, name, { ...search, known });
  const newest = newestText(texts, name);
  const uuids = physicalVolumeUuids(newest.text);
  const members = labelled.filter((one) => uuids.has(one.label.uuid));
  refuseCopies(members, name);
  const byUuid = new Map(members.map((one) => [one.label.uuid, one.device]));
  return {
    state: volumeGroupState(newest.text, byUuid, { usedBytes: newest.bytes, capacityBytes: newest.capacityBytes }),
    members,
    headers: headersOf(headers, members),
    carriers: newest.carriers.filter((one) => members.includes(one)),
  };
}

interface Reading {
  readonly headers: Headers;
  readonly texts: readonly CommittedText[];
}

/** Reads the known devices, and those that they name, and so on. No other device is read. */
async function readBelieved(
  reads: DeviceReads,
  name: string,
  { labelled, known, headers }: Search & { readonly known: ReadonlySet<string> },
): Promise<Reading> {
  const believed = labelled.filter((one) => known.has(one.label.uuid));
  for (;;) {
    const reading = await readTexts(reads, believed, believed.length === labelled.length ? headers : undefined);
    const uuids = physicalVolumeUuids(newestText(reading.texts, name).text);
    const named = labelled.filter((one) => uuids.has(one.label.uuid) && !believed.includes(one));
    if (named.length === 0) return reading;
    believed.push(...named);
  }
}

function refuseCopies(members: readonly LabelledDevice[], name: string): void {
  for (const copies of Map.groupBy(members, (one) => one.label.uuid).values()) {
    if (copies.length === 1) continue;
    const names = copies.map((copy) => copy.device.name).join(" and ");
    const problem = `one physical volume of volume group ${name} is on ${names}`;
    throw new LvmError("groupAmbiguous", `${problem}; detach the copies, or give them another uuid with vgimportclone`);
  }
}

function headersOf(headers: Headers, members: readonly LabelledDevice[]): Headers {
  return {
    fingerprints: new Map([...headers.fingerprints].filter(([device]) => members.includes(device))),
    found: headers.found.filter(({ labelled }) => members.includes(labelled)),
  };
}
