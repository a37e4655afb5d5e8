import { lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemError } from "../errors.ts";
import { hasCode } from "./error-code.ts";

const NAME = "lvm-local-csi";

/**
 * The directory for what must outlive a run of the driver, and for what only it may see: in memory if possible, below
 * /run, else where temporary files go. Made if it is absent.
 * @throws SystemError EPERM when what stands there is not this user's alone
 */
export function stateDirectory(): string {
  try {
    return ownDirectory(join("/run", NAME));
  } catch (error) {
    if (!hasCode(error, ["EACCES", "EROFS", "ENOENT", "EPERM"])) {
      throw error;
    }
    return ownDirectory(join(tmpdir(), `${NAME}-${process.geteuid?.()}`));
  }
}

function ownDirectory(path: string): string {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, ["EEXIST"])) {
      throw error;
    }
  }
  const status = lstatSync(path);
  if (!status.isDirectory() || status.uid !== process.geteuid?.() || (status.mode & 0o077) !== 0) {
    throw new SystemError("EPERM", `${path} must be a directory that nobody but this user may enter`);
  }
  return path;
}
