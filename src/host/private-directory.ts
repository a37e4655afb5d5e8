import { constants, mkdtempSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { Descriptor } from "./descriptor.ts";
import { ignoring } from "./error-code.ts";
import { openLocked, removeLock } from "./file-lock.ts";
import { OUTPUT_PREFIX, purposeOf, removePrivateDirectory } from "./private-contents.ts";
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

/** Removes what killed runs left in the driver's directory. Returns what could not be removed, with the reason. */
export function sweepStateDirectory(input: { directory: string }): readonly string[] {
  return readdirSync(input.directory).flatMap((name) => {
    try {
      sweep(join(input.directory, name), name);
      return [];
    } catch (error) {
      return [`${name}: ${String(error)}`];
    }
  });
}

function sweep(path: string, name: string): void {
  const purpose = purposeOf(name);
  if (purpose !== undefined) {
    ignoring(["ENOENT", "EBUSY"], () => {
      using _lock = lockDirectory(path);
      removePrivateDirectory(path, purpose);
    });
  } else if (/^device-[^/]+\.lock$/.test(name)) {
    removeLock({ path });
  } else if (name.startsWith(OUTPUT_PREFIX)) {
    ignoring(["ENOENT"], () => unlinkSync(path));
  } else {
    throw new Error("not the driver's");
  }
}

function lockDirectory(path: string): Descriptor {
  return openLocked(path, constants.O_RDONLY | constants.O_DIRECTORY);
}
