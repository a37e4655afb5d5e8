import path from "node:path";
import { run } from "./command.ts";
import { jestCommand } from "./jest.ts";
import { runInLaboratory, runKernelTests } from "./kernel.ts";
import { broken, none, readJestResults, readSanityOutcomes, type Tally } from "./tally.ts";

/** One part of the whole check. It prints what it finds, and answers with the counts. */
export interface Step {
  readonly name: string;
  readonly run: () => Promise<Tally>;
}

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
  return jestStep("unit", results, args);
}

/** Tests of the throwaway kernel itself: nothing of it may stay on this machine. */
export function laboratoryTests(results: string): readonly Step[] {
  return process.env["LAB"] === "host" ? [] : [jestStep("laboratory", results, [])];
}

/** Tests on real LVM, mounts and devices, in the laboratory; `args` are names of files and jest's options. */
export function kernelTests(results: string, args: readonly string[]): Step {
  return { name: "kernel tests", run: () => runKernelTests(results, args) };
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

/** Builds the image, and tries in the laboratory what is in it; `options` are jest's. */
export function imageTests(results: string, options: readonly string[]): Step {
  return {
    name: "image",
    run: async () => {
      const status = await run("image/build", []);
      if (status !== 0) return broken(`image/build ended with ${status}`);
      return runInLaboratory({ project: "image", file: "test/image/image.test.ts", results, options });
    },
  };
}

function check(name: string, program: string, args: readonly string[]): Step {
  return {
    name,
    run: async () => ((await run(program, args)) === 0 ? none : { ...none, failed: 1 }),
  };
}

function jestStep(project: string, results: string, args: readonly string[]): Step {
  const file = path.join(results, `${project}.json`);
  return {
    name: `${project} tests`,
    run: async () => readJestResults(file, await run(process.execPath, jestCommand(project, file, args))),
  };
}
