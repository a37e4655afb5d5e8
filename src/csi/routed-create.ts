import { status } from "@grpc/grpc-js";
import { VolumeError, quote } from "../errors.ts";
import type { Refused, Unsent } from "../remote/outcome.ts";
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
  requireTime,
} from "./routed-nodes.ts";
import {
  type Candidate,
  type Creation,
  type Found,
  isAbsent,
  lookOn,
  obstacleTo,
  searchFor,
  undecided,
} from "./routed-search.ts";
import type { Call } from "./rpc.ts";
import { SentNames } from "./sent-names.ts";
import { nodeOf } from "./topology.ts";

type Request = RequestOf<"CreateVolume">;
type Response = ResponseOf<"CreateVolume">;

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
  // not with one known node and none named: the volume may be there, and may have taken the room that is compared with
  const isNamed = wanted?.length === 1;
  const isSure = isNamed && elsewhere.length === 0;
  const search = isSure
    ? { candidates: nodes.map((node) => ({ node })) }
    : await searchFor(creation, { nodes, elsewhere, isNamed });
  if ("holder" in search) return answerOfHolder(creation, search.holder, elsewhere);
  const { candidates } = search;
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

async function answerOfHolder(creation: Creation, holder: Found, elsewhere: readonly string[]): Promise<Response> {
  const { node, outcome } = holder;
  creation.sent.add(creation.name, node);
  const isAtWork = outcome.kind === "refused" && outcome.code === status.ABORTED;
  // a repeated call waits for the work, where a search does not
  if (isAtWork && !elsewhere.includes(node)) return tryInTurn(creation, [{ node }]);
  if (elsewhere.includes(node)) tellElsewhere(creation, node, isAtWork);
  if (outcome.kind !== "answered") throw failureFrom(node, outcome);
  if (!elsewhere.includes(node)) return outcome.response;
  const reason = `exists on node ${node}, which is not one of the nodes that are asked for now`;
  throw new VolumeError("alreadyExists", `volume ${quote(creation.request.name)} ${reason}`);
}

/** A claim that gets no further until somebody has looked. */
function tellElsewhere(creation: Creation, node: string, isAtWork: boolean): void {
  if (isAtWork) return;
  const fields = { volume: creation.name, node, asked: wantedNodes(creation) };
  creation.router.log.warn(
    fields,
    "a volume exists on another node than it is asked for on; remove it if it is not in use",
  );
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
  if (outcome.kind === "unsent") return notSent(creation, outcome, { node, wasSent });
  if (outcome.kind === "unanswered" || maybeGoingOn.has(outcome.code)) throw failureFrom(node, outcome);
  return refused(creation, outcome, { node, wasSent });
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

/** What follows from a node's word that it has not made it. */
function refused(creation: Creation, outcome: Refused, { node, wasSent }: Omit<Miss, "reason">) {
  if (outcome.code === status.RESOURCE_EXHAUSTED) {
    return noRoom(creation, { node, wasSent, reason: outcome.details });
  }
  // its groups may be others now, and what an earlier call made in one that it had before it does not see
  if (wasSent && outcome.code === status.INVALID_ARGUMENT) throw undecided(node, outcome);
  creation.sent.remove(creation.name, node);
  throw failureFrom(node, outcome);
}

/** A try that made nothing. */
interface Miss {
  readonly node: string;
  /** Whether the node had been sent the name before. */
  readonly wasSent: boolean;
  readonly reason: string;
}

/** A node has no room for a volume whose group it misses, too: what it made of an earlier call it is asked for itself. */
async function noRoom(creation: Creation, { node, wasSent, reason }: Miss): Promise<Response | string> {
  const look = wasSent ? await lookOn(creation, node) : undefined;
  if (look?.kind === "answered") return look.response;
  if (look !== undefined && !isAbsent(look)) throw undecided(node, look);
  creation.sent.remove(creation.name, node);
  return reason;
}

async function notSent({ router, sent, name }: Creation, outcome: Unsent, { node, wasSent }: Omit<Miss, "reason">) {
  const { reason, saysNothing } = outcome;
  if (wasSent && !(await router.directory.isGone(node))) throw failureFrom(node, outcome);
  sent.remove(name, node);
  if (saysNothing === true) throw failureFrom(node, outcome);
  return reason;
}
