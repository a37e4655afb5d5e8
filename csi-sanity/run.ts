// Builds csi-sanity, checks proto/csi.proto against the specification, and runs every mode in the laboratory against
// the real driver on real LVM. `--mode NAME` (repeatable) runs only that; `--json FILE` writes the outcomes there.
import { execFileSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { buildPrograms, cache, type Programs, runGo } from "./go.ts";
import { runModes } from "./laboratory.ts";
import { type Mode, modeNamed, modes } from "./modes.ts";
import { failedOutcome, type Outcome } from "./outcome.ts";

const checkout = path.resolve(import.meta.dirname, "..");
const results = path.join(cache, "results");

const { values: options } = parseArgs({
  options: { json: { type: "string" }, mode: { type: "string", multiple: true } },
});

const outcomes = await runAll(options.mode?.map(modeNamed) ?? modes);
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(outcomes, undefined, 2)}\n`);
process.exitCode = outcomes.every((outcome) => outcome.failed === 0 && outcome.skipped === 0) ? 0 : 1;

async function runAll(selected: readonly Mode[]): Promise<readonly Outcome[]> {
  console.log("csi-sanity: building (a minute or two at the first time)");
  const programs = await buildPrograms().catch((error: unknown) => failedOutcome("build", String(error)));
  if ("mode" in programs) return [programs];
  const wrong = await checkContract(programs);
  if (wrong !== undefined) return [failedOutcome("contract", wrong)];
  await rm(results, { recursive: true, force: true });
  await mkdir(results, { recursive: true });
  return runModes(selected, { sanity: programs.sanity, results });
}

/** What is wrong with proto/csi.proto, or with the program that compares it. */
async function checkContract({ go, compareProto }: Programs): Promise<string | undefined> {
  try {
    await runGo(go, ["test", "./..."]);
    console.log(execFileSync(compareProto, ["proto/csi.proto"], { cwd: checkout, encoding: "utf8" }).trimEnd());
    return undefined;
  } catch (error) {
    return error instanceof Error && "stdout" in error ? String(error.stdout) : String(error);
  }
}
