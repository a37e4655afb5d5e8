// Runs inside the laboratory, one disk for each mode: see run.ts, which starts it.
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { checkMode } from "./check-mode.ts";
import { modeNamed } from "./modes.ts";
import { summarize } from "./outcome.ts";

const { values } = parseArgs({
  options: {
    sanity: { type: "string" },
    results: { type: "string" },
    mode: { type: "string", multiple: true },
  },
});
const { sanity, results, mode: names = [] } = values;
if (sanity === undefined || results === undefined) throw new Error("--sanity and --results are needed");
const disks = (process.env["LAB_DISKS"] ?? "").split(" ");

for (const [index, name] of names.entries()) {
  const disk = disks[index];
  if (!disk) throw new Error(`no disk for ${name}: LAB_DISKS is ${JSON.stringify(process.env["LAB_DISKS"])}`);
  const directory = path.join(results, name);
  await mkdir(directory, { recursive: true });
  const outcome = await checkMode(modeNamed(name), { sanity, disk, results: directory });
  console.log(summarize(outcome));
  await writeFile(path.join(directory, "outcome.json"), JSON.stringify(outcome));
}
