import { status } from "@grpc/grpc-js";
import { VolumeError, quote } from "../errors.ts";
import { headers } from "../remote/names.ts";
import type { Outcome } from "../remote/outcome.ts";
import { logicalVolumeName } from "../volume/id.ts";
import { parseCreation } from "./controller-requests.ts";
import type { TopologyRequirement__Output } from "./generated/csi/v1/TopologyRequirement.ts";
import { roomiestFirst } from "./routed-capacity.ts";
import {
  type Router,
  type RequestOf,
  type ResponseOf,
  allNodes,
  ask,
  failureFrom,
  forEachNode,
  requireTime,
} from "./routed-nodes.ts";
import type { Call } from "./rpc.ts";
import { SentNames } from "./sent-names.ts";
import { nodeOf } from "./topology.ts";

type Request = RequestOf<"CreateVolume">;
type Response = ResponseOf<"CreateVolume">;

/** Longest wait, in milliseconds, for one node's word on whether it has a volume already. */
const searchPatienceMs = 10_000;

/** One CreateVolume on its way. */
interface Creation {
  readonly router: Router;
  readonly sent: SentNames;
  readonly request: Request;
  readonly call: Call;
  /** Of the logical volume. */
  readonly name: string;
}

/** A node that may be tried, or why not. */
interface Candidate {
  readonly node: string;
  readonly obstacle?: string;
  /** The node found fault with the request itself. */
  readonly fault?: VolumeError;
}

/**
 * CreateVolume in front of many nodes. A name has one volume: where it may lie on another node than the one to be
 * tried, because it was sent there or because the caller did not say where, the nodes are asked for it first.
 */
export class RoutedCreate {
  readonly sent = new SentNames();
  readonly #router: Router;
  readonly #busy = new Set<string>();

  constructor(router: Router) {
    this.#router = router;
  }

  /** @throws VolumeError */
  async create(request: Request, call: Call): Promise<Response> {
    const name = logicalVolumeName(parseCreation(request).name);
    if (this.#busy.has(name)) {
      throw new VolumeError("aborted", `another call for volume ${quote(request.name)} is under way; try again`);
    }
    this.#busy.add(name);
    try {
      return await route({ router: this.#router, sent: this.sent, request, call, name });
    } finally {
      this.#busy.delete(name);
    }
  }
}

async function route(creation: Creation): Promise<Response> {
  const { router, sent, request, call, name } = creation;
  const wanted = wantedNodes(creation);
  const nodes = wanted ?? allNodes(router).map((node) => node.topologyValue);
  const elsewhere = sent.nodes(name).filter((node) => !nodes.includes(node));
  const isSure = nodes.length === 1 && elsewhere.length === 0;
  const search = isSure ? {} : await searchFor(creation, nodes, elsewhere);
  if ("answer" in search) return search.answer;
  const candidates = search.candidates ?? nodes.map((node) => ({ node }));
  const ordered = wanted === undefined ? await roomiestFirst(router, request, candidates, call) : candidates;
  return tryInTurn(creation, ordered);
}

/** The nodes that the volume may be made on, best first; undefined if it may be anywhere. */
function wantedNodes({ request, router }: Creation): readonly string[] | undefined {
  allNodes(router);
  const { requisite = [], preferred = [] }: Partial<TopologyRequirement__Output> =
    request.accessibilityRequirements ?? {};
  const allowed = (requisite.length > 0 ? requisite : preferred).map(nodeOf);
  if (allowed.length === 0 || allowed.includes(undefined)) return undefined;
  const order = [...preferred.map(nodeOf).filter((node) => allowed.includes(node)), ...allowed];
  return [...new Set(order.filter((node) => node !== undefined))];
}

type Search = { readonly answer: Response } | { readonly candidates?: readonly Candidate[] };

interface Found {
  readonly node: string;
  readonly outcome: Outcome<Response>;
}

/**
 * Asks all nodes that may have the volume. A node that cannot be asked is only left out, unless the volume was sent to
 * it: then nothing can be done until it answers or is gone.
 */
async function searchFor(creation: Creation, nodes: readonly string[], elsewhere: readonly string[]): Promise<Search> {
  const outcomes = await forEachNode([...nodes, ...elsewhere], async (node) => ({
    node,
    outcome: await lookOn(creation, node, elsewhere.includes(node)),
  }));
  for (const { node, outcome } of outcomes) if (isAbsent(outcome)) creation.sent.remove(creation.name, node);
  const holders = outcomes.filter(({ outcome }) => isHolder(outcome));
  tellDuplicates(creation, holders);
  const [holder] = holders;
  if (holder !== undefined) return { answer: await answerOfHolder(creation, holder, elsewhere) };
  for (const { node, outcome } of outcomes) await requireSettled(creation, node, outcome);
  return { candidates: outcomes.filter(({ node }) => nodes.includes(node)).map(candidateOf) };
}

async function lookOn(creation: Creation, node: string, isElsewhere: boolean): Promise<Outcome<Response>> {
  const { router, sent, request, call, name } = creation;
  const obstacle = obstacleTo(creation, node);
  if (obstacle !== undefined && !sent.has(name, node)) return { kind: "unsent", reason: obstacle };
  // a node refuses what is to be elsewhere
  const asked = isElsewhere ? { ...request, accessibilityRequirements: null } : request;
  const only = { [headers.onlyExisting]: "true" };
  const nodeCall = { rpc: "CreateVolume", request: asked, headers: only, patienceMs: searchPatienceMs } as const;
  return ask(router, node, nodeCall, call);
}

function isAbsent(outcome: Outcome<Response>): boolean {
  return outcome.kind === "refused" && outcome.code === status.NOT_FOUND;
}

/** Whether the node has a volume of the name: as asked for, another one, or one that is being made or removed. */
function isHolder(outcome: Outcome<Response>): boolean {
  if (outcome.kind === "answered") return true;
  return outcome.kind === "refused" && [status.ABORTED, status.ALREADY_EXISTS].includes(outcome.code);
}

async function answerOfHolder(creation: Creation, holder: Found, elsewhere: readonly string[]): Promise<Response> {
  const { node, outcome } = holder;
  creation.sent.add(creation.name, node);
  const isAtWork = outcome.kind === "refused" && outcome.code === status.ABORTED;
  // a repeated call waits for the work, where a search does not
  if (isAtWork && !elsewhere.includes(node)) return tryInTurn(creation, [{ node }]);
  if (outcome.kind !== "answered") throw failureFrom(node, outcome);
  if (!elsewhere.includes(node)) return outcome.response;
  const reason = `exists on node ${node}, which is not one of the nodes that are asked for now`;
  throw new VolumeError("alreadyExists", `volume ${quote(creation.request.name)} ${reason}`);
}

function tellDuplicates({ router, name }: Creation, holders: readonly Found[]): void {
  if (holders.length < 2) return;
  const nodes = holders.map(({ node }) => node);
  router.log.warn({ volume: name, nodes }, "a volume is on more than one node; remove all but the one in use");
}

/** @throws VolumeError unavailable or deadlineExceeded if the volume was sent to the node, which cannot tell of it now */
async function requireSettled(
  { router, sent, name }: Creation,
  node: string,
  outcome: Outcome<Response>,
): Promise<void> {
  if (!sent.has(name, node) || outcome.kind === "answered") return;
  if (outcome.kind === "unsent" && (await router.directory.isGone(node))) {
    sent.remove(name, node);
    return;
  }
  throw failureFrom(node, outcome);
}

function candidateOf({ node, outcome }: Found): Candidate {
  if (outcome.kind === "answered") return { node };
  if (outcome.kind !== "refused") return { node, obstacle: outcome.reason };
  if (isAbsent(outcome)) return { node };
  const fault = outcome.code === status.INVALID_ARGUMENT ? { fault: failureFrom(node, outcome) } : {};
  return { node, obstacle: outcome.details, ...fault };
}

/** The first node that takes it. @throws VolumeError resourceExhausted with every node's reason if none does */
async function tryInTurn(creation: Creation, candidates: readonly Candidate[]): Promise<Response> {
  const reasons: string[] = [];
  for (const { node, obstacle } of candidates) {
    requireTime(creation.call);
    const reason = obstacle ?? (await tryOn(creation, node));
    if (typeof reason !== "string") return reason;
    reasons.push(`${node}: ${reason}`);
  }
  requireTime(creation.call);
  const [fault] = candidates.map((candidate) => candidate.fault);
  // no other node would see it differently
  if (fault !== undefined && candidates.every((candidate) => candidate.fault !== undefined)) throw fault;
  const why = reasons.length === 0 ? "no node has a driver" : reasons.join("; ");
  throw new VolumeError("resourceExhausted", `no node can make the volume (${why})`);
}

/** The node's response, or why another may be tried. @throws VolumeError if no other may be */
async function tryOn(creation: Creation, node: string): Promise<Response | string> {
  const { router, sent, request, call, name } = creation;
  const wasSent = sent.has(name, node);
  const obstacle = wasSent ? undefined : obstacleTo(creation, node);
  if (obstacle !== undefined) return obstacle;
  sent.add(name, node);
  const outcome = await ask(router, node, { rpc: "CreateVolume", request }, call);
  if (outcome.kind === "answered") return outcome.response;
  if (outcome.kind === "unsent") return notSent(creation, { node, wasSent, reason: outcome.reason });
  const isOver = outcome.kind === "refused" && !maybeGoingOn.has(outcome.code);
  if (isOver) sent.remove(name, node);
  if (isOver && outcome.code === status.RESOURCE_EXHAUSTED) return outcome.details;
  throw failureFrom(node, outcome);
}

/** Codes of a node's after which it may have the volume. */
const maybeGoingOn = new Set([
  status.ABORTED,
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  // it exists, though not as it is asked for
  status.ALREADY_EXISTS,
]);

async function notSent(
  { router, sent, name }: Creation,
  { node, wasSent, reason }: { readonly node: string; readonly wasSent: boolean; readonly reason: string },
): Promise<string> {
  if (wasSent && !(await router.directory.isGone(node))) throw failureFrom(node, { kind: "unsent", reason });
  sent.remove(name, node);
  return reason;
}

/** Why the cluster's own word on the node is enough not to call it. */
function obstacleTo({ router }: Creation, node: string): string | undefined {
  const known = router.directory.find(node);
  if (known === undefined) return "it is not known to have a driver";
  if (!known.isReady) return "the node is not ready";
  return known.address === undefined ? "no driver runs there" : undefined;
}
