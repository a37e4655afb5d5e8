import type { VolumeError } from "../errors.ts";

/** The longest time that a timer can be set to: 2^31 - 1 ms; a longer one would go off at once (Node.js, setTimeout). */
const longestMs = 2 ** 31 - 1;

/** Until when, and with what, a caller is answered. */
export interface Limit {
  /** When the caller gives up, in milliseconds since the epoch; undefined if never. */
  readonly deadline: number | undefined;
  /** How long before that the answer is sent, so that it arrives. */
  readonly aheadMs: number;
  /** The answer while the work goes on. */
  readonly late: () => VolumeError;
}

/** The result, or `late` shortly before the deadline. The work itself is not touched. */
export async function answerInTime<Result>(result: Promise<Result>, limit: Limit): Promise<Result> {
  if (limit.deadline === undefined) return result;
  const { promise, reject } = Promise.withResolvers<never>();
  const waitMs = Math.min(longestMs, Math.max(0, limit.deadline - Date.now() - limit.aheadMs));
  const timer = setTimeout(() => reject(limit.late()), waitMs);
  return Promise.race([result, promise]).finally(() => clearTimeout(timer));
}
