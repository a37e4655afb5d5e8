import { hasCode } from "./error-code.ts";

const ATTEMPTS = 4;
const PAUSE_MILLISECONDS = 10;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/**
 * Does in a worker thread what another thread can be in the way of for a moment: a question about a path looks like a
 * user of the mount, and a program that is just being started has a copy of every descriptor.
 * @throws SystemError EBUSY when it is still busy after 30 ms, others at once
 */
export function patiently<Result>(work: () => Result): Result {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return work();
    } catch (error) {
      if (attempt === ATTEMPTS || !hasCode(error, ["EBUSY"])) {
        throw error;
      }
      Atomics.wait(PAUSE, 0, 0, PAUSE_MILLISECONDS);
    }
  }
}
