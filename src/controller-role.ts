import { setTimeout } from "node:timers/promises";
import type { ControllerConfig } from "./controller-config.ts";
import { loadControllerMetrics, serveControllerHealth } from "./controller-health.ts";
import { routedServices } from "./csi/routed-services.ts";
import { clearSocket, serve } from "./csi/server.ts";
import { endSignal } from "./end-signal.ts";
import { type Log, createLog } from "./log.ts";
import type { NodeDirectory } from "./remote/node-directory.ts";
import { readStaticNodes } from "./remote/static-nodes.ts";
import { TlsDirectory } from "./remote/tls-directory.ts";

/** Calls under way may end for so long, in milliseconds; then their callers repeat them. */
const patienceMs = 5000;

/** Serves the Controller service of a cluster until SIGTERM or SIGINT. It keeps nothing that a restart could lose. */
export async function runController(config: ControllerConfig, version: string): Promise<void> {
  const log = createLog(config.logLevel);
  await clearSocket(config.socketPath);
  const directory = await openDirectory(config, log);
  const tls = new TlsDirectory(config.tlsDirectory, log);
  const metrics = await loadControllerMetrics(config, version);
  const services = await routedServices({ directory, tls, log, version, observe: metrics?.observeCall });
  const ending = endSignal(log);
  const server = await serve(config.socketPath, services.register);
  let isEnding = false;
  const http = await serveControllerHealth(config, metrics, { directory, services, isEnding: () => isEnding, log });
  log.info({ version, nodes: directory.nodes().length }, "serving");

  await ending;
  isEnding = true;
  await Promise.race([server.stop(), setTimeout(patienceMs, undefined, { ref: false })]);
  services.close();
  await directory.close();
  await http?.close();
  log.info({}, "ended");
}

/** The Kubernetes client is loaded where it is needed only: it takes a second and some 40 MB. */
async function openDirectory(config: ControllerConfig, log: Log): Promise<NodeDirectory> {
  if (config.nodesFile !== undefined) return readStaticNodes(config.nodesFile);
  const { connect } = await import("./kubernetes/client.ts");
  const { KubernetesDirectory } = await import("./kubernetes/kubernetes-directory.ts");
  const { namespace, nodeSelector, nodePort } = config;
  return new KubernetesDirectory({ client: connect(process.env), namespace, nodeSelector, nodePort, log });
}
