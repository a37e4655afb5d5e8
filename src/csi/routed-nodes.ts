import { type MethodDefinition, status } from "@grpc/grpc-js";
import { VolumeError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { NodeCalls } from "../remote/node-calls.ts";
import type { KnownNode, NodeDirectory } from "../remote/node-directory.ts";
import type { Outcome } from "../remote/outcome.ts";
import { kindOfCode } from "./codes.ts";
import type { ControllerDefinition } from "./generated/csi/v1/Controller.ts";
import type { Call } from "./rpc.ts";

type Methods = {
  [Name in keyof ControllerDefinition as string extends Name ? never : number extends Name ? never : Name]: Method<
    ControllerDefinition[Name]
  >;
};

type Method<Definition> = Definition extends { responseDeserialize: (bytes: Buffer) => infer Response }
  ? Definition extends { requestDeserialize: (bytes: Buffer) => infer Request }
    ? { readonly request: Request; readonly response: Response }
    : never
  : never;

/** An RPC of the Controller service. */
export type Rpc = keyof Methods;
export type RequestOf<Name extends Rpc> = Methods[Name]["request"];
export type ResponseOf<Name extends Rpc> = Methods[Name]["response"];

/** A call as it goes to one of the nodes. */
export interface NodeCall<Name extends Rpc> {
  readonly rpc: Name;
  readonly request: RequestOf<Name>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest wait for the answer in milliseconds; default: as long as the caller waits. */
  readonly patienceMs?: number;
}

/** What the calls that are routed to nodes work with. */
export interface Router {
  readonly directory: NodeDirectory;
  readonly calls: Pick<NodeCalls, "send" | "hasCertificates">;
  /** The Controller service. */
  readonly methods: Readonly<Record<string, MethodDefinition<object, object>>>;
  readonly log: Log;
}

/** A node gets less time than the caller gives, in milliseconds: the answer that there was none must still be sent. */
const answerAheadMs = 700;

/** Calls asked at once of many nodes. */
const crowd = 64;

/** Calls a node, for as long as the caller waits. */
export function ask<Name extends Rpc>(
  router: Router,
  node: string,
  { rpc, request, headers, patienceMs = Infinity }: NodeCall<Name>,
  { deadline = Infinity, signal }: Pick<Call, "deadline" | "signal">,
): Promise<Outcome<ResponseOf<Name>>> {
  const method = router.methods[rpc];
  if (method === undefined) throw new Error(`the Controller service has no ${rpc}`);
  const end = Math.min(deadline - answerAheadMs, Date.now() + patienceMs);
  return router.calls.send(node, {
    method,
    request,
    deadline: Number.isFinite(end) ? end : undefined,
    signal,
    ...(headers === undefined ? {} : { headers }),
  });
}

/** @throws VolumeError deadlineExceeded if there is no time left for a node: nothing may be concluded from that */
export function requireTime({ deadline = Infinity, signal }: Pick<Call, "deadline" | "signal">): void {
  if (!signal.aborted && Date.now() < deadline - answerAheadMs) return;
  throw new VolumeError("deadlineExceeded", "the time was up before a node was found; try again");
}

/** Does something with each of many nodes, not with all at once. Results come in the order of the nodes. */
export async function forEachNode<Node, Result>(
  nodes: readonly Node[],
  work: (node: Node) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = nodes.entries();
  const worker = async (): Promise<void> => {
    for (const [index, node] of queue) results[index] = await work(node);
  };
  await Promise.all(Array.from({ length: Math.min(crowd, nodes.length) }, worker));
  return results;
}

/** The node's response. @throws VolumeError of the node's own code and words; unavailable or deadlineExceeded */
export function responseOf<Response>(node: string, outcome: Outcome<Response>): Response {
  if (outcome.kind === "answered") return outcome.response;
  throw failureFrom(node, outcome);
}

/** What the caller of a call that had to go to this node is told. */
export function failureFrom(node: string, outcome: Exclude<Outcome<unknown>, { kind: "answered" }>): VolumeError {
  switch (outcome.kind) {
    case "refused":
      return new VolumeError(kindOfCode(outcome.code), outcome.details);
    case "unsent":
      return new VolumeError("unavailable", `node ${node} cannot be reached: ${outcome.reason}`);
    case "unanswered": {
      const kind = outcome.code === status.DEADLINE_EXCEEDED ? "deadlineExceeded" : "unavailable";
      return new VolumeError(kind, `node ${node} has not answered, and may go on with it: ${outcome.reason}`);
    }
  }
}

/** All nodes, in one fixed order. @throws VolumeError unavailable before any of them can be called */
export function allNodes(router: Router): readonly KnownNode[] {
  requireReady(router);
  return router.directory.nodes().toSorted((a, b) => (a.topologyValue < b.topologyValue ? -1 : 1));
}

/** @throws VolumeError unavailable: what cannot be known yet must not be taken for absent, nor for full */
export function requireReady({ directory, calls }: Router): void {
  if (!directory.isSynced()) throw new VolumeError("unavailable", "the nodes are not known yet; try again");
  if (calls.hasCertificates) return;
  throw new VolumeError(
    "unavailable",
    "there is no certificate to show to nodes, or it has expired; see --tls-directory",
  );
}
