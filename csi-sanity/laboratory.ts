import { spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { endOfDriverLog } from "./driver-log.ts";
import type { Mode } from "./modes.ts";
import { failedOutcome, type Outcome } from "./outcome.ts";

const checkout = path.resolve(import.meta.dirname, "..");

/** A mode takes half a minute, and csi-sanity ends itself after 5; this is for a laboratory that hangs. */
const laboratorySeconds = 480;

export interface Settings {
  /** The csi-sanity program. */
  readonly sanity: string;
  /** Each mode gets a directory below it for its logs, its report and its outcome. */
  readonly results: string;
}

/**
 * Boots a laboratory for each mode, as many at once as there are processors (a throwaway kernel has one), and prints
 * what each has to say when it is done. The machine's own device-mapper is used by one at a time.
 */
export async function runModes(modes: readonly Mode[], settings: Settings): Promise<readonly Outcome[]> {
  const atOnce = process.env["LAB"] === "host" ? 1 : availableParallelism();
  const waiting = [...modes];
  const outcomes = new Map<Mode, Outcome>();
  const worker = async (): Promise<void> => {
    for (let mode = waiting.shift(); mode !== undefined; mode = waiting.shift()) {
      outcomes.set(mode, await runMode(mode, settings));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return modes.map((mode) => outcomes.get(mode) ?? failedOutcome(mode.name, "was not run"));
}

async function runMode(mode: Mode, { sanity, results }: Settings): Promise<Outcome> {
  const directory = path.join(results, mode.name);
  await mkdir(directory, { recursive: true });
  const guest = [path.join(import.meta.dirname, "in-lab.ts"), "--sanity", sanity, "--results", directory];
  const status = await boot(
    [
      "--disk",
      "16G",
      ...(mode.isRouted ? ["--disk", "16G"] : []),
      "--timeout",
      String(laboratorySeconds),
      "--share",
      directory,
    ],
    [process.execPath, ...guest, "--mode", mode.name],
  );
  if (status !== 0) {
    console.log(await endOfDriverLog(directory));
    return failedOutcome(mode.name, `the laboratory ended with ${status}`);
  }
  // written by in-lab.ts
  return JSON.parse(await readFile(path.join(directory, "outcome.json"), "utf8")) as Outcome;
}

/** Resolves to the exit status, or to the signal's name. What was printed is kept together and shown at the end. */
function boot(options: readonly string[], command: readonly string[]): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(checkout, "test/lab/boot"), [...options, "--", ...command], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const printed: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => printed.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => printed.push(chunk));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      process.stdout.write(Buffer.concat(printed));
      resolve(code ?? signal ?? "no status");
    });
  });
}
