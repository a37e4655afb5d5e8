import { constants, lstatSync, openSync, unlinkSync } from "node:fs";
import { SystemError } from "../errors.ts";
import { Descriptor } from "./descriptor.ts";
import { hasCode, ignoring } from "./error-code.ts";
import { patiently } from "./patiently.ts";
import { lockExclusively } from "./system-calls.ts";

/**
 * Locks that are files (flock(2)). Such a lock belongs to what was opened, not to a process: a program that inherits
 * the descriptor holds it too, and it ends with the last of them, however they end.
 */

/** A file that was replaced while it was being locked is tried again; more often than this, somebody does it on purpose. */
const ATTEMPTS = 8;

/** Makes the file if it is absent, and locks it. The number of a descriptor that is not closed here. */
export function lockPath(input: { path: string }): number {
  return patiently(() => openLocked(input.path, constants.O_RDWR | constants.O_CREAT)).number;
}

/** Removes the file of a lock, unless somebody holds it. */
export function removeLock(input: { path: string }): void {
  ignoring(["ENOENT", "EBUSY"], () => {
    using _lock = patiently(() => openLocked(input.path, constants.O_RDWR));
    unlinkSync(input.path);
  });
}

/**
 * Opens a file or a directory and locks it. Whoever holds the lock may remove the file, so what was locked counts only
 * if its name still stands for it.
 * @throws SystemError EBUSY when somebody else holds the lock, ENOENT
 */
export function openLocked(path: string, flags: number): Descriptor {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const descriptor = new Descriptor(openSync(path, flags | constants.O_NOFOLLOW, 0o600));
    if (lockedAt(path, descriptor)) {
      return descriptor;
    }
    descriptor[Symbol.dispose]();
  }
  throw new SystemError("EBUSY", `${path} is replaced again and again`);
}

/** Closes the descriptor when it throws. */
function lockedAt(path: string, descriptor: Descriptor): boolean {
  try {
    lockExclusively(descriptor.number);
    const opened = descriptor.status();
    const named = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return named?.ino === opened.ino && named.dev === opened.dev;
  } catch (error) {
    descriptor[Symbol.dispose]();
    throw hasCode(error, ["EAGAIN"]) ? new SystemError("EBUSY", `${path} is locked`, { cause: error }) : error;
  }
}
