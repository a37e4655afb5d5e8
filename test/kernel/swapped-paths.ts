import { mkdir, rename, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Surroundings } from "./generated-requests.ts";

/** Paths that are one thing at one moment and another at the next. */
export interface Swapped {
  readonly paths: readonly string[];
  /** How often they have been swapped so far. */
  readonly count: () => number;
}

/**
 * Does work while, below the kubelet directory, a directory on the way to each path and the path itself are swapped
 * with symlinks out of it, again and again.
 */
export async function swapWhile<Result>(
  { kubelet, outside }: Surroundings,
  work: (swapped: Swapped) => Promise<Result>,
): Promise<Result> {
  const base = join(kubelet, "swapped");
  const [way, end] = [join(base, "way"), join(base, "end")];
  await mkdir(join(way, "parent"), { recursive: true });
  await mkdir(end);
  const twins = [
    { path: way, target: outside },
    { path: join(way, "parent"), target: join(outside, "empty") },
    { path: end, target: join(outside, "empty") },
  ];
  for (const { path, target } of twins) await symlink(target, `${path}.twin`);
  const state = { count: 0, goesOn: true };
  const swapping = swapUntilTold(
    twins.map(({ path }) => path),
    state,
  );
  try {
    return await work({ paths: [join(way, "parent/mount"), join(way, "mount"), end], count: () => state.count });
  } finally {
    state.goesOn = false;
    await swapping;
  }
}

async function swapUntilTold(
  paths: readonly string[],
  state: { count: number; readonly goesOn: boolean },
): Promise<void> {
  while (state.goesOn) {
    for (const path of paths) await swap(path);
    state.count += 1;
  }
}

/** A mount moves along with the directory that it is on, or in. */
async function swap(path: string): Promise<void> {
  const aside = `${path}.aside`;
  await rename(path, aside).catch(() => undefined);
  await rename(`${path}.twin`, path).catch(() => undefined);
  await rename(aside, `${path}.twin`).catch(() => undefined);
}
