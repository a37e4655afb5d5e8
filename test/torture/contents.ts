import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import path from "node:path";
import type { Expected } from "./expected.ts";

/** Bytes in a place: a file of a filesystem, or a part of a raw block volume. */
export const placeBytes = 256 * 1024;
const sectorBytes = 512;

/** What the image files are full of before the first volume is made: an earlier tenant's data. */
export const earlierTenant = Buffer.alloc(4096, "somebody's secret");

/** Nobody else's bytes, and the same each time. */
function contentOf(volume: string, place: number): Buffer {
  return createHash("shake256", { outputLength: placeBytes }).update(`${volume}/${place}`).digest();
}

/** The next place where nothing was written yet; undefined if the volume is full enough. */
export function nextPlace({ kind, bytes, touched }: Expected): number | undefined {
  const places = kind === "block" ? bytes / placeBytes : Math.min(24, (bytes * 0.3) / placeBytes);
  return touched.size < places ? touched.size : undefined;
}

/** Writes a place, and flushes it to the disk. @param target the published directory or device */
export async function writePlace({ name, kind }: Expected, place: number, target: string): Promise<void> {
  const content = contentOf(name, place);
  const file = await (kind === "block" ? open(target, "r+") : open(path.join(target, String(place)), "wx"));
  try {
    await file.write(content, 0, content.length, kind === "block" ? place * placeBytes : 0);
    await file.sync();
  } finally {
    await file.close();
  }
  if (kind !== "block") await flushDirectory(target);
}

/** A new file's name is on the disk only when its directory is (fsync(2)). */
async function flushDirectory(target: string): Promise<void> {
  const directory = await open(target, "r");
  await directory.sync();
  await directory.close();
}

/** What is not as it was acknowledged, in words; nothing if all is. */
export function findLosses(volume: Expected, target: string): Promise<readonly string[]> {
  return volume.kind === "block" ? lossesOfDevice(volume, target) : lossesOfDirectory(volume, target);
}

async function lossesOfDirectory({ name, written }: Expected, target: string): Promise<readonly string[]> {
  const losses: string[] = [];
  for (const place of written) {
    const found = await readFileIfThere(path.join(target, String(place)));
    if (found?.equals(contentOf(name, place)) !== true) losses.push(`${name}: file ${place}`);
  }
  return losses;
}

async function readFileIfThere(file: string): Promise<Buffer | undefined> {
  const handle = await open(file, "r").catch(() => undefined);
  try {
    return await handle?.readFile();
  } finally {
    await handle?.close();
  }
}

/** What was not written yet reads as zeroes, and where writing was cut off, as nothing but that content or zeroes. */
async function lossesOfDevice({ name, bytes, written, touched }: Expected, target: string): Promise<readonly string[]> {
  const losses: string[] = [];
  const zeroes = Buffer.alloc(placeBytes);
  const device = await open(target, "r");
  for (let place = 0; place < bytes / placeBytes; place += 1) {
    const { buffer, bytesRead } = await device.read(Buffer.alloc(placeBytes), 0, placeBytes, place * placeBytes);
    const content = touched.has(place) ? contentOf(name, place) : zeroes;
    const isWhole = bytesRead === placeBytes && buffer.equals(content);
    const isTorn = bytesRead === placeBytes && touched.has(place) && !written.has(place) && isMixture(buffer, content);
    if (!isWhole && !isTorn) losses.push(`${name}: ${touched.has(place) ? "" : "somebody's data at "}place ${place}`);
  }
  await device.close();
  return losses;
}

/** Whether each sector is that of the content, or zeroes. */
function isMixture(found: Buffer, content: Buffer): boolean {
  const zeroes = Buffer.alloc(sectorBytes);
  for (let at = 0; at < found.length; at += sectorBytes) {
    const sector = found.subarray(at, at + sectorBytes);
    if (!sector.equals(zeroes) && !sector.equals(content.subarray(at, at + sectorBytes))) return false;
  }
  return true;
}
