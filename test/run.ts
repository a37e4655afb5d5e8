// Runs the checks of the project, and ends with the line `N passed, N failed`.
//
//   node test/run.ts            all of it, but what needs a cluster
//   node test/run.ts check      static checks and unit tests: no root, no laboratory
//   node test/run.ts unit|deploy|kernel|sanity|image|cluster [ARGUMENT...]     one part; arguments go to jest or csi-sanity/run.ts
import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  bundle,
  clusterTests,
  deployTests,
  faultPoints,
  imageTests,
  kernelTests,
  laboratoryTests,
  powerCuts,
  preparations,
  sanityTests,
  staticChecks,
  type Step,
  unitTests,
} from "./runner/steps.ts";
import { inLanes, laboratories } from "./runner/lanes.ts";
import { add, describe, none, type Tally } from "./runner/tally.ts";

const [part = "all", ...args] = process.argv.slice(2);
const results = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-results."));
try {
  const total = await runAll(turnsOf(part));
  console.log(describe(total));
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
} finally {
  await rm(results, { recursive: true });
}

/** A step by itself, or steps of which several are under way at once, the longest first. */
type Turn = Step | readonly Step[];

function turnsOf(name: string): readonly Turn[] {
  const check = [...staticChecks, unitTests(results, [])];
  const oneProcessorEach = [
    faultPoints(results, ["--every", "12", "--from", String(randomInt(12))]),
    imageTests(results, []),
    deployTests(results, []),
    sanityTests(results, []),
  ];
  const parts: Record<string, readonly Turn[]> = {
    all: [
      ...check,
      ...laboratoryTests(results),
      bundle,
      // which wait for timers and disks for a quarter of their time
      [kernelTests(results, []), preparations],
      ...powerCuts(results, ["--cycles", "50"]),
      oneProcessorEach,
    ],
    check,
    unit: [unitTests(results, args)],
    deploy: [deployTests(results, args)],
    kernel: [bundle, kernelTests(results, args)],
    sanity: [bundle, sanityTests(results, args)],
    image: [imageTests(results, args)],
    cluster: [clusterTests(results, args)],
  };
  const turns = parts[name];
  if (turns === undefined) throw new Error(`unknown part ${name}: one of ${Object.keys(parts).join(", ")}`);
  return turns;
}

/** All of them, also after one has failed: the reader wants to know everything at once. */
async function runAll(turns: readonly Turn[]): Promise<Tally> {
  const lines: string[] = [];
  let total = none;
  const runStep = async (step: Step): Promise<void> => {
    console.log(`\n=== ${step.name}`);
    const start = performance.now();
    const tally = await step.run();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    lines.push(`${step.name.padEnd(22)}${seconds.padStart(7)} s  ${tally === none ? "ok" : describe(tally)}`);
    total = add(total, tally);
  };
  for (const turn of turns) {
    await inLanes(laboratories, "run" in turn ? [turn] : turn, runStep);
  }
  console.log(`\n${lines.join("\n")}`);
  return total;
}
