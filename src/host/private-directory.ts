import { constants, mkdtempSync } from "node:fs";
import { join } from "node:path";
import type { Descriptor } from "./descriptor.ts";
import { openLocked } from "./file-lock.ts";
import type { PrivatePurpose } from "./private-contents.ts";

/**
 * Directories in the driver's own, for what one run of the driver needs for a while. It keeps each open and locked, so
 * that another run sees which belong to nobody any more.
 */

export interface PrivateDirectory {
  readonly path: string;
  /** It is locked as long as this is open. */
  readonly fd: number;
}

/** A directory that another run took for left behind, before it was locked, is tried again. */
const ATTEMPTS = 8;

export function makePrivateDirectory(input: { parent: string; purpose: PrivatePurpose }): PrivateDirectory {
  for (let attempt = 1; ; attempt += 1) {
    const path = mkdtempSync(join(input.parent, `${input.purpose}-`));
    try {
      return { path, fd: lockDirectory(path).number };
    } catch (error) {
      if (attempt === ATTEMPTS) {
        throw error;
      }
    }
  }
}

/** @throws SystemError EBUSY when the run that it belongs to is alive */
export function lockDirectory(path: string): Descriptor {
  return openLocked(path, constants.O_RDONLY | constants.O_DIRECTORY);
}
