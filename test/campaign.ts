import { randomInt } from "node:crypto";

/** Whether campaigns are run in full (`npm run faults`), which takes an hour, and not in a part that changes each time. */
export const isFull = process.env["CAMPAIGN"] === "full";

/** How often something is done: in a full campaign, and in the part of it that belongs to every run of the tests. */
export function times(full: number, part: number): number {
  return isFull ? full : part;
}

/** All the items in a full campaign, or else every n-th, from a random one on. */
export function share<Item>(items: readonly Item[], every: number): readonly Item[] {
  const from = randomInt(every);
  return isFull ? items : items.filter((_, index) => index % every === from);
}
