import { checkSocket } from "./csi/self-check.ts";
import type { Registration } from "./csi/registration.ts";
import type { NodeConfig } from "./config.ts";
import { type HttpServer, serveHttp } from "./monitor/http-server.ts";
import type { NodeMetrics } from "./monitor/node-metrics.ts";
import { recent } from "./monitor/recent.ts";
import type { Context } from "./volume/context.ts";
import { allGroupFigures } from "./volume/figures.ts";

/** An answer is good for this long, so that it costs nothing to be asked by many. */
const goodForMs = 1000;

/** What health and figures of the node role are taken from. */
export interface NodeParts {
  readonly context: Context;
  readonly registration: Registration | undefined;
}

/** What the node counts; undefined, and prom-client not loaded, where nobody could ask for it. */
export async function loadNodeMetrics(config: NodeConfig, version: string): Promise<NodeMetrics | undefined> {
  if (config.httpListen === undefined) return undefined;
  const { createNodeMetrics } = await import("./monitor/node-metrics.ts");
  return createNodeMetrics(version);
}

/**
 * Serves health and figures where `--http-listen` says.
 *
 * Alive: a call on the CSI socket gets through, which needs neither LVM nor a disk. An event loop that hangs answers no
 * probe at all. A driver that is ending is alive: what it waits for must not be interrupted. Ready: alive, not ending, and
 * registered with the kubelet if it is to be. A volume group that is missing makes neither false: Probe tells of that.
 */
export async function serveNodeHealth(
  config: NodeConfig,
  metrics: NodeMetrics | undefined,
  { context, registration }: NodeParts,
): Promise<HttpServer | undefined> {
  if (config.httpListen === undefined || metrics === undefined) return undefined;
  const { log, operations } = context;
  const answers = recent(async () => {
    await checkSocket(config.socketPath);
    return true;
  }, goodForMs);
  const isRegistered = (): boolean => registration?.isRegistered === true;
  const figures = { groups: () => allGroupFigures(context), operations: () => operations.count, isRegistered };
  const health = {
    isAlive: async () => operations.isEnding || answers(),
    isReady: async () => !operations.isEnding && (registration === undefined || isRegistered()) && answers(),
    metrics: recent(() => metrics.text(figures), goodForMs),
  };
  const server = await serveHttp(config.httpListen, health, log);
  log.info(config.httpListen, "serving health and metrics");
  return server;
}
