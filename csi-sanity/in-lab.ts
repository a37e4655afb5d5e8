// Runs inside the laboratory, which run.ts boots for each mode, on its one disk.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { checkMode } from "./check-mode.ts";
import { modeNamed } from "./modes.ts";
import { summarize } from "./outcome.ts";

const { values } = parseArgs({
  options: { mode: { type: "string" }, sanity: { type: "string" }, results: { type: "string" } },
});
const { mode, sanity, results } = values;
const disk = process.env["LAB_DISKS"];
if (!mode || !sanity || !results || !disk) throw new Error("--mode, --sanity, --results and a disk are needed");

const outcome = await checkMode(modeNamed(mode), { sanity, disk, results });
console.log(summarize(outcome));
await writeFile(path.join(results, "outcome.json"), JSON.stringify(outcome));
