import path from "node:path";
import { checkout, run } from "./command.ts";
import { none, readJestResults, readSanityOutcomes, type Tally } from "./tally.ts";

/** One part of the whole check. It prints what it finds, and answers with the counts. */
export interface Step {
  readonly name: string;
  readonly run: () => Promise<Tally>;
}

/** A laboratory that is still busy after this time hangs. */
const kernelTestSeconds = 2400;

/** They count only where they fail: what passes is tests. */
export const staticChecks: readonly Step[] = [
  check("generate", "npm", ["run", "--silent", "generate"]),
  check("types", "tsc", []),
  check("lint", "oxlint", []),
  check("format", "oxfmt", ["--check"]),
  check("dead code", "knip", []),
];

/** Tests that need neither root nor device-mapper; `args` are jest's. */
export function unitTests(results: string, args: readonly string[]): Step {
  const file = path.join(results, "unit.json");
  return {
    name: "unit tests",
    run: async () => readJestResults(file, await run(process.execPath, jest("unit", file, args))),
  };
}

/** Tests on real LVM, mounts and devices, in one laboratory with three disks; `args` are jest's. */
export function kernelTests(results: string, args: readonly string[]): Step {
  const file = path.join(results, "kernel.json");
  const disks = ["4G", "4G", "4G"].flatMap((size) => ["--disk", size]);
  const options = [...disks, "--share", results, "--timeout", String(kernelTestSeconds)];
  // a test that failed half-way may have left a driver behind; it goes with the laboratory
  const command = [process.execPath, ...jest("kernel", file, ["--runInBand", "--forceExit", ...args])];
  return {
    name: "kernel tests",
    run: async () => readJestResults(file, await run("test/lab/boot", [...options, "--", ...command])),
  };
}

/** csi-sanity against the driver in every mode; `args` are those of csi-sanity/run.ts. */
export function sanityTests(results: string, args: readonly string[]): Step {
  const file = path.join(results, "sanity.json");
  return {
    name: "csi-sanity",
    run: async () => {
      const status = await run(process.execPath, ["csi-sanity/run.ts", "--json", file, ...args]);
      return readSanityOutcomes(file, status);
    },
  };
}

function check(name: string, program: string, args: readonly string[]): Step {
  return {
    name,
    run: async () => ((await run(program, args)) === 0 ? none : { ...none, failed: 1 }),
  };
}

/** `--selectProjects` takes every word after it, so it comes last. */
function jest(project: string, file: string, args: readonly string[]): readonly string[] {
  const program = path.join(checkout, "node_modules/jest/bin/jest.js");
  const report = ["--json", `--outputFile=${file}`];
  return [
    "--experimental-vm-modules",
    "--disable-warning=ExperimentalWarning",
    program,
    ...args,
    ...report,
    "--selectProjects",
    project,
  ];
}
