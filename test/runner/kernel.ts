import { globSync } from "node:fs";
import path from "node:path";
import { times } from "../campaign.ts";
import { checkout, runQuietly } from "./command.ts";
import { jestCommand } from "./jest.ts";
import { inLanes, laboratories } from "./lanes.ts";
import { add, broken, none, readJestResults, type Tally } from "./tally.ts";

/** A laboratory that is still busy with one test file after this time hangs. */
const fileSeconds = times(3600, 600);

/**
 * Runs each file of test/kernel in a laboratory of its own, so that what one leaves behind is not the next one's
 * trouble. Of `args`, options go to jest and words select files by a part of their name.
 */
export async function runKernelTests(results: string, args: readonly string[]): Promise<Tally> {
  const words = args.filter((arg) => !arg.startsWith("-"));
  const options = args.filter((arg) => arg.startsWith("-"));
  const files = globSync("test/kernel/**/*.test.ts", { cwd: checkout })
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .toSorted();
  if (files.length === 0) return broken("no file in test/kernel is called that");
  const tallies: Tally[] = [];
  await inLanes(laboratories, files, async (file) => {
    tallies.push(await runInLaboratory({ project: "kernel", file, results, options }));
  });
  return tallies.reduce(add, none);
}

interface LaboratoryRun {
  /** Of jest.config.js. */
  readonly project: string;
  readonly file: string;
  /** The directory for jest's report. */
  readonly results: string;
  /** Of jest. */
  readonly options: readonly string[];
}

/** Runs one file of tests in a laboratory with three disks, and shows what it prints. */
export async function runInLaboratory({ project, file, results, options }: LaboratoryRun): Promise<Tally> {
  const report = path.join(results, `${path.basename(file)}.json`);
  const disks = ["4G", "4G", "4G"].flatMap((size) => ["--disk", size]);
  const laboratory = [...disks, "--share", results, "--timeout", String(fileSeconds)];
  // a test that failed half-way may have left a driver behind; it goes with the laboratory
  const jest = jestCommand(project, report, ["--runInBand", "--forceExit", ...options, "--runTestsByPath", file]);
  const { status, output } = await runQuietly("test/lab/boot", [...laboratory, "--", process.execPath, ...jest]);
  console.log(output.trimEnd());
  return readJestResults(report, status);
}
