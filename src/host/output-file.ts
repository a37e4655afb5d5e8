import { randomBytes } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { hasCode } from "./error-code.ts";
import { OUTPUT_PREFIX } from "./private-contents.ts";

/** A file without a name, for what a program says. */
export interface OutputFile {
  /** For a program, which gets its descriptor and not a pipe. */
  readonly stream: Writable;
  /** The last bytes that were written, at most so many. */
  tail(limit: number): Promise<string>;
  close(): Promise<void>;
}

/**
 * Makes a file that is gone when its last user closes it. A pipe in its place would break when the driver is killed,
 * and the next word of mkfs or fsck would be its last (SIGPIPE, signal(7)).
 * @param directory where it has a name for a moment
 */
export async function makeOutputFile(directory: string): Promise<OutputFile> {
  const path = join(directory, `${OUTPUT_PREFIX}${randomBytes(8).toString("hex")}`);
  const file = await open(path, "wx+", 0o600);
  await removeName(path);
  const stream = file.createWriteStream({ autoClose: false });
  return { stream, tail: (limit) => readTail(file, limit), close: () => file.close() };
}

async function removeName(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    // Another run of the driver that starts just now takes it for left behind.
    if (!hasCode(error, ["ENOENT"])) {
      throw error;
    }
  }
}

async function readTail(file: FileHandle, limit: number): Promise<string> {
  const { size } = await file.stat();
  const length = Math.min(size, limit);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return buffer.toString("utf8", 0, bytesRead);
}
