import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { ignoring } from "./error-code.ts";
import { removeLock } from "./file-lock.ts";
import { unmountPrivate } from "./private-bind.ts";
import { OUTPUT_PREFIX, purposeOf, removePrivateDirectory } from "./private-contents.ts";
import { lockDirectory } from "./private-directory.ts";

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

/** What a run that is alive has locked stays. */
function sweep(path: string, name: string): void {
  if (purposeOf(name) !== undefined) {
    ignoring(["ENOENT", "EBUSY"], () => removeUnlocked(path, name));
  } else if (/^device-[^/]+\.lock$/.test(name)) {
    removeLock({ path });
  } else if (name.startsWith(OUTPUT_PREFIX)) {
    ignoring(["ENOENT"], () => unlinkSync(path));
  } else {
    throw new Error("not the driver's");
  }
}

function removeUnlocked(path: string, name: string): void {
  using _lock = lockDirectory(path);
  const purpose = purposeOf(name);
  if (purpose === "bind") unmountPrivate(path);
  if (purpose !== undefined) removePrivateDirectory(path, purpose);
}
