import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, open, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import { describeEnding } from "../test/lab/driver.ts";
import { driverLog, endOfDriverLog, indent } from "./driver-log.ts";
import { type Drivers, type Place, startRouted, startSingle } from "./drivers.ts";
import type { Mode } from "./modes.ts";
import { type Outcome, readReport, type Report } from "./outcome.ts";

const run = promisify(execFile);

/** What a mode runs with. */
export interface Bench {
  /** The csi-sanity program. */
  readonly sanity: string;
  /** Blank disks, one for each node. */
  readonly disks: readonly string[];
  /** Where the driver's log and csi-sanity's output and report go. */
  readonly results: string;
}

/**
 * Runs all of csi-sanity against a driver started for it, on a volume group of its own, and looks at what is left.
 * Prints what failed; never throws for a fault of the driver.
 */
export async function checkMode(mode: Mode, bench: Bench): Promise<Outcome> {
  const start = performance.now();
  const place = await prepare(mode, bench.disks);
  const problems: string[] = [];
  const report = await runAgainstDriver({ mode, bench, place, problems });
  if (report.passed + report.failed.length !== mode.specs) {
    problems.push(`${report.passed + report.failed.length} specs ran instead of ${mode.specs} (see modes.ts)`);
  }
  problems.push(...(await leftBehind(place)));
  if (problems.length === 0) await clear(place);
  await explain(report, problems, bench);
  return {
    mode: mode.name,
    passed: report.passed,
    failed: report.failed.length + problems.length,
    skipped: report.skipped,
    ran: report.passed + report.failed.length,
    notSelected: report.notSelected,
    problems,
    seconds: Math.round((performance.now() - start) / 1000),
  };
}

async function prepare(mode: Mode, disks: readonly string[]): Promise<Place> {
  const directory = await mkdtemp("/run/csi-sanity-");
  const name = `sanity-${mode.name}-${randomBytes(3).toString("hex")}`;
  const place = {
    volumeGroups: disks.map((_disk, index) => `${name}-${index + 1}`),
    directory,
    kubeletDirectory: path.join(directory, "kubelet"),
  };
  await mkdir(place.kubeletDirectory);
  for (const [index, disk] of disks.entries())
    await run("vgcreate", ["--quiet", place.volumeGroups[index] ?? "", disk]);
  return place;
}

interface Run {
  readonly mode: Mode;
  readonly bench: Bench;
  readonly place: Place;
  /** What is found wrong is added here. */
  readonly problems: string[];
}

const nothing: Report = { passed: 0, failed: [], skipped: 0, notSelected: 0 };

async function runAgainstDriver(checked: Run): Promise<Report> {
  const { mode, place, bench, problems } = checked;
  let drivers: Drivers;
  try {
    const logFile = driverLog(bench.results);
    drivers = await (mode.isRouted ? startRouted(place, logFile) : startSingle(place, logFile));
  } catch (error) {
    // the log that follows it is printed by explain()
    problems.push(String(error).split("\n", 1).join());
    return nothing;
  }
  const report = await runSanity(checked, drivers.endpoints);
  for (const ending of await drivers.stop()) {
    if (ending.code !== 0) problems.push(`a driver ended with ${describeEnding(ending)} and not with exit status 0`);
  }
  return report;
}

async function runSanity({ mode, bench, place, problems }: Run, endpoints: readonly string[]): Promise<Report> {
  const reportFile = path.join(bench.results, "report.json");
  const parameterFile = path.join(bench.results, "parameters.yaml");
  // JSON is YAML
  await writeFile(parameterFile, JSON.stringify(mode.parameters));
  const output = await open(path.join(bench.results, "csi-sanity.log"), "w");
  const status = await exitStatus(bench.sanity, output.fd, [
    ...endpoints,
    `--csi.mountdir=${path.join(place.kubeletDirectory, "mount")}`,
    `--csi.stagingdir=${path.join(place.kubeletDirectory, "staging")}`,
    `--csi.testvolumeparameters=${parameterFile}`,
    `--csi.testvolumeaccesstype=${mode.accessType}`,
    `--csi.testvolumesize=${mode.sizeMebibytes * 2 ** 20}`,
    `--csi.testvolumeexpandsize=${mode.expandedMebibytes * 2 ** 20}`,
    `--ginkgo.json-report=${reportFile}`,
    "--ginkgo.no-color",
    // a call that is never answered ends the run here, with a report, and not by a power cut
    "--ginkgo.timeout=5m",
  ]);
  await output.close();
  const report = await readReport(reportFile).catch((error: unknown) => {
    problems.push(`csi-sanity left no report: ${String(error)}`);
    return nothing;
  });
  if (status !== 0 && report.failed.length === 0) problems.push(`csi-sanity ended with ${status}`);
  return report;
}

function exitStatus(file: string, output: number, args: readonly string[]): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["ignore", output, output] });
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "no status"));
  });
}

/** What a mode must not leave: logical volumes, mounts, directories. */
async function leftBehind({ volumeGroups, directory, kubeletDirectory }: Place): Promise<string[]> {
  const problems: string[] = [];
  const { stdout } = await run("lvs", ["--noheadings", "--options", "lv_name,lv_tags", ...volumeGroups]);
  if (stdout.trim() !== "") problems.push(`logical volumes were left:\n${stdout.trimEnd()}`);
  const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .filter((line) => line.split(" ")[4]?.startsWith(`${directory}/`));
  if (mounts.length > 0) problems.push(`mounts were left:\n${mounts.join("\n")}`);
  // csi-sanity removes its own directories; what the driver made in them would have kept them
  await rmdir(kubeletDirectory).catch((error: unknown) => {
    problems.push(`something was left below the kubelet directory: ${String(error)}`);
  });
  return problems;
}

async function clear({ volumeGroups, directory }: Place): Promise<void> {
  await run("vgremove", ["--quiet", ...volumeGroups]);
  await rm(directory, { recursive: true });
}

async function explain(report: Report, problems: readonly string[], { results }: Bench): Promise<void> {
  if (report.failed.length + problems.length === 0) return;
  for (const { name, message } of report.failed) console.log(`FAILED ${name}\n${indent(message)}`);
  for (const problem of problems) console.log(`WRONG ${problem}`);
  console.log(await endOfDriverLog(results));
}
