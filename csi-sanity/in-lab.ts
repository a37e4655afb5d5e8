// Runs inside the laboratory, which run.ts boots for each mode, on its disks.
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
const disks = (process.env["LAB_DISKS"] ?? "").split(" ").filter((disk) => disk !== "");
if (!mode || !sanity || !results || disks.length === 0) {
  throw new Error("--mode, --sanity, --results and a disk are needed");
}

const outcome = await checkMode(modeNamed(mode), { sanity, disks, results });
console.log(summarize(outcome));
await writeFile(path.join(results, "outcome.json"), JSON.stringify(outcome));
