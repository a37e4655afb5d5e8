import { status } from "@grpc/grpc-js";
import { VolumeError } from "../errors.ts";
import { headers } from "../remote/names.ts";
import type { Outcome } from "../remote/outcome.ts";
import { type RequestOf, type ResponseOf, type Router, ask, failureFrom, forEachNode } from "./routed-nodes.ts";
import type { Call } from "./rpc.ts";
import type { SentNames } from "./sent-names.ts";

/** Longest wait, in milliseconds, for one node's word on whether it has a volume already. */
const searchPatienceMs = 10_000;

/** One CreateVolume on its way. */
export interface Creation {
  readonly router: Router;
  readonly sent: SentNames;
  readonly request: RequestOf<"CreateVolume">;
  readonly call: Call;
  /** Of the logical volume. */
  readonly name: string;
}

/** A node that may be tried, or why not. */
export interface Candidate {
  readonly node: string;
  readonly obstacle?: string;
  /** The node found fault with the request itself. */
  readonly fault?: VolumeError;
}

/** What a node said when it was asked for the volume. */
export interface Found {
  readonly node: string;
  readonly outcome: Look;
}

type Look = Outcome<ResponseOf<"CreateVolume">>;

/** Which nodes are asked. */
export interface Places {
  /** Where the volume may be made. */
  readonly nodes: readonly string[];
  /** Other nodes, which were sent the name. */
  readonly elsewhere: readonly string[];
  /** Whether the claim names one node: it is given back to the scheduler at once while that one keeps silent. */
  readonly isNamed: boolean;
}

/** Either the node that has the volume, or those that may be tried. */
export type Search = { readonly holder: Found } | { readonly candidates: readonly Candidate[] };

/**
 * Asks all nodes that may have the volume. Left out are only those that are away and were not sent it, and those without
 * the volume group. While any other cannot say, or keeps silent, nothing is made: it may have the volume of an earlier
 * call, which this run of the controller need not know of.
 * @throws VolumeError unavailable or deadlineExceeded while a node cannot say
 */
export async function searchFor(creation: Creation, { nodes, elsewhere, isNamed }: Places): Promise<Search> {
  const outcomes = await forEachNode([...nodes, ...elsewhere], async (node) => ({
    node,
    outcome: await lookOn(creation, node, elsewhere.includes(node)),
  }));
  for (const { node, outcome } of outcomes) if (isAbsent(outcome)) creation.sent.remove(creation.name, node);
  const holders = outcomes.filter(({ outcome }) => isHolder(outcome));
  tellDuplicates(creation, holders);
  const [holder] = holders;
  if (holder !== undefined) return { holder };
  for (const found of outcomes) await requireSettled(creation, found, isNamed);
  return { candidates: outcomes.filter(({ node }) => nodes.includes(node)).map(candidateOf) };
}

/** Asks a node for the volume, without having it made. */
export async function lookOn(creation: Creation, node: string, isElsewhere = false): Promise<Look> {
  const { router, sent, request, call, name } = creation;
  const obstacle = obstacleTo(creation, node);
  if (obstacle !== undefined && !sent.has(name, node)) return { kind: "unsent", reason: obstacle };
  // a node refuses what is to be elsewhere
  const asked = isElsewhere ? { ...request, accessibilityRequirements: null } : request;
  const only = { [headers.onlyExisting]: "true" };
  const nodeCall = { rpc: "CreateVolume", request: asked, headers: only, patienceMs: searchPatienceMs } as const;
  return ask(router, node, nodeCall, call);
}

/** Whether the node surely has no volume of the name. */
export function isAbsent(outcome: Look): boolean {
  return outcome.kind === "refused" && outcome.code === status.NOT_FOUND;
}

/** Why the cluster's own word on the node is enough not to call it. */
export function obstacleTo({ router }: Creation, node: string): string | undefined {
  const known = router.directory.find(node);
  if (known === undefined) return "it is not known to have a driver";
  if (!known.isReady) return "the node is not ready";
  return known.address === undefined ? "no driver runs there" : undefined;
}

/** What the caller is told when a node that may have the volume does not say so: never a code after which it is over. */
export function undecided(node: string, outcome: Exclude<Look, { kind: "answered" }>): VolumeError {
  if (outcome.kind !== "refused" || passedOn.has(outcome.code)) return failureFrom(node, outcome);
  return new VolumeError("unavailable", `node ${node} cannot tell whether it has the volume: ${outcome.details}`);
}

const passedOn = new Set([status.ABORTED, status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.ALREADY_EXISTS]);

/** Whether the node has a volume of the name: as asked for, another one, or one that is being made or removed. */
function isHolder(outcome: Look): boolean {
  if (outcome.kind === "answered") return true;
  return outcome.kind === "refused" && [status.ABORTED, status.ALREADY_EXISTS].includes(outcome.code);
}

function tellDuplicates({ router, name }: Creation, holders: readonly Found[]): void {
  if (holders.length < 2) return;
  const nodes = holders.map(({ node }) => node);
  router.log.warn({ volume: name, nodes }, "a volume is on more than one node; remove all but the one in use");
}

/** @throws VolumeError if the node may have the volume and cannot say */
async function requireSettled({ router, sent, name }: Creation, { node, outcome }: Found, isNamed: boolean) {
  if (outcome.kind === "answered") return;
  if (!sent.has(name, node) && mayBeLeftOut(outcome, isNamed)) return;
  if (outcome.kind === "unsent" && (await router.directory.isGone(node))) {
    sent.remove(name, node);
    return;
  }
  throw undecided(node, outcome);
}

/** What a node says that has no such volume group now, or may have none, and one that surely has no such volume. */
const leftOut = new Set([status.NOT_FOUND, status.FAILED_PRECONDITION, status.INVALID_ARGUMENT]);

function mayBeLeftOut(outcome: Look, isNamed: boolean): boolean {
  if (outcome.kind === "unsent") return outcome.saysNothing !== true && (isNamed || outcome.isSilent !== true);
  return outcome.kind === "refused" && leftOut.has(outcome.code);
}

function candidateOf({ node, outcome }: Found): Candidate {
  if (outcome.kind === "answered" || isAbsent(outcome)) return { node };
  if (outcome.kind !== "refused") return { node, obstacle: outcome.reason };
  const fault = outcome.code === status.INVALID_ARGUMENT ? { fault: failureFrom(node, outcome) } : {};
  return { node, obstacle: outcome.details, ...fault };
}
