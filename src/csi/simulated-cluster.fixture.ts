import { status } from "@grpc/grpc-js";
import type { KnownNode } from "../remote/node-directory.ts";
import type { RemoteCall } from "../remote/node-link.ts";
import { headers } from "../remote/names.ts";
import type { Outcome, Unsent } from "../remote/outcome.ts";
import { logicalVolumeName } from "../volume/id.ts";
import type { TopologyRequirement__Output } from "./generated/csi/v1/TopologyRequirement.ts";
import { routedControllerService } from "./routed-controller.ts";
import type { RequestOf, Router } from "./routed-nodes.ts";
import type { Call } from "./rpc.ts";
import { loadServices } from "./services.ts";
import { isHere } from "./topology.ts";

const methods = loadServices().Controller;

/** How a node takes the next calls. */
export type Manner =
  | "up"
  /** Connections are refused. */
  | "down"
  /** Connections are made, and nothing is ever answered. */
  | "silent"
  /** Calls reach it and are lost before it has done anything. */
  | "losesCalls"
  /** It does what it is told, and its answers are lost. */
  | "losesAnswers"
  /** It begins, and answers ABORTED. */
  | "slow"
  /** Its volume group is missing, and it does not know of what it was asked before. */
  | "lacksGroup"
  /** Connections are made, and certificates refused. */
  | "untrusted";

/** A node as simple as can be, with volumes all of one size. */
export class SimulatedNode {
  readonly name: string;
  manner: Manner = "up";
  isReady = true;
  hasDriver = true;
  isGone = false;
  room = 10;
  /** Names of logical volumes; whether each is ready. */
  readonly volumes = new Map<string, boolean>();
  /** RPCs that reached it. */
  readonly calls: string[] = [];
  /** What it answers instead. */
  refusal: { readonly code: status; readonly details: string } | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get isReachable(): boolean {
    return !this.isGone && this.hasDriver && this.manner !== "down";
  }

  idOf(volume: string): string {
    return `${this.name}/vg0/${volume}`;
  }
}

/** A controller in front of simulated nodes: everything but the wire. */
export function simulatedCluster(...names: readonly string[]) {
  const nodes = new Map(names.map((name) => [name, new SimulatedNode(name)]));
  const warnings: object[] = [];
  let synced = true;
  let hasCertificates = true;
  const log = { debug: ignore, info: ignore, error: ignore, warn: (fields: object) => void warnings.push(fields) };
  const present = (): SimulatedNode[] => [...nodes.values()].filter((node) => !node.isGone);
  const router: Router = {
    directory: {
      nodes: () => present().map(known),
      find: (name) =>
        present()
          .map(known)
          .find(({ topologyValue }) => topologyValue === name),
      isGone: (name) => Promise.resolve(nodes.get(name)?.isGone === true),
      isSynced: () => synced,
      close: () => Promise.resolve(),
    },
    calls: {
      send: (name, call) => Promise.resolve(deliver(nodes.get(name), call)),
      get hasCertificates() {
        return hasCertificates;
      },
    },
    methods,
    log,
  };
  return {
    node: (name: string): SimulatedNode => nodes.get(name) ?? new SimulatedNode(name),
    nodes: [...nodes.values()],
    warnings,
    router,
    /** As it comes from the sidecars. */
    service: routedControllerService(router),
    /** The same nodes behind another run of the controller. */
    restart: () => routedControllerService(router),
    unsync: () => {
      synced = false;
    },
    loseCertificates: () => {
      hasCertificates = false;
    },
  };
}

export const anyCall: Call = { deadline: undefined, signal: new AbortController().signal, header: () => undefined };

type Cluster = ReturnType<typeof simulatedCluster>;

/** The name in CreateVolume. */
export const claim = "pvc-00000000-0000-0000-0000-000000000001";

/** Asks for the claim's volume, on one of the nodes if some are given. */
export async function createVolume(cluster: Cluster, nodes?: readonly string[]) {
  const answer = await cluster.service.CreateVolume?.(volumeRequest(claim, nodes), anyCall);
  if (answer === undefined) throw new Error("no CreateVolume");
  return answer;
}

/** What each node was asked. */
export function callsOf(cluster: Cluster): object {
  return Object.fromEntries(cluster.nodes.map((node) => [node.name, node.calls]));
}

/** How many volumes each node has. */
export function volumesOf(cluster: Cluster): object {
  return Object.fromEntries(cluster.nodes.map((node) => [node.name, node.volumes.size]));
}

export function volumeRequest(name: string, nodes?: readonly string[]): RequestOf<"CreateVolume"> {
  const topologies = nodes?.map((node) => ({ segments: { "topology.lvm.local.csi/node": node } }));
  return {
    name,
    capacityRange: { requiredBytes: "1", limitBytes: "0" },
    volumeCapabilities: [{ block: {}, mount: null, accessMode: { mode: "SINGLE_NODE_WRITER" }, accessType: "block" }],
    parameters: {},
    secrets: {},
    volumeContentSource: null,
    accessibilityRequirements: topologies === undefined ? null : { requisite: topologies, preferred: topologies },
    mutableParameters: {},
  };
}

function known(node: SimulatedNode): KnownNode {
  const address = node.hasDriver ? "127.0.0.1:1" : undefined;
  return { topologyValue: node.name, address, isReady: node.isReady };
}

const unsentTo: Partial<Record<Manner, Unsent>> = {
  silent: { kind: "unsent", reason: "Deadline exceeded", isSilent: true },
  untrusted: { kind: "unsent", reason: "certificate has expired", saysNothing: true },
};

function deliver<Request, Response>(
  node: SimulatedNode | undefined,
  call: RemoteCall<Request, Response>,
): Outcome<Response> {
  if (node === undefined || !node.isReachable) {
    return { kind: "unsent", reason: "connect ECONNREFUSED" };
  }
  const unsent = unsentTo[node.manner];
  if (unsent !== undefined) return unsent;
  const rpc = call.method.path.split("/").at(-1) ?? "";
  node.calls.push(call.headers?.[headers.onlyExisting] === undefined ? rpc : `${rpc}?`);
  const lost = { kind: "unanswered", code: status.UNAVAILABLE, reason: "connection lost" } as const;
  if (node.manner === "losesCalls") return lost;
  const outcome = node.refusal ? { kind: "refused" as const, ...node.refusal } : work(node, rpc, call);
  return node.manner === "losesAnswers" ? lost : outcome;
}

function work<Request, Response>(
  node: SimulatedNode,
  rpc: string,
  call: RemoteCall<Request, Response>,
): Outcome<Response> {
  const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } = call.method;
  const isSearch = call.headers?.[headers.onlyExisting] !== undefined;
  // over the wire and back; the types are those that the contract is loaded with
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const request = requestDeserialize(requestSerialize(call.request)) as Fields;
  const answer = answerOf(node, rpc, request, isSearch);
  if ("code" in answer) return { kind: "refused", ...answer };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { kind: "answered", response: responseDeserialize(responseSerialize(answer.response as Response)) };
}

interface Fields {
  readonly name: string;
  readonly volumeId: string;
  readonly maxEntries: number;
  readonly startingToken: string;
  readonly accessibilityRequirements: TopologyRequirement__Output | null;
}

type Answer = { readonly response: object } | { readonly code: status; readonly details: string };

function answerOf(node: SimulatedNode, rpc: string, request: Fields, isSearch: boolean): Answer {
  switch (rpc) {
    case "CreateVolume":
      return isElsewhere(node, request) ? elsewhere : create(node, logicalVolumeName(request.name), isSearch);
    case "DeleteVolume":
      node.volumes.delete(request.volumeId.split("/")[2] ?? "");
      return { response: {} };
    case "GetCapacity": {
      const bytes = String(node.manner === "lacksGroup" ? 0 : node.room - node.volumes.size);
      return { response: { availableCapacity: bytes, maximumVolumeSize: { value: bytes } } };
    }
    case "ListVolumes":
      return list(node, request);
    default:
      return { response: { volume: { volumeId: request.volumeId } } };
  }
}

const elsewhere = { code: status.RESOURCE_EXHAUSTED, details: "it is to be elsewhere" };

function isElsewhere(node: SimulatedNode, { accessibilityRequirements }: Fields): boolean {
  const wanted = accessibilityRequirements?.requisite ?? [];
  return wanted.length > 0 && !wanted.some((topology) => isHere(topology, node.name));
}

const missing = {
  look: { code: status.FAILED_PRECONDITION, details: "vg0 is missing" },
  make: { code: status.RESOURCE_EXHAUSTED, details: "vg0 is missing" },
};

function create(node: SimulatedNode, name: string, isSearch: boolean): Answer {
  if (node.manner === "lacksGroup") return isSearch ? missing.look : missing.make;
  const isThere = node.volumes.has(name);
  if (!isThere && isSearch) return { code: status.NOT_FOUND, details: "none" };
  if (!isThere && node.volumes.size >= node.room) return { code: status.RESOURCE_EXHAUSTED, details: "full" };
  node.volumes.set(name, node.manner !== "slow");
  if (node.manner === "slow") return { code: status.ABORTED, details: "zeroing 43 %" };
  const segments = { "topology.lvm.local.csi/node": node.name };
  return {
    response: { volume: { volumeId: node.idOf(name), capacityBytes: "1", accessibleTopology: [{ segments }] } },
  };
}

function list(node: SimulatedNode, { maxEntries, startingToken }: Fields): Answer {
  const ready = [...node.volumes].filter(([, isReady]) => isReady).map(([name]) => name);
  const names = ready.toSorted().filter((name) => name > startingToken);
  const page = maxEntries === 0 ? names : names.slice(0, maxEntries);
  const nextToken = page.length < names.length ? (page.at(-1) ?? "") : "";
  return { response: { entries: page.map((name) => ({ volume: { volumeId: node.idOf(name) } })), nextToken } };
}

function ignore(): void {}
