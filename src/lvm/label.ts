import type { ByteRange } from "../host/host.ts";
import { checksum } from "./checksum.ts";

/** What LVM wrote at the start of a device when it made it a physical volume (lib/label/label.h, lib/format_text/layout.h). */
export interface Label {
  /** The physical volume's uuid: 32 characters, no hyphens. */
  readonly uuid: string;
  /** Where on the device the label's sector is. */
  readonly sector: ByteRange;
  /** Where on the device the metadata areas are: none, one or two. */
  readonly metadataAreas: readonly ByteRange[];
}

const sectorBytes = 512;

/** The part of a device that a label can be in: its first four sectors. */
export const labelRange: ByteRange = { offset: 0, length: 4 * sectorBytes };

/** Finds the label in the start of a device. A label with a wrong checksum is none, as for LVM. */
export function findLabel(start: Uint8Array): Label | undefined {
  for (let offset = 0; offset < labelRange.length; offset += sectorBytes) {
    const sector = start.subarray(offset, offset + sectorBytes);
    const label = isLabel(sector, offset) ? readLabel(sector, offset) : undefined;
    if (label !== undefined) return label;
  }
  return undefined;
}

function isLabel(sector: Uint8Array, offset: number): boolean {
  if (sector.length < sectorBytes || textAt(sector, 0, 8) !== "LABELONE" || textAt(sector, 24, 8) !== "LVM2 001") {
    return false;
  }
  const view = viewOf(sector);
  const isAtItsPlace = view.getBigUint64(8, true) === BigInt(offset / sectorBytes);
  return isAtItsPlace && view.getUint32(16, true) === checksum(sector.subarray(20));
}

function readLabel(sector: Uint8Array, offset: number): Label | undefined {
  const header = viewOf(sector).getUint32(20, true);
  if (header + uuidLength + 8 > sectorBytes) return undefined;
  const firstArea = header + uuidLength + 8;
  const dataAreas = readAreas(sector, firstArea);
  const metadataAreas = dataAreas && readAreas(sector, firstArea + (dataAreas.length + 1) * 16);
  if (metadataAreas === undefined) return undefined;
  const uuid = textAt(sector, header, uuidLength);
  return { uuid, sector: { offset, length: sectorBytes }, metadataAreas };
}

const uuidLength = 32;

/** A list of areas, ended by one that starts at 0; undefined when it does not end within the sector. */
function readAreas(sector: Uint8Array, start: number): readonly ByteRange[] | undefined {
  const view = viewOf(sector);
  const areas: ByteRange[] = [];
  for (let at = start; at + 16 <= sectorBytes; at += 16) {
    const offset = Number(view.getBigUint64(at, true));
    if (offset === 0) return areas;
    areas.push({ offset, length: Number(view.getBigUint64(at + 8, true)) });
  }
  return undefined;
}

function textAt(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
