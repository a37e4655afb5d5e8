import { topologyKey } from "../config.ts";
import { VolumeError } from "../errors.ts";
import type { Topology__Output } from "./generated/csi/v1/Topology.ts";
import type { TopologyRequirement__Output } from "./generated/csi/v1/TopologyRequirement.ts";

/** The segment of a node, as volumes and NodeGetInfo carry it. */
export function topologyOf(value: string): { readonly segments: Readonly<Record<string, string>> } {
  return { segments: { [topologyKey]: value } };
}

/** The node that a topology names; undefined if it names none. */
export function nodeOf(topology: Topology__Output | null): string | undefined {
  return topology?.segments[topologyKey];
}

/** Whether a topology is this node, or names none of the driver's segments. */
export function isHere(topology: Topology__Output | null, value: string): boolean {
  const segment = nodeOf(topology);
  return segment === undefined || segment === value;
}

/**
 * Makes sure that a volume made on this node is where the request wants it.
 * @throws VolumeError resourceExhausted: the caller may try elsewhere (specification, CreateVolume errors).
 */
export function assertHere(requirement: TopologyRequirement__Output | null, value: string): void {
  const wanted = requirement?.requisite.length ? requirement.requisite : (requirement?.preferred ?? []);
  if (wanted.length === 0 || wanted.some((topology) => isHere(topology, value))) return;
  const reason = `names other nodes than ${value}, and this driver makes volumes on its own node only`;
  throw new VolumeError("resourceExhausted", `accessibility_requirements ${reason}`);
}
