import type { NodeStageVolumeRequest } from "../../src/csi/generated/csi/v1/NodeStageVolumeRequest.ts";
import type { VolumeCapability } from "../../src/csi/generated/csi/v1/VolumeCapability.ts";
import { MiB, type World, claimName, logicalVolumeOf, mountCapability, stagingPath } from "./world.ts";

/** What a volume of a test is made with. */
export interface Wanted {
  readonly capability?: VolumeCapability;
  readonly sizeBytes?: number;
  readonly parameters?: Record<string, string>;
}

/** Makes a volume and returns its id. */
export async function createVolume(world: World, { capability, sizeBytes, parameters }: Wanted = {}): Promise<string> {
  const { volume } = await world.rpc.CreateVolume({
    name: claimName(),
    capacityRange: { requiredBytes: sizeBytes ?? 32 * MiB },
    volumeCapabilities: [capability ?? mountCapability()],
    parameters: parameters ?? {},
  });
  return volume?.volumeId ?? "";
}

/** Makes a volume, stages it, and returns what its publish requests have in common. */
export async function stagedVolume(
  world: World,
  wanted: Wanted = {},
): Promise<Required<Pick<NodeStageVolumeRequest, StageField>>> {
  const volumeId = await createVolume(world, wanted);
  const stagingTargetPath = await stagingPath(world, logicalVolumeOf(volumeId));
  const stage = { volumeId, stagingTargetPath, volumeCapability: wanted.capability ?? mountCapability() };
  await world.rpc.NodeStageVolume(stage);
  return stage;
}

type StageField = "volumeId" | "stagingTargetPath" | "volumeCapability";
export type Staged = Awaited<ReturnType<typeof stagedVolume>>;

/** Takes a volume that is published nowhere to its end. */
export async function discardVolume(world: World, { volumeId, stagingTargetPath }: Staged): Promise<void> {
  await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath });
  await world.rpc.DeleteVolume({ volumeId });
}
