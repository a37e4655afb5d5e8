import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import type { Log } from "../log.ts";
import { type CallObserver, type Handler, unary } from "./rpc.ts";

/** CSI services on a Unix socket. */
export interface RunningServer {
  /** Takes no new calls; resolves when those under way are answered and their callers have hung up, which some never do. */
  stop(): Promise<void>;
}

/** Adds services to a server. */
export type Register = (server: Server) => void;

/** Who is told of the calls. */
export interface Watchers {
  readonly log: Log;
  readonly observe?: CallObserver | undefined;
}

/** Serves on a Unix socket. @throws Error when another process serves it */
export async function serve(socketPath: string, register: Register): Promise<RunningServer> {
  // channelz notes each call for a service that nobody here serves (gRPC A14)
  const server = new Server({ "grpc.enable_channelz": 0 });
  register(server);
  await clearSocket(socketPath);
  await bind(server, socketPath);
  return {
    stop: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
  };
}

/** Registers the plain functions; an RPC without one answers UNIMPLEMENTED. */
export function addService(server: Server, definition: ServiceDefinition, service: object, watchers: Watchers): void {
  const handlers = Object.entries(service).map(([name, handler]: [string, Handler<unknown, unknown>]) => [
    name,
    unary(name, handler, watchers.log, watchers.observe),
  ]);
  server.addService(definition, Object.fromEntries(handlers));
}

/**
 * Removes the socket that an ended run left.
 * @param flag where its path comes from
 * @throws Error when it is answered: it belongs to a running driver
 */
export async function clearSocket(path: string, flag = "--csi-endpoint"): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} is not a socket; remove it or give another ${flag}`);
  if (await isAnswered(path)) throw new Error(`${path} is served by a running process; end it first`);
  await unlink(path);
}

async function isAnswered(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = createConnection(path, () => resolve(true));
  connection.on("error", () => resolve(false));
  const answered = await promise;
  connection.destroy();
  return answered;
}

/** Takes the server's calls on a socket that is root's alone. */
export async function bind(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
    if (error === null) resolve();
    else reject(error);
  });
  await promise;
  await chmod(path, 0o600);
}
