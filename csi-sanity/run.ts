// Builds csi-sanity, checks proto/csi.proto against the specification, and runs every mode in the laboratory against
// the real driver on real LVM. `--mode NAME` (repeatable) runs only that; `--json FILE` writes the outcomes there.
import { execFileSync, spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { buildPrograms, type Programs, runGo } from "./go.ts";
import { type Mode, modeNamed, modes } from "./modes.ts";
import type { Outcome } from "./outcome.ts";

const checkout = path.resolve(import.meta.dirname, "..");
const cache = path.join(checkout, "node_modules/.cache/csi-sanity");
const results = path.join(cache, "results");

/** A mode has 5 minutes by itself; this is for a laboratory that hangs. */
const laboratorySeconds = 900;

const { values: options } = parseArgs({
  options: { json: { type: "string" }, mode: { type: "string", multiple: true } },
});
const chosen = options.mode?.map(modeNamed) ?? modes;

const outcomes = await runAll(chosen);
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(outcomes, undefined, 2)}\n`);
process.exitCode = outcomes.every((outcome) => outcome.failed === 0 && outcome.skipped === 0) ? 0 : 1;

async function runAll(selected: readonly Mode[]): Promise<readonly Outcome[]> {
  console.log("csi-sanity: building (a minute or two at the first time)");
  const programs = await buildPrograms(cache).catch((error: unknown) => failure("build", String(error)));
  if ("mode" in programs) return [programs];
  const wrong = await checkContract(programs);
  if (wrong !== undefined) return [failure("contract", wrong)];
  await rm(results, { recursive: true, force: true });
  await mkdir(results, { recursive: true });
  const status = await runInLaboratory(selected, programs.sanity);
  const found = await Promise.all(selected.map((mode) => readOutcome(mode, status)));
  if (status !== 0 && found.every((outcome) => outcome.failed === 0)) {
    found.push(failure("laboratory", `the laboratory ended with ${status}`));
  }
  return found;
}

/** What is wrong with proto/csi.proto, or with the program that compares it. */
async function checkContract({ go, compareProto }: Programs): Promise<string | undefined> {
  try {
    console.log(execFileSync(compareProto, ["proto/csi.proto"], { cwd: checkout, encoding: "utf8" }).trimEnd());
    await runGo(go, ["test", "./..."]);
    return undefined;
  } catch (error) {
    return error instanceof Error && "stdout" in error ? String(error.stdout) : String(error);
  }
}

function runInLaboratory(selected: readonly Mode[], sanity: string): Promise<number | string> {
  const disks = selected.flatMap(() => ["--disk", "16G"]);
  const limit = ["--timeout", String(laboratorySeconds)];
  const guest = [path.join(import.meta.dirname, "in-lab.ts"), "--sanity", sanity, "--results", results];
  const names = selected.flatMap((mode) => ["--mode", mode.name]);
  return new Promise((resolve, reject) => {
    const args = [...disks, ...limit, "--share", results, "--", process.execPath, ...guest, ...names];
    const boot = spawn(path.join(checkout, "test/lab/boot"), args, { stdio: ["ignore", "inherit", "inherit"] });
    boot.once("error", reject);
    boot.once("exit", (code, signal) => resolve(code ?? signal ?? "no status"));
  });
}

async function readOutcome(mode: Mode, status: number | string): Promise<Outcome> {
  try {
    // written by in-lab.ts
    return JSON.parse(await readFile(path.join(results, mode.name, "outcome.json"), "utf8")) as Outcome;
  } catch {
    return failure(mode.name, `did not come to its end; the laboratory ended with ${status}`);
  }
}

function failure(mode: string, problem: string): Outcome {
  console.log(`csi-sanity ${mode}: FAILED ${problem}`);
  return { mode, passed: 0, failed: 1, skipped: 0, ran: 0, notSelected: 0, problems: [problem], seconds: 0 };
}
