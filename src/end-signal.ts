import type { Log } from "./log.ts";

/** Resolves when the process is asked to end. */
export async function endSignal(log: Log): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  process.once("SIGTERM", resolve);
  process.once("SIGINT", resolve);
  log.info({ signal: await promise }, "ending");
}
