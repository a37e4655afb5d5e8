import type { ByteRange } from "../host/host.ts";
import { checksum } from "./checksum.ts";

/** What the header of a metadata area says of the text that is committed in it (lib/format_text/layout.h in LVM2). */
export interface MetadataAreaHeader {
  /** Where on the device the text is: two ranges where it wraps round in the ring; none while no group is written. */
  readonly text: readonly ByteRange[];
  readonly textBytes: number;
  readonly textChecksum: number;
  /** Whether LVM keeps no current text here (pvchange --metadataignore). */
  readonly ignored: boolean;
  /** The largest text that can be committed here. */
  readonly capacityBytes: number;
}

/** Bytes of the header; the ring of texts fills the rest of the area. */
const headerBytes = 512;

/** Where on the device the header of a metadata area is. */
export function headerRange(area: ByteRange): ByteRange {
  return { offset: area.offset, length: headerBytes };
}

/** Reads the header; undefined when it is none, or does not hold together, or does not fit its area. */
export function readHeader(bytes: Uint8Array, area: ByteRange): MetadataAreaHeader | undefined {
  if (bytes.length < headerBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const start = Number(view.getBigUint64(24, true));
  const size = Number(view.getBigUint64(32, true));
  const isOurs =
    view.getUint32(0, true) === checksum(bytes.subarray(4, headerBytes)) &&
    magic.every((byte, index) => bytes[4 + index] === byte) &&
    view.getUint32(20, true) === 1 &&
    start === area.offset &&
    size > headerBytes;
  if (!isOurs) return undefined;
  return readLocation(view, { offset: start, length: size });
}

const magic = new TextEncoder().encode(" LVM2 x[5A%r0N*>");
const firstLocation = 40;
const ignoredFlag = 1;

function readLocation(view: DataView, area: ByteRange): MetadataAreaHeader | undefined {
  const offset = Number(view.getBigUint64(firstLocation, true));
  const textBytes = Number(view.getBigUint64(firstLocation + 8, true));
  const text = offset === 0 ? [] : ringRanges(area, offset, textBytes);
  if (text === undefined) return undefined;
  return {
    text,
    textBytes: offset === 0 ? 0 : textBytes,
    textChecksum: view.getUint32(firstLocation + 16, true),
    ignored: (view.getUint32(firstLocation + 20, true) & ignoredFlag) !== 0,
    capacityBytes: capacityOf(area),
  };
}

/** The ranges of a text that starts at this offset of its area and goes on behind the header when it meets the end. */
function ringRanges(area: ByteRange, offset: number, length: number): readonly ByteRange[] | undefined {
  if (offset < headerBytes || offset >= area.length || length > area.length - headerBytes) return undefined;
  const beforeEnd = Math.min(length, area.length - offset);
  const first = { offset: area.offset + offset, length: beforeEnd };
  if (beforeEnd === length) return [first];
  return [first, { offset: area.offset + headerBytes, length: length - beforeEnd }];
}

/** The old and the new text lie in the ring together: LVM allows each half of it, less a sector. */
function capacityOf(area: ByteRange): number {
  return (area.length - headerBytes) / 2 - 512;
}
