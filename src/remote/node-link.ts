import {
  ChannelCredentials,
  type ChannelOptions,
  Client,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  connectivityState,
  status,
} from "@grpc/grpc-js";
import type { PeerCertificate, SecureContext } from "node:tls";
import { quote } from "../errors.ts";
import { headers, identities } from "./names.ts";
import type { Outcome } from "./outcome.ts";

/** A call as it goes to a node. */
export interface RemoteCall<Request, Response> {
  readonly method: MethodDefinition<Request, Response>;
  readonly request: Request;
  /** When the answer must be there, in milliseconds since the epoch; undefined if never. */
  readonly deadline: number | undefined;
  readonly signal: AbortSignal;
  /** More metadata. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Which node, and where. */
export interface LinkOptions {
  readonly node: string;
  readonly address: string;
  readonly context: SecureContext;
  /** A call that changes nothing: whoever answers it is there. */
  readonly greeting: MethodDefinition<object, object>;
}

/** Longest time for connection, handshake and greeting, in milliseconds. */
const greetingMs = 5000;

/** For so long after a node's last answer, in milliseconds, a connection that seems to be open is taken for alive. */
const trustMs = 5000;

const channelOptions: ChannelOptions = {
  "grpc.ssl_target_name_override": identities.node,
  // a call that was sent once is never sent again by the library
  "grpc.enable_retries": 0,
  // no proxy of the environment between controller and node
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  // no share in the waiting time after another link's failure
  "grpc.use_local_subchannel_pool": 1,
  // while a call is under way: a node that lost its power does not hang up
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5000,
  "grpc.client_idle_timeout_ms": 300_000,
  // a list of ten thousand volumes has some megabytes
  "grpc.max_receive_message_length": 64 * 1024 ** 2,
};

/** The way to one node at one address. When it is broken it is thrown away, and another one is made. */
export class NodeLink {
  readonly address: string;
  /** Whether the next call had better take a new link. */
  isBroken = false;
  readonly #node: string;
  readonly #client: Client;
  readonly #greeting: LinkOptions["greeting"];
  #greeted: Promise<Outcome<object>> | undefined;
  #answeredAt = -Infinity;

  constructor({ node, address, context, greeting }: LinkOptions) {
    this.address = address;
    this.#node = node;
    this.#greeting = greeting;
    const credentials = ChannelCredentials.createFromSecureContext(context, { checkServerIdentity: checkNode });
    this.#client = new Client(address, credentials, channelOptions);
  }

  /** Sends the call once the node has shown itself. */
  async call<Request, Response>(call: RemoteCall<Request, Response>): Promise<Outcome<Response>> {
    const greeted = await this.#greet();
    if (greeted.kind === "unsent") return greeted;
    if (call.signal.aborted || (call.deadline ?? Infinity) <= Date.now()) {
      return { kind: "unsent", reason: "the caller gave up before it was sent" };
    }
    return this.#send(call);
  }

  /** Calls under way go on. */
  close(): void {
    this.#client.close();
  }

  /**
   * Connects, and asks something harmless first: only then is it sure what an unanswered call means, and that the
   * other side is the node and still there, where a connection can look open long after the machine has lost its power.
   */
  async #greet(): Promise<Outcome<object>> {
    const isOpen = this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
    if (isOpen && performance.now() - this.#answeredAt < trustMs) return { kind: "answered", response: {} };
    this.#greeted ??= this.#sendGreeting().finally(() => {
      this.#greeted = undefined;
    });
    return this.#greeted;
  }

  async #sendGreeting(): Promise<Outcome<object>> {
    const deadline = Date.now() + greetingMs;
    const signal = new AbortController().signal;
    const outcome = await this.#send({ method: this.#greeting, request: {}, deadline, signal });
    if (outcome.kind !== "unanswered") return outcome;
    this.isBroken = true;
    return { kind: "unsent", reason: outcome.reason };
  }

  async #send<Request, Response>(call: RemoteCall<Request, Response>): Promise<Outcome<Response>> {
    const outcome = outcomeOf(await exchange(this.#client, this.#node, call), this.#node);
    if (outcome.kind === "answered" || outcome.kind === "refused") this.#answeredAt = performance.now();
    return outcome;
  }
}

interface Answer<Response> {
  readonly error: ServiceError | null;
  readonly response: Response | undefined;
  /** Whom the answer's trailers name. */
  readonly node: string | undefined;
}

function exchange<Request, Response>(
  client: Client,
  node: string,
  { method, request, deadline = Infinity, signal, headers: more = {} }: RemoteCall<Request, Response>,
): Promise<Answer<Response>> {
  const { promise, resolve } = Promise.withResolvers<Answer<Response>>();
  const metadata = new Metadata();
  for (const [name, value] of Object.entries({ ...more, [headers.node]: node })) metadata.set(name, value);
  const { path, requestSerialize, responseDeserialize } = method;
  const result: { error: ServiceError | null; response?: Response | undefined } = { error: null };
  const call = client.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
    metadata,
    { deadline },
    (error, response) => Object.assign(result, { error, response }),
  );
  const cancel = (): void => call.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  // comes after the callback, with the trailers also of an answer that is OK
  call.on("status", ({ metadata: trailers }) => {
    signal.removeEventListener("abort", cancel);
    resolve({ error: result.error, response: result.response, node: trailers.get(headers.node)[0]?.toString() });
  });
  return promise;
}

/** Only what carries the node's name is its answer; everything else is the library's or a stranger's. */
function outcomeOf<Response>({ error, response, node }: Answer<Response>, meant: string): Outcome<Response> {
  if (node !== undefined && node !== meant) return strangersWord(node, error);
  const { code, details } = error ?? { code: status.UNAVAILABLE, details: "no answer" };
  if (node === undefined) return { kind: "unanswered", code, reason: details };
  return error === null && response !== undefined ? { kind: "answered", response } : { kind: "refused", code, details };
}

/** A node refuses before anything else what is not meant for it. Of anything else that another one says nothing is believed. */
function strangersWord(node: string, error: ServiceError | null): Outcome<never> {
  const reason = `node ${quote(node)} is at its address`;
  if (error?.code === status.FAILED_PRECONDITION) return { kind: "unsent", reason };
  return { kind: "unanswered", code: status.UNAVAILABLE, reason };
}

function checkNode(_host: string, { subjectaltname }: PeerCertificate): Error | undefined {
  const names = (subjectaltname ?? "").split(", ");
  return names.includes(`DNS:${identities.node}`)
    ? undefined
    : new Error(`the certificate is not for ${identities.node}`);
}
