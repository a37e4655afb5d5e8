import type { NodeConfig } from "./config.ts";
import type { Registration } from "./csi/registration.ts";
import type { HttpServer } from "./monitor/http-server.ts";
import type { NodeMetrics } from "./monitor/node-metrics.ts";
import { serveHealth } from "./role-health.ts";
import type { Context } from "./volume/context.ts";
import { allGroupFigures } from "./volume/figures.ts";

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

/** Serves health and figures where `--http-listen` says. A node is ready when the kubelet knows it, if it is to. */
export async function serveNodeHealth(
  config: NodeConfig,
  metrics: NodeMetrics | undefined,
  { context, registration }: NodeParts,
): Promise<HttpServer | undefined> {
  if (config.httpListen === undefined || metrics === undefined) return undefined;
  const { log, operations } = context;
  const isRegistered = (): boolean => registration?.isRegistered === true;
  const figures = { groups: () => allGroupFigures(context), operations: () => operations.count, isRegistered };
  return serveHealth({
    listen: config.httpListen,
    socketPath: config.socketPath,
    isEnding: () => operations.isEnding,
    isReady: () => registration === undefined || isRegistered(),
    metrics: () => metrics.text(figures),
    log,
  });
}
