import { randomUUID } from "node:crypto";
import type { MethodDefinition } from "@grpc/grpc-js";
import type { Log } from "../log.ts";
import type { NodeDirectory } from "./node-directory.ts";
import { NodeLink, type RemoteCall } from "./node-link.ts";
import type { Outcome, Unsent } from "./outcome.ts";
import type { TlsDirectory } from "./tls-directory.ts";

/** The way to the nodes. */
export interface NodeCallsOptions {
  readonly directory: Pick<NodeDirectory, "find" | "nodes">;
  readonly tls: TlsDirectory;
  /** A call that changes nothing. */
  readonly greeting: MethodDefinition<object, object>;
  readonly log: Log;
}

/** Links that a call may lose to what others do before it is sent. */
const mostAttempts = 4;

/** Calls to nodes over mutual TLS, one connection for each; opened at need, and closed after some idle minutes. */
export class NodeCalls {
  readonly #options: NodeCallsOptions;
  readonly #links = new Map<string, NodeLink>();
  readonly #run = randomUUID();
  #linksMade = 0;

  constructor(options: NodeCallsOptions) {
    this.#options = options;
  }

  /** Begins to read the certificates. With new ones come new connections. */
  async open(): Promise<void> {
    await this.#options.tls.watch(() => this.#closeLinks());
  }

  /** Whether there are certificates, and the controller's own has not expired. */
  get hasCertificates(): boolean {
    const { context, expiresAt } = this.#options.tls;
    return context !== undefined && Date.now() < expiresAt;
  }

  /** Sends a call to the node of this topology value, at the address that it has now. */
  async send<Request, Response>(node: string, call: RemoteCall<Request, Response>): Promise<Outcome<Response>> {
    for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
      const link = this.#linkTo(node);
      if (!(link instanceof NodeLink)) return link;
      const outcome = await link.call(call);
      if (link.isBroken) this.#discard(node, link);
      const { path } = call.method;
      this.#options.log.debug({ node, address: link.address, path, outcome: outcome?.kind }, "called a node");
      // else it was given up for another call's sake, for new certificates, or for a new address
      if (outcome !== undefined) return outcome;
    }
    return { kind: "unsent", reason: "its connection was given up again and again", saysNothing: true };
  }

  close(): void {
    this.#options.tls.stop();
    this.#closeLinks();
  }

  /** The link, or why there is none. */
  #linkTo(node: string): NodeLink | Unsent {
    const { directory, tls, greeting } = this.#options;
    const known = directory.find(node);
    if (known === undefined) return unsent("it is not known to have a driver");
    const { address } = known;
    const link = this.#links.get(node);
    if (link !== undefined && link.address === address) return link;
    if (link !== undefined) this.#discard(node, link);
    if (address === undefined) return unsent("no driver runs there");
    if (tls.context === undefined) return { ...unsent("the controller has no certificate yet"), saysNothing: true };
    this.#forgetOthers();
    this.#linksMade += 1;
    const name = `${this.#run} ${this.#linksMade}`;
    const made = new NodeLink({ node, address, context: tls.context, name, greeting });
    this.#links.set(node, made);
    return made;
  }

  /** Links to nodes that are no more. */
  #forgetOthers(): void {
    const known = new Set(this.#options.directory.nodes().map((node) => node.topologyValue));
    for (const [node, link] of this.#links) if (!known.has(node)) this.#discard(node, link);
  }

  #discard(node: string, link: NodeLink): void {
    link.close();
    if (this.#links.get(node) === link) this.#links.delete(node);
  }

  #closeLinks(): void {
    for (const [node, link] of this.#links) this.#discard(node, link);
  }
}

function unsent(reason: string): Unsent {
  return { kind: "unsent", reason };
}
