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
import type { Outcome, Unsent } from "./outcome.ts";

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
  /** Of this run of the controller, and of this link among all that it makes: "RUN NUMBER". */
  readonly name: string;
  /** A call that changes nothing: whoever answers it is there. */
  readonly greeting: MethodDefinition<object, object>;
}

/** Longest time for connection, handshake and greeting, in milliseconds. */
const greetingMs = 5000;

/** For so long after a node's last answer, in milliseconds, a connection that seems to be open is taken for alive. */
const trustMs = 1000;

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

/**
 * The way to one node at one address. When a call over it was not answered it is given up, and another one is made,
 * whose greeting tells the node to take nothing more that arrives over this one.
 */
export class NodeLink {
  readonly address: string;
  /** Whether the next call had better take a new link. */
  isBroken = false;
  #isClosed = false;
  readonly #node: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #client: Client;
  readonly #greeting: LinkOptions["greeting"];
  #greeted: Promise<Outcome<object> | undefined> | undefined;
  #answeredAt = -Infinity;

  constructor({ node, address, context, name, greeting }: LinkOptions) {
    this.address = address;
    this.#node = node;
    this.#headers = { [headers.node]: node, [headers.link]: name };
    this.#greeting = greeting;
    const credentials = ChannelCredentials.createFromSecureContext(context, { checkServerIdentity: checkNode });
    this.#client = new Client(address, credentials, channelOptions);
  }

  /** Sends the call once the node has shown itself. Undefined if the link was closed before that: nothing was sent. */
  async call<Request, Response>(call: RemoteCall<Request, Response>): Promise<Outcome<Response> | undefined> {
    const greeted = await this.#greet();
    if (greeted === undefined || greeted.kind === "unsent") return greeted;
    if (call.signal.aborted || (call.deadline ?? Infinity) <= Date.now()) {
      return { kind: "unsent", reason: "the caller gave up before it was sent", isSilent: true };
    }
    return this.#send(call);
  }

  /** Calls under way go on. */
  close(): void {
    this.#isClosed = true;
    this.#client.close();
  }

  /**
   * Connects, and asks something harmless first: only then is it sure what an unanswered call means, and that the
   * other side is the node and still there, where a connection can look open long after the machine has lost its power.
   */
  async #greet(): Promise<Outcome<object> | undefined> {
    if (this.#isClosed) return undefined;
    const isOpen = this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
    if (isOpen && performance.now() - this.#answeredAt < trustMs) return { kind: "answered", response: {} };
    this.#greeted ??= this.#sendGreeting().finally(() => {
      this.#greeted = undefined;
    });
    return this.#greeted;
  }

  async #sendGreeting(): Promise<Outcome<object> | undefined> {
    const deadline = Date.now() + greetingMs;
    const signal = new AbortController().signal;
    const outcome = await this.#send({ method: this.#greeting, request: {}, deadline, signal });
    if (outcome?.kind !== "unanswered") return outcome;
    // a greeting that waits for its connection ends with the link
    return this.#isClosed ? undefined : notConnected(outcome.code, outcome.reason);
  }

  async #send<Request, Response>(call: RemoteCall<Request, Response>): Promise<Outcome<Response> | undefined> {
    if (this.#isClosed) return undefined;
    const complete = { ...call, headers: { ...call.headers, ...this.#headers } };
    const outcome = outcomeOf(await exchange(this.#client, complete), this.#node);
    // not let in, for a newer link's sake
    if (outcome.kind === "unsent" && this.#isClosed) return undefined;
    if (outcome.kind === "answered" || outcome.kind === "refused") this.#answeredAt = performance.now();
    else this.isBroken = true;
    return outcome;
  }
}

/** Of the machine's network and name service: nobody is at the address. */
const nobodyThere =
  /ECONNREFUSED|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|Name resolution failed/;

/**
 * A node that is away is not the same as one that hangs up at once, or whose certificate is not taken: with certificates
 * that do not fit every node would seem to be away. A node hangs up without a word on whom it does not trust. Of one that
 * has not answered in time nobody knows whether it is away: a connection can be made with a process that stands still.
 */
function notConnected(code: status, reason: string): Unsent {
  if (code === status.DEADLINE_EXCEEDED) return { kind: "unsent", reason, isSilent: true };
  return { kind: "unsent", reason, ...(nobodyThere.test(reason) ? {} : { saysNothing: true }) };
}

interface Answer<Response> {
  readonly error: ServiceError | null;
  readonly response: Response | undefined;
  /** Whom the answer's trailers name. */
  readonly node: string | undefined;
  /** Whether the node has not let the call in. */
  readonly isRefused: boolean;
}

function exchange<Request, Response>(
  client: Client,
  { method, request, deadline = Infinity, signal, headers: more = {} }: RemoteCall<Request, Response>,
): Promise<Answer<Response>> {
  const { promise, resolve } = Promise.withResolvers<Answer<Response>>();
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(more)) metadata.set(name, value);
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
    const [node] = trailers.get(headers.node);
    const isRefused = trailers.get(headers.refused).length > 0;
    resolve({ error: result.error, response: result.response, node: node?.toString(), isRefused });
  });
  return promise;
}

/** Only what carries the node's name is its answer; everything else is the library's or a stranger's. */
function outcomeOf<Response>({ error, response, node, isRefused }: Answer<Response>, meant: string): Outcome<Response> {
  const { code, details } = error ?? { code: status.UNAVAILABLE, details: "no answer" };
  if (node === undefined) return { kind: "unanswered", code, reason: details };
  if (isRefused) return { kind: "unsent", reason: node === meant ? details : `node ${quote(node)} is at its address` };
  // never believed
  if (node !== meant) return { kind: "unanswered", code, reason: `node ${quote(node)} answered in its place` };
  return error === null && response !== undefined ? { kind: "answered", response } : { kind: "refused", code, details };
}

function checkNode(_host: string, { subjectaltname }: PeerCertificate): Error | undefined {
  const names = (subjectaltname ?? "").split(", ");
  return names.includes(`DNS:${identities.node}`)
    ? undefined
    : new Error(`the certificate is not for ${identities.node}`);
}
