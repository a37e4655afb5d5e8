import type { Log } from "./log.ts";

let asked: Promise<NodeJS.Signals> | undefined;

/**
 * From now on SIGTERM and SIGINT ask for an end, instead of ending the process. A container's first process does not even
 * notice a signal that it does not listen for (pid_namespaces(7)), so this comes before a role is loaded.
 */
export function heedSignals(): Promise<NodeJS.Signals> {
  asked ??= new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  return asked;
}

/** Resolves when the process is asked to end, or has been. */
export async function endSignal(log: Log): Promise<void> {
  log.info({ signal: await heedSignals() }, "ending");
}
