import { hasCode } from "./error-code.ts";
import { unmount } from "./system-calls.ts";

/** A question about the path in another thread looks like a user of the mount while it lasts, which is not long. */
const ATTEMPTS = 4;
const PAUSE_MILLISECONDS = 10;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/** Takes away the topmost mount at the path. @throws SystemError EBUSY when it stays in use, EINVAL when there is none */
export function unmountPatiently(path: string): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return unmount(path);
    } catch (error) {
      if (attempt === ATTEMPTS || !hasCode(error, ["EBUSY"])) {
        throw error;
      }
      Atomics.wait(PAUSE, 0, 0, PAUSE_MILLISECONDS);
    }
  }
}
