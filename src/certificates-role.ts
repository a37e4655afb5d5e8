import { setTimeout } from "node:timers/promises";
import { Keeper } from "./certificates/keeper.ts";
import type { CertificatesConfig } from "./certificates-config.ts";
import { endSignal } from "./end-signal.ts";
import { connect } from "./kubernetes/client.ts";
import { KubernetesSecrets } from "./kubernetes/secrets.ts";
import { createLog, type Log } from "./log.ts";

/** Three reads each time: a Secret that somebody has emptied is seen to within so long. */
const longestWaitMs = 300_000;

const firstPauseMs = 5000;
const longestPauseMs = 60_000;

/** Keeps the certificates of controller and nodes until SIGTERM or SIGINT. */
export async function runCertificates(config: CertificatesConfig, version: string): Promise<void> {
  const log = createLog(config.logLevel);
  const { namespace } = config;
  const places = {
    authority: { namespace, name: config.caSecret },
    controller: { namespace, name: config.controllerSecret },
    node: { namespace, name: config.nodeSecret },
  };
  const client = connect(process.env);
  const keeper = new Keeper({ store: new KubernetesSecrets(client.core), places, log, now: () => new Date() });
  const ending = abortAtEnd(log);
  // a write is done or not, whether or not its answer is waited for
  ending.addEventListener("abort", () => client.close());
  log.info({ version, namespace }, "keeping certificates");
  await keep(keeper, log, ending);
  log.info({}, "ended");
}

async function keep(keeper: Keeper, log: Log, ending: AbortSignal): Promise<void> {
  let failures = 0;
  while (!ending.aborted) {
    const pauseMs = await keeper.check().then(
      (due) => {
        failures = 0;
        return Math.min(Math.max(due.getTime() - Date.now(), 0), longestWaitMs);
      },
      (error: unknown) => {
        failures += 1;
        if (ending.aborted) return 0;
        log.error({ reason: error instanceof Error ? error.message : String(error) }, "certificates are not in order");
        return Math.min(firstPauseMs * 2 ** (failures - 1), longestPauseMs);
      },
    );
    await setTimeout(pauseMs, undefined, { signal: ending }).catch(() => undefined);
  }
}

function abortAtEnd(log: Log): AbortSignal {
  const ending = new AbortController();
  void endSignal(log).then(() => ending.abort());
  return ending.signal;
}
