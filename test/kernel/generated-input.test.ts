import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { imageCommand } from "../bench/image-command.ts";
import { CallError } from "../lab/csi-client.ts";
import { proportionalBytes } from "../lab/memory.ts";
import { makeSmallDisk, type SmallDisk } from "./device-support.ts";
import { documentedCodes } from "./documented-codes.ts";
import { type GeneratedCall, type Surroundings, generatedCalls } from "./generated-requests.ts";
import { type Law, problemOf } from "./generated-verdicts.ts";
import { seedOf } from "./model-draws.ts";
import { type Swapped, swapWhile } from "./swapped-paths.ts";
import { MiB, type World, claimName, mountCapability, openWorld, shell, stagingPath, targetPath } from "./world.ts";

const oneByOne = 3500;
const atOnce = 1500;
const whileSwapping = 550;
const INPUT_SEED = seedOf("INPUT_SEED");

let world: World;
let disk: SmallDisk;
let there: Surroundings;
let law: Law;
let before: object;
let warmBytes = 0;

beforeAll(async () => {
  disk = await makeSmallDisk(0, 512 * MiB);
  world = await openWorld([disk.path], [], [], await imageFlags());
  there = await furnish();
  law = { codes: await documentedCodes(Object.keys(world.rpc)), kubelet: world.kubelet };
  before = await outsideOf(there);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

/** The image's command line, whose flags keep the memory flat, also where the bundle has not been made. */
async function imageFlags() {
  const { program, environment } = await imageCommand();
  const [node, ...args] = program;
  return { program: [node, ...args.slice(0, -1), process.env["LAB_DRIVER"] ?? "src/main.ts"] as const, environment };
}

/** Names, paths and things in the way of paths. */
async function furnish(): Promise<Surroundings> {
  const outside = await mkdtemp("/run/outside-");
  await mkdir(join(outside, "empty"));
  await writeFile(join(outside, "file"), "kept");
  await writeFile(join(world.kubelet, "file"), "kept");
  await symlink(outside, join(world.kubelet, "link"));
  await symlink("nowhere", join(world.kubelet, "dangling"));
  await symlink("loop", join(world.kubelet, "loop"));
  const names = [claimName(), claimName()];
  return {
    volumeGroup: world.volumeGroup,
    kubelet: world.kubelet,
    outside,
    names,
    ids: names.map((name) => `n1/${world.volumeGroup}/${name}`),
    stagingPaths: [await stagingPath(world, "one"), await stagingPath(world, "two")],
    targetPaths: [await targetPath(world, "one"), await targetPath(world, "two")],
  };
}

/** What no call may have touched: the files outside, the mounts that are not below the kubelet directory, the disks. */
async function outsideOf({ outside, kubelet }: Surroundings): Promise<object> {
  const mounts = (await shell("findmnt", "--raw", "--noheadings", "-o", "TARGET,SOURCE")).split("\n");
  return {
    files: (await shell("find", outside, "-printf", "%p %y %i %s %T@ %m\n")).split("\n").toSorted(),
    mounts: mounts.filter((line) => !line.startsWith(`${kubelet}/`)).toSorted(),
    groups: await shell("vgs", "--noheadings", "-o", "vg_name,pv_name"),
    pid: world.driver().pid,
  };
}

/** Makes the call; tells its code. */
async function codeOf({ rpc, request }: GeneratedCall): Promise<CallError | "OK"> {
  const call = world.rpc[rpc as keyof World["rpc"]] as (message: object) => Promise<unknown>;
  return call(request).then(
    () => "OK" as const,
    (error: unknown) => {
      if (error instanceof CallError) return error;
      throw error;
    },
  );
}

function described({ rpc }: GeneratedCall, answer: CallError | "OK"): string {
  return `${rpc} ${answer === "OK" ? "OK" : answer.code}`;
}

/** Takes back what was accepted, but for what the next calls are to find; tells what was not taken back. */
async function takeBack(call: GeneratedCall): Promise<string | undefined> {
  const reverse = await reverseOf(call);
  const answer = reverse === undefined ? "OK" : await codeOf(reverse);
  return answer === "OK" ? undefined : `${JSON.stringify(reverse)} -> ${answer.message}`;
}

async function reverseOf({ rpc, request }: GeneratedCall): Promise<GeneratedCall | undefined> {
  const { volumeId, stagingTargetPath = "", targetPath: target = "" } = request as Readonly<Record<string, string>>;
  if (rpc === "CreateVolume") {
    const { entries } = await world.rpc.ListVolumes({});
    const other = entries.map(({ volume }) => volume?.volumeId ?? "").find((id) => !there.ids.includes(id));
    return other === undefined ? undefined : { rpc: "DeleteVolume", request: { volumeId: other } };
  }
  const [isStage, isPublish] = [rpc === "NodeStageVolume", rpc === "NodePublishVolume"];
  if (isPublish && !there.targetPaths.includes(target)) {
    return { rpc: "NodeUnpublishVolume", request: { volumeId, targetPath: target } };
  }
  if (isStage && !there.stagingPaths.includes(stagingTargetPath)) {
    return { rpc: "NodeUnstageVolume", request: { volumeId, stagingTargetPath } };
  }
  return undefined;
}

function draw(count: number, from = INPUT_SEED): readonly GeneratedCall[] {
  return fc.sample(generatedCalls(there), { seed: from, numRuns: count });
}

test("eight at a time: every answer is one that docs/errors.md gives for that call", async () => {
  const wrong: string[] = [];
  const calls = draw(atOnce, INPUT_SEED + 1);
  for (let first = 0; first < calls.length; first += 8) {
    const batch = calls.slice(first, first + 8);
    const answers = await Promise.all(batch.map(codeOf));
    const problems = batch.map((call, index) => problemOf(law, call, answers[index] ?? "OK", ["ABORTED"]));
    wrong.push(...problems.filter((problem) => problem !== undefined));
    // In the order of the calls, of which one may have taken back another's work: what cannot be taken back is gone.
    for (const [index, call] of batch.entries()) if (answers[index] === "OK") await takeBack(call);
  }
  expect({ INPUT_SEED, wrong: wrong.slice(0, 12), count: wrong.length }).toEqual({ INPUT_SEED, wrong: [], count: 0 });
  expect(await outsideOf(there)).toEqual(before);
  // By now it has compiled and filled what it keeps, and has all its threads.
  warmBytes = await proportionalBytes(world.driver().pid);
}, 400_000);

test("one after the other: likewise, and nothing has a passing reason", async () => {
  const wrong: string[] = [];
  const told = new Set<string>();
  for (const call of draw(oneByOne)) {
    const answer = await codeOf(call);
    const problem = problemOf(law, call, answer) ?? (answer === "OK" ? await takeBack(call) : undefined);
    if (problem !== undefined) wrong.push(problem);
    told.add(described(call, answer));
  }
  expect({ INPUT_SEED, wrong: wrong.slice(0, 12), count: wrong.length }).toEqual({ INPUT_SEED, wrong: [], count: 0 });
  const missing = mustHappen.filter((what) => !told.has(what));
  expect({ INPUT_SEED, missing }).toEqual({ INPUT_SEED, missing: [] });
  expect(await outsideOf(there)).toEqual(before);
}, 600_000);

const mustHappen: readonly string[] = [
  ...["CreateVolume", "NodeStageVolume", "NodePublishVolume", "GetCapacity"].flatMap((rpc) => [
    `${rpc} OK`,
    `${rpc} INVALID_ARGUMENT`,
  ]),
  "ControllerExpandVolume OK",
  "NodeGetVolumeStats OK",
  "NodeGetVolumeStats NOT_FOUND",
  "NodeUnpublishVolume FAILED_PRECONDITION",
  "ListVolumes ABORTED",
];

test("paths whose directories turn into symlinks while the call goes on: nothing is followed out", async () => {
  const name = claimName();
  const volumeCapability = mountCapability();
  const { volume } = await world.rpc.CreateVolume({
    name,
    volumeCapabilities: [volumeCapability],
    capacityRange: { requiredBytes: 1 },
  });
  const volumeId = volume?.volumeId ?? "";
  const staging = await stagingPath(world, "swapped");
  const stage = { volumeId, stagingTargetPath: staging, volumeCapability };
  await world.rpc.NodeStageVolume(stage);
  const wrong: string[] = [];
  const told = new Set<string>();
  const swapped = await swapWhile(there, async ({ paths, count }: Swapped) => {
    const calls = paths.flatMap((path): GeneratedCall[] => [
      { rpc: "NodePublishVolume", request: { ...stage, targetPath: path } },
      { rpc: "NodeGetVolumeStats", request: { volumeId, volumePath: path } },
      { rpc: "NodeUnpublishVolume", request: { volumeId, targetPath: path } },
      { rpc: "NodeStageVolume", request: { ...stage, stagingTargetPath: path } },
      { rpc: "NodePublishVolume", request: { ...stage, stagingTargetPath: path, targetPath: there.targetPaths[0] } },
      { rpc: "NodeExpandVolume", request: { volumeId, volumePath: path } },
      { rpc: "NodeUnstageVolume", request: { volumeId, stagingTargetPath: path } },
    ]);
    let hit = 0;
    for (let index = 0; hit < whileSwapping; index += 1) {
      const call = calls[index % calls.length] ?? { rpc: "Probe", request: {} };
      const swaps = count();
      const answer = await codeOf(call);
      if (count() > swaps) hit += 1;
      const problem = problemOf(law, call, answer, ["ABORTED", "UNAVAILABLE"]);
      if (problem !== undefined) wrong.push(problem);
      told.add(described(call, answer));
    }
    return hit;
  });
  expect(swapped).toBe(whileSwapping);
  expect(wrong).toEqual([]);
  expect(mustHappenToo.filter((what) => !told.has(what))).toEqual([]);
  expect(await outsideOf(there)).toEqual(before);
}, 400_000);

const mustHappenToo = ["NodeStageVolume", "NodePublishVolume", "NodeUnpublishVolume"].flatMap((rpc) => [
  `${rpc} OK`,
  `${rpc} INVALID_ARGUMENT`,
]);

test("the driver's memory stays flat, and it goes on", async () => {
  const { probe, bytes } = { probe: await world.rpc.Probe({}), bytes: await proportionalBytes(world.driver().pid) };
  expect(probe).toMatchObject({ ready: { value: true } });
  expect(bytes).toBeLessThan(warmBytes * 1.1);
  expect((await world.driver().log()).match(/"code":"(INTERNAL|UNKNOWN)"[^\n]{0,300}/g)).toBeNull();
});
