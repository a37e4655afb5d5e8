import path from "node:path";
import { deployDriver } from "../cluster/deploy.ts";
import { isUp } from "../cluster/control.ts";
import { bringDown, bringUp, makeMaterial, usualSize } from "../cluster/lifetime.ts";
import { run } from "./command.ts";
import { jestCommand } from "./jest.ts";
import { broken, readJestResults, type Tally } from "./tally.ts";

/** For one test. What it waits for has limits of its own, with which it says what has not come. */
const testMilliseconds = 900_000;

/**
 * Brings up a cluster with the driver, and runs the tests of test/cluster in it, one after the other. A cluster that is
 * up already is used, and stays up. Of `args`, options go to jest and words select files by a part of their name.
 */
export async function runClusterTests(results: string, args: readonly string[]): Promise<Tally> {
  const start = performance.now();
  const say = (progress: string): void => {
    console.log(`${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${progress}`);
  };
  const isOurs = !(await isUp());
  try {
    if (isOurs) {
      const material = await makeMaterial(usualSize);
      say("all is there that a cluster is made of");
      await bringUp(material, true, say);
    }
    await deployDriver(say);
    return await runJest(results, args);
  } catch (error) {
    return broken(`no cluster to test in: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    if (isOurs) await bringDown();
  }
}

async function runJest(results: string, args: readonly string[]): Promise<Tally> {
  const report = path.join(results, "cluster.json");
  const options = ["--runInBand", `--testTimeout=${testMilliseconds}`, ...args];
  return readJestResults(report, await run(process.execPath, jestCommand("cluster", report, options)));
}
