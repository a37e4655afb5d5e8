import { randomUUID } from "node:crypto";
import { nextPlace, writePlace } from "./contents.ts";
import type { Expected, Kind } from "./expected.ts";
import { type Node, type Published, create, expand, growMounted, publish, remove } from "./node.ts";
import { Random } from "./random.ts";

const MiB = 1024 ** 2;

/** The size of a new volume, what it grows by, and when it is large enough. */
const sizes: Readonly<Record<Kind, { readonly first: number; readonly step: number; readonly most: number }>> = {
  ext4: { first: 48 * MiB, step: 32 * MiB, most: 112 * MiB },
  xfs: { first: 300 * MiB, step: 64 * MiB, most: 428 * MiB },
  btrfs: { first: 128 * MiB, step: 128 * MiB, most: 384 * MiB },
  block: { first: 12 * MiB, step: 8 * MiB, most: 28 * MiB },
};

/** So many volumes there are at a time, each of a random kind. */
const volumesAtOnce = 3;

/** Lives through volumes' lives, some at a time, until the power is cut. */
export async function load(node: Node, seed: string): Promise<void> {
  const names = [...node.journal.expectations.keys()];
  const lives = Array.from({ length: volumesAtOnce }, (_, index) =>
    liveOn(node, names[index], new Random(`${seed}/${index}`)),
  );
  await Promise.all(lives);
}

/** @param name of a volume that is there */
async function liveOn(node: Node, name: string | undefined, random: Random): Promise<never> {
  let published: Published | undefined;
  for (let current = name; ;) {
    const volume = current === undefined ? undefined : node.journal.expectations.get(current);
    if (volume === undefined) current = await createNew(node, random);
    else if (published === undefined) published = await takeUp(node, volume, random);
    else published = await use(node, { volume, published }, random);
  }
}

async function createNew(node: Node, random: Random): Promise<string> {
  const kind = random.pick({ ext4: 1, xfs: 1, btrfs: 1, block: 1 });
  const volume = { name: `pvc-${randomUUID()}`, kind, createdBytes: sizes[kind].first };
  const action = { action: "create", volume: volume.name, kind, bytes: volume.createdBytes } as const;
  await node.journal.perform(action, () => create(node, volume));
  return volume.name;
}

/** A volume that no pod has: it gets one, or grows, or goes. */
async function takeUp(node: Node, volume: Expected, random: Random): Promise<Published | undefined> {
  const step = random.pick({ publish: 75, expand: 10, delete: 15 });
  if (step === "publish") return publish(node, volume);
  if (step === "expand") await grow(node, volume);
  else await node.journal.perform({ action: "delete", volume: volume.name }, () => remove(node, volume.name));
  return undefined;
}

interface InUse {
  readonly volume: Expected;
  readonly published: Published;
}

async function use(node: Node, { volume, published }: InUse, random: Random): Promise<Published | undefined> {
  const step = random.pick({ write: 70, expand: 12, withdraw: 18 });
  const place = nextPlace(volume);
  if (step === "write" && place !== undefined) {
    const action = { action: "write", volume: volume.name, place } as const;
    await node.journal.perform(action, () => writePlace(volume, place, published.target));
    return published;
  }
  if (step === "expand" && (await grow(node, volume))) {
    await growMounted(node, volume.name, published.target);
    return published;
  }
  await published.withdraw();
  return undefined;
}

/** @returns whether it could still grow */
async function grow(node: Node, volume: Expected): Promise<boolean> {
  const bytes = volume.bytes + sizes[volume.kind].step;
  if (bytes > sizes[volume.kind].most) return false;
  const action = { action: "expand", volume: volume.name, bytes } as const;
  await node.journal.perform(action, () => expand(node, volume.name, bytes));
  return true;
}
