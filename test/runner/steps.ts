import path from "node:path";
import { runClusterTests } from "./cluster.ts";
import { checkout, run } from "./command.ts";
import { jestCommand } from "./jest.ts";
import { runInLaboratory, runKernelTests } from "./kernel.ts";
import { broken, none, readJestResults, readOutcomes, type Tally } from "./tally.ts";

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

/** Tests that need neither root nor device-mapper; `args` are jest's. Most of their time they wait for timers. */
export function unitTests(results: string, args: readonly string[]): Step {
  return jestStep("unit", results, ["--maxWorkers=100%", ...args]);
}

/** The chart, what is rendered from it, and what kustomize makes of that. Helm is built at the first time. */
export function deployTests(results: string, args: readonly string[]): Step {
  return jestStep("deploy", results, args);
}

/** Tests of the throwaway kernel itself: nothing of it may stay on this machine. */
export function laboratoryTests(results: string): readonly Step[] {
  return process.env["LAB"] === "host" ? [] : [jestStep("laboratory", results, [])];
}

/** What the tests in the laboratory run from now on: it is what the image has, and starts in half the time. */
export const bundle: Step = {
  name: "bundle",
  run: async () => {
    const status = await run(process.execPath, ["image/bundle.ts"]);
    process.env["LAB_DRIVER"] = path.join(checkout, "dist/main.js");
    return status === 0 ? none : broken(`image/bundle.ts ended with ${status}`);
  },
};

/** Tests on real LVM, mounts and devices, in the laboratory; `args` are names of files and jest's options. */
export function kernelTests(results: string, args: readonly string[]): Step {
  return { name: "kernel tests", run: () => runKernelTests(results, args) };
}

/** csi-sanity against the driver in every mode; `args` are those of csi-sanity/run.ts. */
export function sanityTests(results: string, args: readonly string[]): Step {
  return programStep("csi-sanity", "csi-sanity/run.ts", results, args);
}

/** Makes what later steps need, whenever nobody else wants a processor. */
export const preparations: Step = check("preparations", "nice", ["-n", "19", process.execPath, "test/prepare.ts"]);

/** Power cuts in a mixed load; `args` are those of test/torture/torture.ts. Only a kernel of our own can be cut off. */
export function powerCuts(results: string, args: readonly string[]): readonly Step[] {
  if (process.env["LAB"] === "host") return [];
  return [programStep("power cuts", "test/torture/torture.ts", results, args)];
}

/** LVM killed at each of its steps; `args` are those of test/fault-points/fault-points.ts. */
export function faultPoints(results: string, args: readonly string[]): Step {
  return programStep("fault points", "test/fault-points/fault-points.ts", results, args);
}

/** Builds the image, and tries in the laboratory what is in it; `options` are jest's. */
export function imageTests(results: string, options: readonly string[]): Step {
  return {
    name: "image",
    run: async () => {
      const status = await run("image/build", []);
      if (status !== 0) return broken(`image/build ended with ${status}`);
      return runInLaboratory({ project: "image", files: ["test/image/image.test.ts"], results, options });
    },
  };
}

/** The driver in a Kubernetes cluster; `args` are names of files and jest's options. */
export function clusterTests(results: string, args: readonly string[]): Step {
  return { name: "cluster tests", run: () => runClusterTests(results, args) };
}

function check(name: string, program: string, args: readonly string[]): Step {
  return {
    name,
    run: async () => ((await run(program, args)) === 0 ? none : { ...none, failed: 1 }),
  };
}

/** A program of the project's own, which writes its counts to a file that it is told. */
function programStep(name: string, program: string, results: string, args: readonly string[]): Step {
  const file = path.join(results, `${path.basename(program)}.json`);
  return {
    name,
    run: async () => readOutcomes(name, file, await run(process.execPath, [program, "--json", file, ...args])),
  };
}

/** What a test has left open, a server for one, must not keep all the other steps from being run. */
function jestStep(project: string, results: string, args: readonly string[]): Step {
  const file = path.join(results, `${project}.json`);
  return {
    name: `${project} tests`,
    run: async () =>
      readJestResults(file, await run(process.execPath, jestCommand(project, file, ["--forceExit", ...args]))),
  };
}
