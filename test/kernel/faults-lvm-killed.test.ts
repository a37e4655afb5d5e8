import { createHash, randomBytes } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { times } from "../campaign.ts";
import { CallError } from "../lab/csi-client.ts";
import { Random } from "../torture/random.ts";
import { type SmallDisk, makeSmallDisk } from "./device-support.ts";
import { childOf, until } from "./process-support.ts";
import { requireZeroes } from "./tenants-data.ts";
import { MiB, type World, blockCapability, devicePath, logicalVolumes, openWorld } from "./world.ts";

const seed = process.env["FAULTS_SEED"] ?? randomBytes(4).toString("hex");
const mutations = times(200, 30);
/** How many calls are made at once, each on volumes of its own. */
const actors = 4;

let world: World;
let disk: SmallDisk;

beforeAll(async () => {
  disk = await makeSmallDisk(0, 900 * MiB);
  world = await openWorld([disk.path]);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

interface Known {
  readonly id: string;
  readonly sizeBytes: number;
  readonly row: string;
}

/** What one actor does, and what he knows of his volumes. */
class Actor {
  readonly volumes = new Map<string, Known>();
  readonly codes = new Map<string, number>();
  readonly #name: string;
  readonly #random: Random;
  #made = 0;

  constructor(name: string, random: Random) {
    this.#name = name;
    this.#random = random;
  }

  async mutate(): Promise<void> {
    const mine = [...this.volumes.values()];
    const chosen = mine[Math.floor(this.#random.between(0, mine.length))];
    const wish = this.#random.pick({ create: 5, expand: 3, delete: 2 });
    if (chosen === undefined || (wish === "create" && mine.length < 6)) return this.#create();
    if (wish === "expand" && chosen.sizeBytes < 32 * MiB) return this.#expand(chosen);
    return this.#delete(chosen);
  }

  async #create(): Promise<void> {
    const row = createHash("sha1")
      .update(`${this.#name} ${(this.#made += 1)}`)
      .digest("hex");
    const name = `pvc-${row.slice(0, 8)}-${row.slice(8, 12)}-${row.slice(12, 16)}-${row.slice(16, 20)}-${row.slice(20, 32)}`;
    const volumeCapabilities = [blockCapability()];
    const request = { name, capacityRange: { requiredBytes: 8 * MiB }, volumeCapabilities };
    const { volume } = await this.#persist(() => world.rpc.CreateVolume(request));
    const id = volume?.volumeId ?? "";
    await requireZeroes(devicePath(world, id));
    await writeFile(devicePath(world, id), row, { flag: "r+", flush: true });
    this.volumes.set(id, { id, sizeBytes: 8 * MiB, row });
  }

  async #expand(known: Known): Promise<void> {
    const sizeBytes = known.sizeBytes + 8 * MiB;
    const request = { volumeId: known.id, capacityRange: { requiredBytes: sizeBytes, limitBytes: sizeBytes } };
    await this.#persist(() => world.rpc.ControllerExpandVolume(request));
    this.volumes.set(known.id, { ...known, sizeBytes });
  }

  async #delete({ id, row }: Known): Promise<void> {
    // the next tenant is not to read it
    await writeFile(devicePath(world, id), row.repeat(1000), { flag: "r+", flush: true });
    await this.#persist(() => world.rpc.DeleteVolume({ volumeId: id }));
    this.volumes.delete(id);
  }

  /** Repeats a call while it says that this may help, and counts what it said. */
  async #persist<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        this.codes.set(error.code, (this.codes.get(error.code) ?? 0) + 1);
        if (!/^(ABORTED|UNAVAILABLE)$/.test(error.code)) throw error;
        await pause(20);
      }
    }
  }
}

/** Kills the driver's `lvm` again and again, on a slow machine too only when a mutation was done since the last time. */
async function killLvm(random: Random, mutationsDone: () => number): Promise<number> {
  let kills = 0;
  for (let seen = -1; mutationsDone() < mutations; seen = mutationsDone()) {
    await until("a mutation is done", async () => mutationsDone() > seen, 120_000);
    await pause(random.between(0, 250));
    const lvm = await childOf(world, "lvm");
    if (lvm === undefined) continue;
    try {
      process.kill(lvm.pid, "SIGKILL");
      kills += 1;
    } catch {
      // it has just ended by itself
    }
  }
  return kills;
}

async function suspendedDevices(): Promise<readonly string[]> {
  const mappings = (await readdir("/sys/block")).filter((name) => name.startsWith("dm-"));
  const states = await Promise.all(mappings.map((name) => readFile(`/sys/block/${name}/dm/suspended`, "utf8")));
  return mappings.filter((_, index) => states[index]?.trim() !== "0");
}

test(
  `LVM is killed at random moments of ${mutations} mutations (seed ${seed})`,
  async () => {
    let mutationsDone = 0;
    const killing = killLvm(new Random(`${seed} kills`), () => mutationsDone);
    const all = Array.from(
      { length: actors },
      (_, index) => new Actor(`${seed} ${index}`, new Random(`${seed} ${index}`)),
    );
    const mutating = all.map(async (actor) => {
      for (let done = 0; done < mutations / actors; done += 1) {
        await actor.mutate();
        mutationsDone += 1;
      }
    });
    const [kills] = await Promise.all([killing, ...mutating]);
    const known = all.flatMap((actor) => [...actor.volumes.values()]);
    console.info(
      `${mutations} mutations, lvm killed ${kills} times, ${known.length} volumes left`,
      ...all.map((one) => one.codes),
    );

    const { entries } = await world.rpc.ListVolumes({});
    const listed = entries.map(({ volume }) => `${volume?.volumeId} ${volume?.capacityBytes}`);
    expect(listed.toSorted()).toEqual(known.map(({ id, sizeBytes }) => `${id} ${sizeBytes}`).toSorted());
    expect(await logicalVolumes(world)).toHaveLength(known.length);
    for (const { id, sizeBytes, row } of known) {
      const content = await readFile(devicePath(world, id));
      expect(content.length).toBe(sizeBytes);
      expect(content.subarray(0, row.length).toString()).toBe(row);
      expect(content.subarray(row.length).every((byte) => byte === 0)).toBe(true);
    }
    expect(await suspendedDevices()).toEqual([]);
    expect(kills).toBeGreaterThan(mutations / 10);
    for (const { id } of known) await world.rpc.DeleteVolume({ volumeId: id });
    expect(await logicalVolumes(world)).toEqual([]);
  },
  times(1_200_000, 400_000),
);
