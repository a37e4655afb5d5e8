// Kills the driver's LVM process before each of its ioctls and writes, which is also after each one before: `npm run
// fault-points`. See docs/reliability.md. `-- --every K` takes every K-th point only, `--from N` from the N-th on.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { copyFile } from "node:fs/promises";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    every: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    /** Where the counts are written for test/run.ts. */
    json: { type: "string" },
  },
});
const share = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-points."));
const counts = path.join(share, "counts.json");
const program = path.join(import.meta.dirname, "in-lab.ts");
const args = ["--every", values.every, "--from", values.from, "--json", counts];
const laboratory = ["--disk", "160M", "--share", share, "--timeout", "3600"];
const boot = spawn(
  path.join(import.meta.dirname, "../lab/boot"),
  [...laboratory, "--", process.execPath, program, ...args],
  { stdio: "inherit" },
);
const [status] = await once(boot, "exit");
if (values.json !== undefined) await copyFile(counts, values.json).catch(() => undefined);
await rm(share, { recursive: true });
process.exitCode = status === 0 ? 0 : 1;
