import type { ControllerConfig } from "./controller-config.ts";
import type { RoutedServices } from "./csi/routed-services.ts";
import type { Log } from "./log.ts";
import type { ControllerMetrics } from "./monitor/controller-metrics.ts";
import type { HttpServer } from "./monitor/http-server.ts";
import type { NodeDirectory } from "./remote/node-directory.ts";
import { serveHealth } from "./role-health.ts";

/** What health and figures of the controller role are taken from. */
export interface ControllerParts {
  readonly directory: NodeDirectory;
  readonly services: Pick<RoutedServices, "isReady" | "duplicates">;
  readonly isEnding: () => boolean;
  readonly log: Log;
}

/** What the controller counts; undefined, and prom-client not loaded, where nobody could ask for it. */
export async function loadControllerMetrics(
  config: ControllerConfig,
  version: string,
): Promise<ControllerMetrics | undefined> {
  if (config.httpListen === undefined) return undefined;
  const { createControllerMetrics } = await import("./monitor/controller-metrics.ts");
  return createControllerMetrics(version);
}

/** Serves health and figures where `--http-listen` says. A controller is ready that can call nodes. */
export async function serveControllerHealth(
  config: ControllerConfig,
  metrics: ControllerMetrics | undefined,
  { directory, services, isEnding, log }: ControllerParts,
): Promise<HttpServer | undefined> {
  if (config.httpListen === undefined || metrics === undefined) return undefined;
  return serveHealth({
    listen: config.httpListen,
    socketPath: config.socketPath,
    isEnding,
    isReady: services.isReady,
    metrics: () => {
      const nodes = directory.nodes();
      const nodesReady = nodes.filter((node) => node.isReady && node.address !== undefined).length;
      return metrics.text({ nodes: nodes.length, nodesReady, duplicateVolumes: services.duplicates() });
    },
    log,
  });
}
