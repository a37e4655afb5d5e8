import { rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { ignoring } from "./error-code.ts";

/** What such a directory is for, and all that is ever in it: files and, after them, empty directories. */
const CONTENTS = {
  /** `archive`, `backup` and `cache` are LVM's doing (lvm.conf(5)). */
  lvm: { files: ["lvm.conf"], directories: ["archive", "backup", "cache"] },
  /** Where a filesystem of the driver's is mounted: bindThroughPrivateMount. */
  bind: { files: [], directories: ["private"] },
} as const;

export type PrivatePurpose = keyof typeof CONTENTS;

/** Names of files that have none a moment after they were made: makeOutputFile. */
export const OUTPUT_PREFIX = "output-";

/**
 * Removes a directory with what was put into it, and nothing else. The caller has it locked.
 * @throws SystemError or Error with the code ENOTEMPTY when there is something else in it
 */
export function removePrivateDirectory(path: string, purpose: PrivatePurpose): void {
  const { files, directories } = CONTENTS[purpose];
  for (const file of files) {
    ignoring(["ENOENT"], () => unlinkSync(join(path, file)));
  }
  for (const directory of directories) {
    ignoring(["ENOENT"], () => rmdirSync(join(path, directory)));
  }
  ignoring(["ENOENT"], () => rmdirSync(path));
}

/** What a directory of that name is for: "lvm-Ab12Cd". */
export function purposeOf(name: string): PrivatePurpose | undefined {
  const purpose = /^([a-z]+)-[A-Za-z0-9]{6}$/.exec(name)?.[1];
  return purpose === "lvm" || purpose === "bind" ? purpose : undefined;
}
