import { readFile } from "node:fs/promises";

/** How many tests ended how. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const none: Tally = { passed: 0, failed: 0, skipped: 0 };

export function add(a: Tally, b: Tally): Tally {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** "12 passed, 0 failed", and what was skipped, if anything was. */
export function describe({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** The parts of `jest --json` that are counted (docs of Jest, "testResultsProcessor"). */
interface JestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  /** Test files that could not be loaded; their tests are in none of the other counts. */
  readonly numRuntimeErrorTestSuites: number;
}

/**
 * Counts what jest wrote. No file, no test, or a bad exit status that no failed test explains is a failure too: then
 * jest or the laboratory broke.
 */
export async function readJestResults(file: string, status: number): Promise<Tally> {
  const found = await readJson<JestResults>(file);
  if (found === undefined) return broken(`jest ended with ${status} and left no results`);
  const tally = {
    passed: found.numPassedTests,
    failed: found.numFailedTests + found.numRuntimeErrorTestSuites,
    skipped: found.numPendingTests + found.numTodoTests,
  };
  return consistent(tally, status, "jest");
}

/** Counts what a program of the project's own wrote, a list of tallies, by the same rules. */
export async function readOutcomes(program: string, file: string, status: number): Promise<Tally> {
  const outcomes = await readJson<readonly Tally[]>(file);
  if (outcomes === undefined) return broken(`${program} ended with ${status} and left no results`);
  return consistent(outcomes.reduce(add, none), status, program);
}

function consistent(tally: Tally, status: number, name: string): Tally {
  if (tally.passed + tally.failed === 0) return add(tally, broken(`${name} ran no test`));
  if (status !== 0 && tally.failed === 0) return add(tally, broken(`${name} ended with ${status}`));
  return tally;
}

/** One failure, for a reason that is no test's. */
export function broken(reason: string): Tally {
  console.error(reason);
  return { ...none, failed: 1 };
}

async function readJson<Content>(file: string): Promise<Content | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Content;
  } catch {
    return undefined;
  }
}
