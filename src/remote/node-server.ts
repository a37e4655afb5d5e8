import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ListenAddress } from "../flags.ts";
import type { Log } from "../log.ts";
import { createGate } from "./gate.ts";
import { nodeCheck } from "./node-check.ts";
import type { TlsDirectory } from "./tls-directory.ts";

/** Where and as whom a node takes the controller's calls. */
export interface RemoteOptions {
  readonly listen: ListenAddress;
  readonly tls: TlsDirectory;
  readonly topologyValue: string;
  readonly log: Log;
  /** Longest life of a connection in milliseconds, give or take a tenth, and of the calls under way after that. */
  readonly connectionAge?: { readonly mostMs: number; readonly graceMs: number };
}

/** A node's services, as the controller reaches them. */
export interface RemoteServer {
  readonly port: number;
  /** Takes no new calls; resolves when those under way are answered and the controller has hung up, if it ever does. */
  stop(): Promise<void>;
  /** Hangs up. */
  cut(): void;
}

/** A controller whose machine lost its power does not hang up. */
const keepalive = { "grpc.keepalive_time_ms": 60_000, "grpc.keepalive_timeout_ms": 10_000 };

/**
 * Certificates count at the handshake: whoever got in with one that has ended since, or whose authority is not trusted any
 * more, is out after that. A key that leaked is not shut out by being replaced: its certificate counts until it ends. The grace is longer than any sidecar waits for an answer. A call that arrives in the very moment is refused (HTTP/2,
 * REFUSED_STREAM), and its caller repeats it.
 */
const usualAge = { mostMs: 600_000, graceMs: 600_000 };

/**
 * Takes the controller's calls, and nobody else's. New certificates count for new connections, and no connection is old.
 * @param register adds the services that are served here
 * @throws Error when the address cannot be had
 */
export async function serveRemote(options: RemoteOptions, register: (server: Server) => void): Promise<RemoteServer> {
  const { tls, topologyValue, log, connectionAge: age = usualAge } = options;
  const server = new Server({
    ...keepalive,
    "grpc.enable_channelz": 0,
    "grpc.max_connection_age_ms": age.mostMs,
    "grpc.max_connection_age_grace_ms": age.graceMs,
    interceptors: [nodeCheck(topologyValue)],
  });
  register(server);
  // what it is given has been through the gate
  const entrance = server.createConnectionInjector(ServerCredentials.createInsecure());
  const connections = new Set<TLSSocket>();
  const gate = createGate((connection) => {
    connections.add(connection);
    connection.once("close", () => connections.delete(connection));
    entrance.injectConnection(connection);
  }, log);
  await tls.watch(() => gate.setSecureContext(tls.options));
  const port = await listen(gate, options.listen);
  log.info({ ...options.listen, port }, "taking the controller's calls");
  return {
    port,
    stop: async () => {
      tls.stop();
      gate.close();
      // the library waits for the calls of connections only that it has accepted itself
      const closed = [...connections].map(untilClosed);
      server.tryShutdown(() => undefined);
      await Promise.all(closed);
    },
    cut: () => {
      server.forceShutdown();
      for (const connection of connections) connection.destroy();
    },
  };
}

/** `once` of node:events would reject where a connection ends with an error. */
function untilClosed(connection: TLSSocket): Promise<void> {
  return new Promise((resolve) => void connection.once("close", () => resolve()));
}

async function listen(gate: ReturnType<typeof createGate>, { host, port }: ListenAddress): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  gate.once("error", reject);
  // without a host Node.js takes IPv4 alone where there is no IPv6
  gate.listen({ port, ...(host === "::" ? {} : { host }) }, resolve);
  await promise;
  // a TCP server's address is no path
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (gate.address() as AddressInfo).port;
}
