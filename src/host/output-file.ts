import { type FileHandle, open, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { makePrivateDirectory } from "./private-directory.ts";

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
 */
export async function makeOutputFile(): Promise<OutputFile> {
  const directory = await makePrivateDirectory();
  const path = join(directory, "output");
  const file = await open(path, "wx+", 0o600);
  await unlink(path);
  await rmdir(directory);
  const stream = file.createWriteStream({ autoClose: false });
  return { stream, tail: (limit) => readTail(file, limit), close: () => file.close() };
}

async function readTail(file: FileHandle, limit: number): Promise<string> {
  const { size } = await file.stat();
  const length = Math.min(size, limit);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return buffer.toString("utf8", 0, bytesRead);
}
