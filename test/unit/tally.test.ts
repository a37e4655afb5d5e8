import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { add, describe, none, readJestResults, readOutcomes } from "../runner/tally.ts";

let directory = "";
let file = "";

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-tally."));
  file = path.join(directory, "results.json");
  jest.spyOn(console, "error").mockReturnValue();
});

afterEach(async () => {
  jest.restoreAllMocks();
  await rm(directory, { recursive: true });
});

function jestResults(counts: Readonly<Record<string, number>>): Promise<void> {
  const zero = {
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    numRuntimeErrorTestSuites: 0,
  };
  return writeFile(file, JSON.stringify({ ...zero, ...counts }));
}

test("jest's tests are counted", async () => {
  await jestResults({ numPassedTests: 5, numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 });
  expect(await readJestResults(file, 1)).toEqual({ passed: 5, failed: 2, skipped: 2 });
});

test("a test file that cannot be loaded is a failure", async () => {
  await jestResults({ numPassedTests: 5, numRuntimeErrorTestSuites: 1 });
  expect(await readJestResults(file, 1)).toEqual({ passed: 5, failed: 1, skipped: 0 });
});

test("a laboratory that left no results is a failure", async () => {
  expect(await readJestResults(file, 125)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(await readJestResults(file, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a run without a test is a failure", async () => {
  await jestResults({});
  expect(await readJestResults(file, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a bad exit status that no failed test explains is a failure", async () => {
  await jestResults({ numPassedTests: 5 });
  expect(await readJestResults(file, 1)).toEqual({ passed: 5, failed: 1, skipped: 0 });
});

test("the modes of csi-sanity are added up", async () => {
  const modes = [
    { mode: "ext4", passed: 70, failed: 0, skipped: 0 },
    { mode: "block", passed: 68, failed: 1, skipped: 2 },
  ];
  await writeFile(file, JSON.stringify(modes));
  expect(await readOutcomes("csi-sanity", file, 1)).toEqual({ passed: 138, failed: 1, skipped: 2 });
});

test("the last line says what was skipped only where something was", () => {
  expect(describe({ passed: 3, failed: 1, skipped: 0 })).toBe("3 passed, 1 failed");
  expect(describe(add(none, { passed: 3, failed: 0, skipped: 2 }))).toBe("3 passed, 0 failed, 2 skipped");
});
