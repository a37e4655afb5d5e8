import { checkSocket } from "./csi/self-check.ts";
import type { ListenAddress } from "./flags.ts";
import type { Log } from "./log.ts";
import { type HttpServer, serveHttp } from "./monitor/http-server.ts";
import { recent } from "./monitor/recent.ts";

/** An answer is good for this long in milliseconds, so that it costs nothing to be asked by many. */
const goodForMs = 1000;

/** What health and figures of a role are taken from. */
export interface RoleHealth {
  readonly listen: ListenAddress;
  /** The role's own CSI socket. */
  readonly socketPath: string;
  /** Whether the role was told to end. */
  readonly isEnding: () => boolean;
  /** Whether the role does what it is there for, apart from its socket. */
  readonly isReady: () => boolean;
  /** All figures in Prometheus's text format, in bounded time. */
  readonly metrics: () => Promise<string>;
  readonly log: Log;
}

/**
 * Serves a role's health and figures.
 *
 * Alive: a call on the CSI socket gets through, which needs neither LVM nor a disk nor another process. An event loop that
 * hangs answers no probe at all. A role that is ending is alive: what it waits for must not be interrupted. Ready: alive,
 * not ending, and what the role says. A volume group that is missing makes neither false: Probe tells of that.
 */
export async function serveHealth(health: RoleHealth): Promise<HttpServer> {
  const { listen, socketPath, isEnding, isReady, metrics, log } = health;
  const answers = recent(async () => {
    await checkSocket(socketPath);
    return true;
  }, goodForMs);
  const paths = {
    isAlive: async () => isEnding() || answers(),
    isReady: async () => !isEnding() && isReady() && answers(),
    metrics: recent(metrics, goodForMs),
  };
  const server = await serveHttp(listen, paths, log);
  log.info(listen, "serving health and metrics");
  return server;
}
