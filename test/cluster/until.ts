import { setTimeout as sleep } from "node:timers/promises";

/**
 * Repeats something, as controllers do, until it no longer throws.
 * @param what - for the error: "node1 is Ready"
 * @throws Error with the last reason when that takes longer than `milliseconds`
 */
export async function until<Result>(
  what: string,
  attempt: () => Promise<Result>,
  milliseconds = 120_000,
): Promise<Result> {
  for (const end = performance.now() + milliseconds; ; await sleep(250)) {
    try {
      return await attempt();
    } catch (error) {
      const late = performance.now() > end;
      if (late) throw new Error(`it took too long until ${what}: ${String(error)}`, { cause: error });
    }
  }
}
