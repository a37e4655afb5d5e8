import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { ListenAddress } from "../flags.ts";
import type { Log } from "../log.ts";

/** What the paths answer with. Each has to answer in bounded time; what fails or is thrown is 503. */
export interface HealthAnswers {
  /** /healthz: whether to leave the process alone. Kubernetes starts the container again where it is false. */
  readonly isAlive: () => Promise<boolean>;
  /** /readyz: whether the process does all that it is there for. */
  readonly isReady: () => Promise<boolean>;
  /** /metrics: all figures in Prometheus's text format. */
  readonly metrics: () => Promise<string>;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Anybody may connect who reaches the port: nobody can keep a connection for long that says nothing, or much memory. */
const limits = {
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 8192,
};

/**
 * Of the probes and of one or two that scrape. With one more the oldest is cut off that waits for no answer, else the
 * oldest: who keeps connections open keeps nobody out. So many within the time in which a request arrives can.
 */
const mostConnections = 32;

/** A connection on which nothing moves for so long is cut off, whatever it waits for. */
const silenceMs = 30_000;

const plain = "text/plain; charset=utf-8";
/** Prometheus's text format. */
const figures = "text/plain; version=0.0.4; charset=utf-8";

/** Serves the three paths for GET and HEAD, and nothing else. @throws Error when the address cannot be had */
export async function serveHttp({ host, port }: ListenAddress, answers: HealthAnswers, log: Log): Promise<HttpServer> {
  const server = createServer(limits, (request, response) => {
    // No request of ours has a body: what comes of one is not kept.
    request.resume();
    reply(request, response, answers).catch((error: unknown) => {
      log.warn({ path: request.url?.slice(0, 32), error: String(error) }, "no answer over HTTP");
      if (!response.headersSent) send(response, 503, "failed\n");
    });
  });
  server.setTimeout(silenceMs);
  limitConnections(server);
  server.listen(port, host);
  await once(server, "listening");
  server.on("error", (error) => log.error({ error: String(error) }, "HTTP"));
  return {
    port: portOf(server),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function reply(request: IncomingMessage, response: ServerResponse, answers: HealthAnswers): Promise<void> {
  const path = request.url?.split("?", 1)[0] ?? "";
  if (!["/healthz", "/readyz", "/metrics"].includes(path)) return send(response, 404, "not found\n");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return send(response, 405, "GET or HEAD\n");
  }
  if (path === "/metrics") return send(response, 200, await answers.metrics(), figures);
  const isWell = await (path === "/healthz" ? answers.isAlive() : answers.isReady());
  send(response, isWell ? 200 : 503, isWell ? "ok\n" : "not ok\n");
}

/** Node.js leaves out the body where the request was HEAD. */
function send(response: ServerResponse, status: number, text: string, type = plain): void {
  const headers = { "content-type": type, "content-length": Buffer.byteLength(text), "cache-control": "no-store" };
  response.writeHead(status, headers).end(text);
}

function limitConnections(server: Server): void {
  const connections = new Set<Socket>();
  const waiting = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    if (connections.size <= mostConnections) return;
    const [oldest] = connections;
    const oldestIdle = connections.values().find((one) => !waiting.has(one));
    (oldestIdle ?? oldest)?.destroy();
  });
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    waiting.add(socket);
    response.once("close", () => waiting.delete(socket));
  });
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
