import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasCode } from "./sysfs.ts";

const PREFIX = "lvm-local-csi-";

/** Makes a directory that only this user may enter, in memory if possible: /run, else where temporary files go. */
export async function makePrivateDirectory(): Promise<string> {
  try {
    return await mkdtemp(join("/run", PREFIX));
  } catch (error) {
    if (!hasCode(error, ["EACCES", "EROFS", "ENOENT", "EPERM"])) {
      throw error;
    }
    return mkdtemp(join(tmpdir(), PREFIX));
  }
}
