import { setTimeout as pause } from "node:timers/promises";
import { CallError } from "../lab/csi-client.ts";
import { type Bed, MiB, createRequest, createVolume, kubeletRequests, shell } from "./bed.ts";
import type { SlowDisk } from "./slow-disk.ts";

/** For calls that end when their work does. */
const longestMs = 300_000;

/** Work of other volumes, which goes on until it is told to end. */
export interface Disturbance {
  readonly name: string;
  /** Resolves when it is under way. @returns what ends it, and resolves when nothing of it is left */
  readonly start: (bed: Bed, slow: SlowDisk) => Promise<() => Promise<void>>;
}

export const disturbances: readonly Disturbance[] = [
  { name: "mkfs of a large volume runs", start: makeLarge },
  { name: "8 volumes are zeroed", start: zeroEight },
  { name: "a disk hangs (5 s)", start: hangDisk },
];

/** One mkfs, which writes 8 GiB of inode tables at once. */
async function makeLarge(bed: Bed): Promise<() => Promise<void>> {
  const request = createRequest(32 * 1024 * MiB, { mkfsOptions: "-i 1024 -E lazy_itable_init=0" });
  const volumeId = await createVolume(bed, request);
  const { stage, unstage } = await kubeletRequests(bed, volumeId);
  const staging = outlasting("mkfs", bed.rpc.NodeStageVolume(stage, longestMs));
  while (!(await isRunning("mkfs.ext4"))) await pause(50);
  return async () => {
    staging.requireUnderWay();
    await staging.end;
    await bed.rpc.NodeUnstageVolume(unstage);
    await bed.rpc.DeleteVolume({ volumeId });
  };
}

/** Of volumes that are larger than what is zeroed meanwhile, and deleted before they are done. */
async function zeroEight(bed: Bed): Promise<() => Promise<void>> {
  const requests = Array.from({ length: 8 }, () => createRequest(4 * 1024 * MiB, { initialize: "zero" }));
  for (const request of requests) await untilZeroing(bed, request);
  const creations = requests.map((request) => outlasting("zeroing", bed.rpc.CreateVolume(request, longestMs)));
  return async () => {
    for (const creation of creations) creation.requireUnderWay();
    for (const { name } of requests) await bed.rpc.DeleteVolume({ volumeId: `n1/${bed.volumeGroup}/${name}` });
    await Promise.all(creations.map(({ end }) => end));
  };
}

/** Work that has to go on for as long as it is to disturb. */
function outlasting(what: string, work: Promise<unknown>) {
  let isOver = false;
  const end = work
    .catch((error: unknown) => {
      // what is deleted while it is made
      if (!(error instanceof CallError) || error.code !== "ABORTED") throw error;
    })
    .finally(() => {
      isOver = true;
    });
  return {
    end,
    requireUnderWay: () => {
      if (isOver) throw new Error(`${what} has ended before the calls beside it`);
    },
  };
}

/** A call that is answered early says how far it is. */
async function untilZeroing(bed: Bed, request: ReturnType<typeof createRequest>): Promise<void> {
  for (;;) {
    const said = await bed.rpc.CreateVolume(request, 2000).then(() => "done", String);
    if (said.includes("zeroing")) return;
    if (!said.includes("ABORTED")) throw new Error(`a volume is to be zeroed, and CreateVolume says: ${said}`);
  }
}

function isRunning(program: string): Promise<boolean> {
  return shell("pgrep", "--exact", program).then(
    () => true,
    () => false,
  );
}

/** Somebody asks for things of the disk that hangs, and is kept waiting. */
async function hangDisk(bed: Bed, slow: SlowDisk): Promise<() => Promise<void>> {
  const request = createRequest(64 * MiB, { volumeGroup: "other" });
  const { stage, statistics, publish } = await kubeletRequests(bed, await createVolume(bed, request));
  await bed.rpc.NodeStageVolume(stage);
  await bed.rpc.NodePublishVolume(publish);
  await slow.delay(5000);
  const ends = [
    repeatedly(() => again(bed.rpc.NodeGetVolumeStats(statistics))),
    repeatedly(() => again(bed.rpc.GetCapacity({ parameters: { volumeGroup: "other" } }))),
  ];
  return async () => {
    await slow.delay(0);
    await Promise.all(ends.map((end) => end()));
  };
}

/** Waits as a sidecar does, if the answer is to come again. */
async function again(call: Promise<unknown>): Promise<void> {
  await call.catch(async (error: unknown) => {
    if (!(error instanceof CallError) || error.code !== "UNAVAILABLE") throw error;
    await pause(1000);
  });
}

/** Does the work again and again. @returns what lets the last one end */
function repeatedly(work: () => Promise<unknown>): () => Promise<void> {
  const ending = new AbortController();
  const done = (async () => {
    while (!ending.signal.aborted) await work();
  })();
  return async () => {
    ending.abort();
    await done;
  };
}
