import { expect, test } from "@jest/globals";
import { createMounts } from "./mounts.ts";
import type { RunJob } from "./worker-pool.ts";

test("a filesystem that is frozen as it grows or is flushed holds up no mount and no path", async () => {
  const lanes = new Map<string, string>();
  const runJob = async (lane: string, _key: string, name: string): Promise<unknown> => lanes.set(name, lane);
  const kubeletDirectory = { given: "/kubelet", resolved: "/kubelet" };
  const mounts = createMounts({ runJob: runJob as RunJob, kubeletDirectory, directory: () => "/own" });
  const [path, target] = ["/kubelet/staging", "/kubelet/target"];
  await mounts.growExt4(path, 1, 1024);
  await mounts.sync(path, 1);
  const growing = new Set(lanes.values());
  lanes.clear();
  const device = { name: "dm-0", number: "254:0", sizeBytes: 0, holders: [], mapping: undefined };
  await mounts.mount({ device, type: "ext4", flags: [], data: "", target });
  await mounts.bind({ source: { path, mountId: 1 }, target, flags: [] });
  await mounts.unmount(target);
  await mounts.usage(path, 1);
  await mounts.status(path);
  await mounts.makeDirectory(path);
  await mounts.makeFile(path);
  await mounts.remove(path);
  expect(lanes.size).toBe(8);
  expect([...lanes.values()].filter((lane) => growing.has(lane))).toEqual([]);
});
