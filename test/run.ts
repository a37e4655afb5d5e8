// Runs every check of the project, and ends with the line `N passed, N failed`.
//
//   node test/run.ts            all of it
//   node test/run.ts check      static checks and unit tests: no root, no laboratory
//   node test/run.ts unit|kernel|sanity|image [ARGUMENT...]     one part; arguments go to jest or csi-sanity/run.ts
import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  bundle,
  faultPoints,
  imageTests,
  kernelTests,
  laboratoryTests,
  powerCuts,
  sanityTests,
  staticChecks,
  type Step,
  unitTests,
} from "./runner/steps.ts";
import { add, describe, none, type Tally } from "./runner/tally.ts";

const [part = "all", ...args] = process.argv.slice(2);
const results = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-results."));
try {
  const total = await runAll(stepsOf(part));
  console.log(describe(total));
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
} finally {
  await rm(results, { recursive: true });
}

function stepsOf(name: string): readonly Step[] {
  const inLaboratory = [
    ...laboratoryTests(results),
    bundle,
    kernelTests(results, []),
    sanityTests(results, []),
    imageTests(results, []),
    ...powerCuts(results, ["--cycles", "50"]),
    faultPoints(results, ["--every", "8", "--from", String(randomInt(8))]),
  ];
  const parts: Record<string, readonly Step[]> = {
    all: [...staticChecks, unitTests(results, []), ...inLaboratory],
    check: [...staticChecks, unitTests(results, [])],
    unit: [unitTests(results, args)],
    kernel: [bundle, kernelTests(results, args)],
    sanity: [bundle, sanityTests(results, args)],
    image: [imageTests(results, args)],
  };
  const steps = parts[name];
  if (steps === undefined) throw new Error(`unknown part ${name}: one of ${Object.keys(parts).join(", ")}`);
  return steps;
}

/** All of them, also after one has failed: the reader wants to know everything at once. */
async function runAll(steps: readonly Step[]): Promise<Tally> {
  const lines: string[] = [];
  let total = none;
  for (const step of steps) {
    console.log(`\n=== ${step.name}`);
    const start = performance.now();
    const tally = await step.run();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    lines.push(`${step.name.padEnd(22)}${seconds.padStart(7)} s  ${tally === none ? "ok" : describe(tally)}`);
    total = add(total, tally);
  }
  console.log(`\n${lines.join("\n")}`);
  return total;
}
