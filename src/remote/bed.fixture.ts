import { rm } from "node:fs/promises";
import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { type Authority, controllerLeaf, makeAuthority, nodeLeaf, tlsDirectory } from "../../test/lab/certificates.ts";
import { type Message, jsonMethod } from "./json-method.fixture.ts";
import { NodeCalls } from "./node-calls.ts";
import type { KnownNode } from "./node-directory.ts";
import type { RemoteCall } from "./node-link.ts";
import { type RemoteOptions, type RemoteServer, serveRemote } from "./node-server.ts";
import { TlsDirectory } from "./tls-directory.ts";

export type Handler = (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) => void;

export const greeting = jsonMethod("/test/Greet");
const work = jsonMethod("/test/Work");
const pollMs = 50;

/** Nodes on the loopback and a controller's way to them, with certificates of their own. */
export class Bed {
  readonly authority: Authority;
  /** TLS directories. */
  readonly controller: string;
  readonly node: string;
  readonly calls: NodeCalls;
  /** What nodes were asked to work on. */
  readonly worked: Message[] = [];
  readonly lines: string[] = [];
  readonly log = { debug: this.#note, info: this.#note, warn: this.#note, error: this.#note };
  readonly #known = new Map<string, KnownNode>();
  readonly #servers: RemoteServer[] = [];
  readonly #watches: TlsDirectory[] = [];

  constructor(authority: Authority, controller: string, node: string) {
    this.authority = authority;
    this.controller = controller;
    this.node = node;
    this.calls = this.newCalls();
  }

  newCalls(): NodeCalls {
    const tls = new TlsDirectory(this.controller, this.log, pollMs);
    const directory = { find: (node: string) => this.#known.get(node), nodes: () => [...this.#known.values()] };
    return new NodeCalls({ directory, tls, greeting, log: this.log });
  }

  send(node: string, request: Message = {}, more: Partial<RemoteCall<Message, Message>> = {}) {
    return this.calls.send<Message, Message>(node, { ...callOf(request), ...more });
  }

  async startNode(name: string, handler: Handler, port = 0, more: Partial<RemoteOptions> = {}): Promise<RemoteServer> {
    const tls = new TlsDirectory(this.node, this.log, pollMs);
    this.#watches.push(tls);
    const options = { listen: { host: "127.0.0.1", port }, tls, topologyValue: name, log: this.log, ...more };
    const server = await serveRemote(options, (grpc) => this.#register(grpc, handler));
    this.#servers.push(server);
    this.know(name, `127.0.0.1:${server.port}`);
    return server;
  }

  know(topologyValue: string, address: string | undefined): void {
    this.#known.set(topologyValue, { topologyValue, address, isReady: true });
  }

  async close(): Promise<void> {
    this.calls.close();
    for (const server of this.#servers) {
      void server.stop();
      server.cut();
    }
    for (const watch of this.#watches) watch.stop();
    for (const directory of [this.controller, this.node]) await rm(directory, { recursive: true });
  }

  #register(server: Server, handler: Handler): void {
    const services = {
      Greet: (_call: unknown, callback: sendUnaryData<Message>) => callback(null, {}),
      Work: (call: ServerUnaryCall<Message, Message>, callback: sendUnaryData<Message>) => {
        this.worked.push(call.request);
        handler(call, callback);
      },
    };
    server.addService({ Greet: greeting, Work: work }, services);
  }

  get #note() {
    return (fields: object, message: string): void => void this.lines.push(`${message} ${JSON.stringify(fields)}`);
  }
}

export async function openBed(): Promise<Bed> {
  const authority = await makeAuthority();
  const controller = await tlsDirectory(await controllerLeaf(authority), authority);
  const bed = new Bed(authority, controller, await tlsDirectory(await nodeLeaf(authority), authority));
  await bed.calls.open();
  return bed;
}

export function callOf(request: Message): RemoteCall<Message, Message> {
  return { method: work, request, deadline: undefined, signal: new AbortController().signal };
}

/** Answers with the request's text. */
export const echo: Handler = (call, callback) => callback(null, { echo: call.request["text"] ?? "" });

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
