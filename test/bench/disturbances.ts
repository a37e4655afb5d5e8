import { setTimeout as pause } from "node:timers/promises";
import { CallError } from "../lab/csi-client.ts";
import { type Bed, MiB, createRequest, createVolume, kubeletRequests } from "./bed.ts";
import type { SlowDisk } from "./slow-disk.ts";

/** Work of other volumes, which goes on until it is told to end. */
export interface Disturbance {
  readonly name: string;
  /** @returns what ends it, and resolves when nothing of it is left */
  readonly start: (bed: Bed, slow: SlowDisk) => Promise<() => Promise<void>>;
}

export const disturbances: readonly Disturbance[] = [
  { name: "mkfs of a large volume runs", start: makeLarge },
  { name: "8 volumes are zeroed", start: zeroEight },
  { name: "a disk hangs (5 s)", start: hangDisk },
];

/** Inode tables that are written at once keep mkfs.ext4 busy. */
async function makeLarge(bed: Bed): Promise<() => Promise<void>> {
  return repeatedly(async () => {
    const request = createRequest(16 * 1024 * MiB, { mkfsOptions: "-E lazy_itable_init=0" });
    const volumeId = await createVolume(bed, request);
    const { stage, unstage } = await kubeletRequests(bed, volumeId);
    await bed.rpc.NodeStageVolume(stage);
    await bed.rpc.NodeUnstageVolume(unstage);
    await bed.rpc.DeleteVolume({ volumeId });
  });
}

async function zeroEight(bed: Bed): Promise<() => Promise<void>> {
  const ends = Array.from({ length: 8 }, () =>
    repeatedly(async () => {
      const request = createRequest(1024 * MiB, { initialize: "zero" });
      await bed.rpc.DeleteVolume({ volumeId: await createVolume(bed, request) });
    }),
  );
  return async () => {
    await Promise.all(ends.map((end) => end()));
  };
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
