import { setTimeout } from "node:timers/promises";
import { type NodeConfig, topologyValue } from "./config.ts";
import { claimGroups } from "./volume/claim.ts";
import { nodeServices } from "./csi/node-services.ts";
import { Registration } from "./csi/registration.ts";
import { type Register, clearSocket, serve } from "./csi/server.ts";
import { endSignal } from "./end-signal.ts";
import { createHost } from "./host/create-host.ts";
import type { Host } from "./host/host.ts";
import { type Log, createLog } from "./log.ts";
import type { CommandObserver } from "./lvm/session.ts";
import { VolumeGroup } from "./lvm/volume-group.ts";
import type { NodeMetrics } from "./monitor/node-metrics.ts";
import { loadNodeMetrics, serveNodeHealth } from "./node-health.ts";
import { type RemoteServer, serveRemote } from "./remote/node-server.ts";
import { TlsDirectory } from "./remote/tls-directory.ts";
import { Caretaker } from "./volume/caretaker.ts";
import type { Context } from "./volume/context.ts";
import { Operations } from "./volume/operations.ts";
import { isReady } from "./volume/ready.ts";
import { Turns } from "./volume/turns.ts";

/**
 * Serves one node until SIGTERM or SIGINT: no new calls then, what must not be interrupted finishes, zeroing and wiping
 * stop at their next step.
 * @param openHost the port; a test puts its own around it, to end the process before or after any step
 */
export async function runNode(config: NodeConfig, version: string, openHost = createHost): Promise<void> {
  const log = createLog(config.logLevel);
  // from the start on, an end is an orderly one
  const ending = endSignal(log);
  const { host, close } = await openHost({ kubeletDirectory: config.kubeletDirectory, log });
  await clearSocket(config.socketPath);
  await claimGroups(host, config, log);
  const metrics = await loadNodeMetrics(config, version);
  const groups = openGroups(config, host, log, metrics?.observeCommand);
  const operations = new Operations();
  const context: Context = {
    host,
    groups,
    topologyValue: topologyValue(config.nodeName),
    reserve: config.reserve,
    operations,
    turns: new Map(config.volumeGroups.map((name) => [name, new Turns()])),
    begun: new Set(),
    log,
  };
  const health = { version, ready: () => isReady(context) };
  const services = nodeServices(context, health, metrics?.observeCall);
  const server = await serve(config.socketPath, services.all);
  const remote = await serveController(config, services.remote, log);
  const registration = registrationOf(config, log, metrics);
  const http = await serveNodeHealth(config, metrics, { context, registration });
  await registration?.offer();
  const caretaker = new Caretaker(context, config.backupDirectory);
  caretaker.start();
  log.info({ version, node: config.nodeName, volumeGroups: config.volumeGroups }, "serving");

  await ending;
  registration?.withdraw();
  caretaker.stop();
  const stopped = Promise.all([server.stop(), remote?.stop()]);
  await operations.end();
  // The last answers are on their way; a caller that keeps its connection open must not keep the driver.
  await Promise.race([stopped, setTimeout(1000, undefined, { ref: false })]);
  remote?.cut();
  await Promise.all([...groups.values()].map((group) => group.close()));
  await http?.close();
  await close();
  log.info({}, "ended");
}

function openGroups(
  config: NodeConfig,
  host: Host,
  log: Log,
  observe: CommandObserver | undefined,
): ReadonlyMap<string, VolumeGroup> {
  const { lockDirectory } = config;
  const excludedDirectory = host.mounts.kubeletDirectory.resolved;
  const common = { devices: host.devices, lvm: host.lvm, lockDirectory, excludedDirectory, log, observe };
  return new Map(config.volumeGroups.map((name) => [name, new VolumeGroup({ ...common, name })]));
}

/** How the kubelet gets to know the driver; nothing where it is told by somebody else. */
function registrationOf(config: NodeConfig, log: Log, metrics: NodeMetrics | undefined): Registration | undefined {
  if (config.registrationSocket === undefined) return undefined;
  return new Registration({
    socketPath: config.registrationSocket,
    endpoint: config.socketPath,
    log,
    observeCall: metrics?.observeCall,
    observeOutcome: metrics?.observeRegistration,
  });
}

/** For the calls that come from the controller, if any are to come. */
async function serveController(config: NodeConfig, register: Register, log: Log): Promise<RemoteServer | undefined> {
  const { remoteListen: listen, tlsDirectory } = config;
  if (listen === undefined || tlsDirectory === undefined) return undefined;
  const tls = new TlsDirectory(tlsDirectory, log);
  return serveRemote({ listen, tls, topologyValue: topologyValue(config.nodeName), log }, register);
}
