import { randomBytes } from "node:crypto";
import { constants, fstatSync, openSync, readSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { Descriptor } from "./descriptor.ts";
import { ignoring } from "./error-code.ts";
import { OUTPUT_PREFIX } from "./private-contents.ts";

/**
 * Makes a file without a name, for what a program says. It is gone when its last user closes it. A pipe in its place
 * would break when the driver is killed, and the next word of mkfs or fsck would be its last (SIGPIPE, signal(7)).
 * @param directory where it has a name for a moment
 */
export function makeOutputFile(directory: string): Descriptor {
  const path = join(directory, `${OUTPUT_PREFIX}${randomBytes(8).toString("hex")}`);
  const file = new Descriptor(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600));
  // Another run of the driver that starts just now takes it for left behind.
  ignoring(["ENOENT"], () => unlinkSync(path));
  return file;
}

/** The last bytes that were written to the file, at most so many. */
export function readTail(file: Descriptor, limit: number): string {
  const { size } = fstatSync(file.number);
  const bytes = Buffer.alloc(Math.min(size, limit));
  const count = readSync(file.number, bytes, 0, bytes.length, size - bytes.length);
  return bytes.toString("utf8", 0, count);
}
