import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

/** Has a worker pool do jobs for a second. @returns KiB of files that the process then had in memory, and before */
function jobsWithReleases(milliseconds: number): { before: number; after: number; sorted: string[] } {
  const program = `
    const { createWorkerPool } = await import(process.argv[1]);
    const fileKib = () => {
      const status = process.getBuiltinModule("node:fs").readFileSync("/proc/self/status", "utf8");
      return Number(/RssFile:\\s+(\\d+)/.exec(status)[1]);
    };
    const { runJob, close } = createWorkerPool(${milliseconds});
    const before = fileKib();
    for (let done = 0; done < 50; done += 1) {
      await runJob("path", "/etc", "pathStatus", { path: { root: "/", components: ["etc"] } });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await close();
    const sorted = [3, 1, 2].map(String).toSorted((one, other) => one.localeCompare(other, "de"));
    console.log(JSON.stringify({ before, after: fileKib(), sorted }));
  `;
  const module = fileURLToPath(new URL("worker-pool.ts", import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program, module], {
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return JSON.parse(stdout) as ReturnType<typeof jobsWithReleases>;
}

test("while jobs are done, megabytes of the program go, and the process goes on", () => {
  const { before, after, sorted } = jobsWithReleases(100);
  expect(after).toBeLessThan(before * 0.75);
  expect(sorted).toEqual(["1", "2", "3"]);
  const seldom = jobsWithReleases(60_000);
  expect(seldom.after).toBeGreaterThan(seldom.before * 0.9);
});
