import { availableParallelism } from "node:os";

/**
 * How many laboratories there may be at once. Each is a kernel with 2 GiB that takes a processor; on the machine's own
 * device-mapper they would be in each other's way.
 */
export const laboratories = process.env["LAB"] === "host" ? 1 : Math.min(availableParallelism(), 4);

/** Does the work for each item in their order, for so many at once. */
export async function inLanes<Item>(
  lanes: number,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
