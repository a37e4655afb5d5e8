import { setTimeout as sleep } from "node:timers/promises";
import { CallError } from "./csi-client.ts";

/** Repeats a call, as the sidecars and the kubelet do, for at most 20 s while the driver says that it may yet succeed. */
export async function patiently<Result>(call: () => Promise<Result>): Promise<Result> {
  for (const end = performance.now() + 20_000; ; await sleep(50)) {
    try {
      return await call();
    } catch (error) {
      const passes = error instanceof CallError && ["ABORTED", "UNAVAILABLE"].includes(error.code);
      if (!passes || performance.now() > end) throw error;
    }
  }
}
