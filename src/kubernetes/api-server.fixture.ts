import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";

export interface FakeObject {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

interface Event {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly collection: string;
  readonly object: FakeObject;
  readonly version: number;
}

interface Watcher {
  readonly collection: string;
  readonly selector: string | undefined;
  readonly response: ServerResponse;
}

/** As much of a Kubernetes API server as the driver uses, on loopback. */
export class FakeApiServer {
  /** "list pods", "watch nodes", "get nodes n1": all that was asked. */
  readonly requests: string[] = [];
  /** The next answers, instead of the right ones; one for each request for which `when` is true. */
  readonly answers: { readonly when: (request: string) => boolean; readonly status: number; readonly body: unknown }[] =
    [];
  /** Called before each request is answered. */
  beforeAnswer: (request: string) => void | Promise<void> = () => undefined;
  readonly authorizations = new Set<string | undefined>();
  readonly #objects = new Map<string, Map<string, FakeObject>>();
  readonly #events: Event[] = [];
  readonly #watchers = new Set<Watcher>();
  #server: Server;
  #version = 1;
  /** Watches from before are answered 410 Gone. */
  #oldest = 0;
  #directory = "";

  constructor(
    server: (handler: (request: IncomingMessage, response: ServerResponse) => void) => Server = createServer,
  ) {
    this.#server = server((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(new Error("fake", { cause: error })));
    });
  }

  /** @returns the environment that leads to it */
  async start(): Promise<{ KUBECONFIG: string }> {
    this.#directory = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-api."));
    const port = await this.listen();
    const file = path.join(this.#directory, "config");
    const config = {
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: { token: "secret-token" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    };
    await writeFile(file, JSON.stringify(config));
    return { KUBECONFIG: file };
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return address.port;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#directory !== "") await rm(this.#directory, { recursive: true, force: true });
  }

  put(collection: string, object: FakeObject): FakeObject {
    const objects = this.#collection(collection);
    const type = objects.has(object.metadata.name) ? "MODIFIED" : "ADDED";
    return this.#commit(type, collection, object);
  }

  remove(collection: string, name: string): void {
    const object = this.#collection(collection).get(name);
    if (object !== undefined) this.#commit("DELETED", collection, object);
  }

  get(collection: string, name: string): FakeObject | undefined {
    return this.#collection(collection).get(name);
  }

  watches(): number {
    return this.#watchers.size;
  }

  cutWatches(): void {
    for (const { response } of this.#watchers) response.destroy();
    this.#watchers.clear();
  }

  /** Forgets what happened until now, so that a watch from before cannot be continued. */
  forgetHistory(): void {
    this.#version += 1;
    this.#oldest = this.#version;
  }

  /** Sends a line to all watches, and ends them. */
  endWatches(line: object): void {
    for (const { response } of this.#watchers) response.end(`${JSON.stringify(line)}\n`);
    this.#watchers.clear();
  }

  #commit(type: Event["type"], collection: string, object: FakeObject): FakeObject {
    this.#version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    if (type === "DELETED") this.#collection(collection).delete(object.metadata.name);
    else this.#collection(collection).set(object.metadata.name, stored);
    const event = { type, collection, object: stored, version: this.#version };
    this.#events.push(event);
    for (const watcher of this.#watchers) tell(watcher, event);
    return stored;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://fake");
    const [, collection = "", name] =
      /^\/api\/v1\/(?:namespaces\/[^/]+\/)?(pods|nodes|secrets)(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
    const verb = verbOf(request.method ?? "", name, url);
    const asked = [verb, collection, name].filter((word) => word !== undefined).join(" ");
    this.requests.push(asked);
    this.authorizations.add(request.headers.authorization);
    await this.beforeAnswer(asked);
    const at = this.answers.findIndex(({ when }) => when(asked));
    const [answer] = at === -1 ? [] : this.answers.splice(at, 1);
    if (answer !== undefined) return reply(response, answer.status, answer.body);
    if (verb === "watch") return this.#watch(collection, url, response);
    if (verb === "list") return this.#list(collection, url, response);
    await this.#answerAboutOne([verb, collection, name ?? ""], request, response);
  }

  async #answerAboutOne(
    [verb, collection, name]: readonly [string, string, string],
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const stored = this.get(collection, name);
    if (stored === undefined) return reply(response, 404, statusOf(404, "NotFound", collection, name));
    if (verb === "get") return reply(response, 200, stored);
    // what the client sends is an object
    const sent: FakeObject = JSON.parse(await text(request));
    if (verb !== "update") return reply(response, 405, {});
    if (sent.metadata.resourceVersion !== stored.metadata.resourceVersion) {
      return reply(response, 409, statusOf(409, "Conflict", collection, name));
    }
    return reply(response, 200, this.put(collection, sent));
  }

  #list(collection: string, url: URL, response: ServerResponse): void {
    const selector = url.searchParams.get("labelSelector") ?? undefined;
    const all = [...this.#collection(collection).values()].filter((object) => isSelected(object, selector));
    const from = Number(url.searchParams.get("continue") ?? 0);
    const to = from + Number(url.searchParams.get("limit") ?? all.length);
    const more = to < all.length ? { continue: String(to) } : {};
    const metadata = { resourceVersion: String(this.#version), ...more };
    reply(response, 200, { kind: "List", metadata, items: all.slice(from, to) });
  }

  #watch(collection: string, url: URL, response: ServerResponse): void {
    const version = Number(url.searchParams.get("resourceVersion"));
    if (version < this.#oldest) return reply(response, 410, statusOf(410, "Expired", collection, undefined));
    const watcher = { collection, selector: url.searchParams.get("labelSelector") ?? undefined, response };
    response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
    this.#watchers.add(watcher);
    response.on("close", () => this.#watchers.delete(watcher));
    for (const event of this.#events) if (event.version > version) tell(watcher, event);
  }

  #collection(name: string): Map<string, FakeObject> {
    const objects = this.#objects.get(name) ?? new Map<string, FakeObject>();
    this.#objects.set(name, objects);
    return objects;
  }
}

/** What an API server answers where it cannot do what it was asked. */
export function statusOf(code: number, reason: string, kind: string, name: string | undefined): object {
  const message = `${kind} "${name}": ${reason}`;
  return { kind: "Status", status: "Failure", code, reason, message, details: { kind, name } };
}

function verbOf(method: string, name: string | undefined, url: URL): string {
  if (method !== "GET") return { PUT: "update", POST: "create", DELETE: "delete" }[method] ?? method;
  if (name !== undefined) return "get";
  return url.searchParams.get("watch") === "true" ? "watch" : "list";
}

function tell({ collection, selector, response }: Watcher, event: Event): void {
  if (event.collection !== collection || !isSelected(event.object, selector)) return;
  response.write(`${JSON.stringify({ type: event.type, object: event.object })}\n`);
}

function isSelected({ metadata }: FakeObject, selector: string | undefined): boolean {
  if (selector === undefined) return true;
  return selector.split(",").every((term) => {
    const [key = "", value] = term.split("=");
    return metadata.labels?.[key] === value;
  });
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
