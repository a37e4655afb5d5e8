import { globSync } from "node:fs";
import path from "node:path";
import { times } from "../campaign.ts";
import { checkout, runQuietly } from "./command.ts";
import { jestCommand } from "./jest.ts";
import { inLanes, laboratories } from "./lanes.ts";
import { add, broken, none, readJestResults, type Tally } from "./tally.ts";

/** A laboratory that is still busy after this time for each of its test files hangs. */
const fileSeconds = times(3600, 1500);

/** Words in the names of files that take minutes: they begin first, so that no laboratory is left alone with one. */
const longest = ["model-sequence", "disk-schedules", "faults-repeated", "driver-restart", "model-bursts"];

/** In one laboratory, one after the other: to boot it and to start jest takes as long as many a file. */
const filesInLaboratory = 4;

/**
 * Runs the files of test/kernel. Where one has failed, those after it in its laboratory may stumble over what it left
 * behind; by itself, each has a laboratory of its own. Of `args`, options go to jest and words select files by a part
 * of their name.
 */
export async function runKernelTests(results: string, args: readonly string[]): Promise<Tally> {
  const words = args.filter((arg) => !arg.startsWith("-"));
  const options = args.filter((arg) => arg.startsWith("-"));
  const files = globSync("test/kernel/**/*.test.ts", { cwd: checkout })
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .toSorted((a, b) => isLong(b) - isLong(a) || a.localeCompare(b));
  if (files.length === 0) return broken("no file in test/kernel is called that");
  const tallies: Tally[] = [];
  await inLanes(laboratories, inGroups(files, filesInLaboratory), async (group) => {
    tallies.push(await runInLaboratory({ project: "kernel", files: group, results, options }));
  });
  return tallies.reduce(add, none);
}

function isLong(file: string): number {
  return Number(longest.some((word) => file.includes(word)));
}

interface LaboratoryRun {
  /** Of jest.config.js. */
  readonly project: string;
  readonly files: readonly string[];
  /** The directory for jest's report. */
  readonly results: string;
  /** Of jest. */
  readonly options: readonly string[];
}

/** Runs files of tests in a laboratory with three disks, and shows what it prints. */
export async function runInLaboratory({ project, files, results, options }: LaboratoryRun): Promise<Tally> {
  const report = path.join(results, `${path.basename(files[0] ?? "")}.json`);
  const disks = ["4G", "4G", "4G"].flatMap((size) => ["--disk", size]);
  const laboratory = [...disks, "--share", results, "--timeout", String(fileSeconds * files.length)];
  // a test that failed half-way may have left a driver behind; it goes with the laboratory
  const jest = jestCommand(project, report, ["--runInBand", "--forceExit", ...options, "--runTestsByPath", ...files]);
  const { status, output } = await runQuietly("test/lab/boot", [...laboratory, "--", process.execPath, ...jest]);
  console.log(output.trimEnd());
  return readJestResults(report, status);
}

function inGroups<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const groups = Math.ceil(items.length / size);
  return Array.from({ length: groups }, (_, index) => items.slice(index * size, (index + 1) * size));
}
