import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** What was written where, and how to know it again. Offset and bytes are multiples of 1 MiB. */
export interface Written {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** Where to write, at most. */
export interface Room {
  /** A file, which is made where it is missing, or a device. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A program in a pod that writes on and on. */
export interface Writer {
  /** @throws Error when a write failed */
  stop(): Promise<Written>;
}

const pieceBytes = 2 ** 20;

/** No faster than 50 MiB/s: on a fast disk too, it is to write for as long as the others are at work. */
const pauseMilliseconds = 20;

/** Begins to write, piece by piece, each flushed to the disk. */
export function startWriter(room: Room): Writer {
  let stopped = false;
  const done = write(room, { isLast: () => stopped });
  // told at stop()
  done.catch(() => undefined);
  return {
    stop: () => {
      stopped = true;
      return done;
    },
  };
}

/**
 * Fills the room and flushes it to the disk.
 * @param pace flushes each piece, and says after which the writing ends
 */
export async function write({ file, offset, bytes }: Room, pace?: { isLast: () => boolean }): Promise<Written> {
  const piece = randomBytes(pieceBytes);
  const hash = createHash("sha256");
  const handle = await open(file, constants.O_RDWR | constants.O_CREAT);
  let written = 0;
  try {
    while (written < bytes) {
      piece.writeUInt32LE(written / pieceBytes);
      await handle.write(piece, 0, piece.length, offset + written);
      hash.update(piece);
      written += piece.length;
      if (pace === undefined) continue;
      await handle.datasync();
      if (pace.isLast()) break;
      await sleep(pauseMilliseconds);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { file, offset, bytes: written, sha256: hash.digest("hex") };
}

/**
 * Whether what was written is still there.
 * @param file where it is read: the same contents may be seen at another path
 */
export async function isIntact({ offset, bytes, sha256 }: Written, file: string): Promise<boolean> {
  const range = [`skip=${offset / pieceBytes}`, `count=${bytes / pieceBytes}`];
  // from the disk, not from memory: O_DIRECT of open(2)
  const args = [`if=${file}`, "bs=1M", ...range, "iflag=direct", "status=none"];
  const dd = spawn("dd", args, { stdio: ["ignore", "pipe", "inherit"] });
  const hash = createHash("sha256");
  for await (const chunk of dd.stdout) hash.update(chunk);
  return hash.digest("hex") === sha256;
}

/** How many bytes of a file or device, of its range, are not in a zero block of 64 KiB. */
export async function countNonzero(file: string, from: number, to: number): Promise<number> {
  const piece = Buffer.alloc(8 * 2 ** 20);
  const zeroes = Buffer.alloc(piece.length);
  const handle = await open(file, "r");
  let count = 0;
  try {
    for (let offset = from; offset < to;) {
      const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, to - offset), offset);
      if (bytesRead === 0) throw new Error(`${file} ends at ${offset} bytes instead of ${to}`);
      offset += bytesRead;
      if (piece.compare(zeroes, 0, bytesRead, 0, bytesRead) !== 0) count += nonzeroBlocks(piece.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
  return count;
}

const blockBytes = 64 * 2 ** 10;
const zeroBlock = Buffer.alloc(blockBytes);

function nonzeroBlocks(piece: Buffer): number {
  let count = 0;
  for (let offset = 0; offset < piece.length; offset += blockBytes) {
    const block = piece.subarray(offset, offset + blockBytes);
    if (block.compare(zeroBlock, 0, block.length) !== 0) count += block.length;
  }
  return count;
}
