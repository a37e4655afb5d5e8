import { setTimeout as pause } from "node:timers/promises";
import { LvmError, SystemError } from "../errors.ts";
import type { BlockDevice } from "../host/host.ts";
import { checksum } from "./checksum.ts";
import type { Label } from "./label.ts";
import { type MetadataAreaHeader, headerRange, readHeader } from "./metadata-area.ts";
import { MetadataSyntaxError, type Section, parseMetadataText } from "./metadata-text.ts";
import type { DeviceReads } from "./patient-reads.ts";
import { sequenceNumberOf } from "./volume-group-state.ts";

/** A device with LVM's label on it. */
export interface LabelledDevice {
  readonly device: BlockDevice;
  readonly label: Label;
}

/** Label sector and metadata headers of some devices, as they were at one time. */
export interface Headers {
  /** All their bytes, by device. */
  readonly fingerprints: ReadonlyMap<LabelledDevice, string>;
  readonly found: readonly { readonly labelled: LabelledDevice; readonly header: MetadataAreaHeader }[];
}

/** A text that some metadata area names as committed. */
export interface CommittedText {
  /** The volume group's name; empty when the text is so damaged that it does not tell. */
  readonly name: string;
  /** Undefined when no copy of it is whole. */
  readonly text: Section | undefined;
  readonly sequenceNumber: number;
  readonly bytes: number;
  /** Of the tightest of its metadata areas. */
  readonly capacityBytes: number;
  /** The devices that it was committed to. */
  readonly carriers: readonly LabelledDevice[];
}

/** Reads label sectors and metadata headers. @throws SystemError of the first device that cannot be read */
export async function readHeaders(devices: DeviceReads, labelled: readonly LabelledDevice[]): Promise<Headers> {
  const fingerprints = new Map<LabelledDevice, string>();
  const found = await Promise.all(
    labelled.map(async (one) => {
      const { sector, metadataAreas } = one.label;
      const blocks = await devices.read(one.device, [sector, ...metadataAreas.map(headerRange)]);
      fingerprints.set(one, Buffer.concat(blocks).toString("latin1"));
      return metadataAreas.flatMap((area, index) => {
        const header = readHeader(blocks[index + 1] ?? new Uint8Array(), area);
        return header === undefined ? [] : [{ labelled: one, header }];
      });
    }),
  );
  return { fingerprints, found: found.flat() };
}

/** Whether none of the devices has changed between the two readings. */
export function sameHeaders(a: Headers, b: Headers): boolean {
  return [...a.fingerprints].every(([device, fingerprint]) => b.fingerprints.get(device) === fingerprint);
}

const attempts = 10;

/**
 * Reads the committed texts of these devices. LVM writes a text first and then the header that names it, so a text
 * between two readings of an unchanged header is whole, without LVM's lock.
 * @param headers those of these devices, if they have just been read
 * @throws LvmError groupUnreadable when the headers never stand still; SystemError when a device cannot be read
 */
export async function readTexts(
  devices: DeviceReads,
  labelled: readonly LabelledDevice[],
  headers?: Headers,
): Promise<{ readonly headers: Headers; readonly texts: readonly CommittedText[] }> {
  let before = headers ?? (await readHeaders(devices, labelled));
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const texts = await readAll(devices, before);
    const after = await readHeaders(devices, labelled);
    if (sameHeaders(before, after)) return { headers: after, texts };
    before = after;
    await pause(attempt * 5);
  }
  throw new LvmError("groupUnreadable", "the volume group changes faster than it can be read; try again");
}

/** Copies of one text are read once; a text that is damaged on one device may be whole on another. */
async function readAll(devices: DeviceReads, headers: Headers): Promise<readonly CommittedText[]> {
  const copies = Map.groupBy(
    headers.found.filter(({ header }) => !header.ignored && header.text.length > 0),
    ({ header }) => `${header.textChecksum} ${header.textBytes}`,
  );
  return Promise.all([...copies.values()].map((same) => readFirstWhole(devices, same)));
}

async function readFirstWhole(devices: DeviceReads, copies: Headers["found"]): Promise<CommittedText> {
  let name = "";
  const carriers = copies.map((copy) => copy.labelled);
  for (const { labelled, header } of copies) {
    const bytes = await readText(devices, labelled.device, header);
    const content = bytes.toString("utf8");
    name = /^\s*([\w+.-]+)\s*\{/.exec(content)?.[1] ?? name;
    const text = checksum(bytes) === header.textChecksum ? parsed(content) : undefined;
    if (text === undefined) continue;
    return {
      name,
      ...text,
      bytes: header.textBytes,
      carriers,
      capacityBytes: Math.min(...copies.map((copy) => copy.header.capacityBytes)),
    };
  }
  return { name, text: undefined, sequenceNumber: -1, bytes: 0, capacityBytes: 0, carriers };
}

/** A text that cannot be read is as good as a damaged one. */
async function readText(devices: DeviceReads, device: BlockDevice, header: MetadataAreaHeader): Promise<Buffer> {
  try {
    return Buffer.concat(await devices.read(device, header.text));
  } catch (error) {
    if (error instanceof SystemError) return Buffer.alloc(0);
    throw error;
  }
}

function parsed(content: string): Pick<CommittedText, "text" | "sequenceNumber"> | undefined {
  try {
    const text = parseMetadataText(content);
    return { text, sequenceNumber: sequenceNumberOf(text) };
  } catch (error) {
    if (error instanceof MetadataSyntaxError || error instanceof LvmError) return undefined;
    throw error;
  }
}
