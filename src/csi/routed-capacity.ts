import { parseCapacityRequest } from "./controller-requests.ts";
import { sizeRange } from "./fields.ts";
import {
  type RequestOf,
  type ResponseOf,
  type Router,
  allNodes,
  ask,
  failureFrom,
  forEachNode,
  requireReady,
  requireTime,
  responseOf,
} from "./routed-nodes.ts";
import type { Call } from "./rpc.ts";
import { nodeOf } from "./topology.ts";

type Response = ResponseOf<"GetCapacity">;

/** Longest wait for one of many nodes, in milliseconds. */
const patienceMs = 10_000;

/** Of the node that the topology names; of all together if it names none. @throws VolumeError */
export async function routedCapacity(router: Router, request: RequestOf<"GetCapacity">, call: Call) {
  parseCapacityRequest(request);
  const node = nodeOf(request.accessibleTopology);
  if (node !== undefined) {
    requireReady(router);
    return capacityOf(router, node, request, call);
  }
  const all = await forEachNode(allNodes(router), ({ topologyValue }) =>
    capacityOf(router, topologyValue, request, call),
  );
  const sizes = all.map(bytesOf);
  const minima = all.map((capacity) => Number(capacity.minimumVolumeSize?.value ?? 0)).filter((bytes) => bytes > 0);
  return {
    availableCapacity: sizes.reduce((sum, bytes) => sum + bytes, 0),
    // one volume is on one node
    maximumVolumeSize: { value: Math.max(0, ...sizes) },
    minimumVolumeSize: { value: minima.length === 0 ? 0 : Math.min(...minima) },
  };
}

/**
 * What one node has room for. Nothing where no volume could be made now: an error would leave the figure that was
 * published before, and the scheduler would choose the node again and again (csi-provisioner, syncCapacity). An error
 * where certificates are at fault, which would make all nodes look full.
 */
async function capacityOf(
  router: Router,
  node: string,
  request: RequestOf<"GetCapacity">,
  call: Pick<Call, "deadline" | "signal">,
): Promise<Response> {
  if (router.directory.find(node)?.isReady !== true) return nothing;
  const outcome = await ask(router, node, { rpc: "GetCapacity", request, patienceMs }, call);
  if (outcome.kind !== "unsent") return responseOf(node, outcome);
  requireTime(call);
  if (outcome.saysNothing === true) throw failureFrom(node, outcome);
  return nothing;
}

const nothing: Response = {
  availableCapacity: "0",
  maximumVolumeSize: { value: "0" },
  minimumVolumeSize: { value: "0" },
};

function bytesOf(capacity: Response): number {
  return Number(capacity.maximumVolumeSize?.value ?? capacity.availableCapacity);
}

/** Puts the node with most room first, and leaves out those with too little for the request. */
export async function roomiestFirst<Candidate extends { readonly node: string; readonly obstacle?: string }>(
  router: Router,
  request: RequestOf<"CreateVolume">,
  candidates: readonly Candidate[],
  call: Call,
): Promise<readonly (Candidate | { readonly node: string; readonly obstacle: string })[]> {
  const { volumeCapabilities, parameters, capacityRange } = request;
  const asked = { volumeCapabilities, parameters, accessibleTopology: null };
  const required = Math.max(1, sizeRange(capacityRange).required);
  const measured = await forEachNode(candidates, async (candidate) => {
    if (candidate.obstacle !== undefined) return { candidate, bytes: -1 };
    const { bytes, obstacle } = await roomOn(candidate.node);
    if (bytes >= required) return { candidate, bytes };
    return { candidate: { node: candidate.node, obstacle }, bytes };
  });
  return measured.toSorted((a, b) => b.bytes - a.bytes).map(({ candidate }) => candidate);

  async function roomOn(node: string): Promise<{ readonly bytes: number; readonly obstacle: string }> {
    try {
      const bytes = bytesOf(await capacityOf(router, node, asked, call));
      return { bytes, obstacle: `it has room for ${bytes} bytes` };
    } catch (error) {
      return {
        bytes: -1,
        obstacle: `its room is not known: ${error instanceof Error ? error.message : String(error)}`,
      };
    }
  }
}
