import { VolumeError } from "../errors.ts";
import type { Context } from "../volume/context.ts";
import { nodeExpandVolume } from "../volume/grow.ts";
import { checkPath } from "../volume/paths.ts";
import { publishVolume } from "../volume/publish.ts";
import { stageVolume } from "../volume/stage.ts";
import { type Statistics, volumeStatistics } from "../volume/statistics.ts";
import { unpublishVolume, unstageVolume } from "../volume/unpublish.ts";
import { parseCapability } from "./capability.ts";
import { requiredPath, requiredText, sizeRange } from "./fields.ts";
import type { NodeHandlers } from "./generated/csi/v1/Node.ts";
import type { NodeExpandVolumeRequest__Output } from "./generated/csi/v1/NodeExpandVolumeRequest.ts";
import type { NodeGetVolumeStatsResponse } from "./generated/csi/v1/NodeGetVolumeStatsResponse.ts";
import type { NodePublishVolumeRequest__Output } from "./generated/csi/v1/NodePublishVolumeRequest.ts";
import type { Call, Service } from "./rpc.ts";
import { topologyOf } from "./topology.ts";

const capabilities = [
  "STAGE_UNSTAGE_VOLUME",
  "GET_VOLUME_STATS",
  "EXPAND_VOLUME",
  "VOLUME_CONDITION",
  "SINGLE_NODE_MULTI_WRITER",
] as const;

/** Node, for the kubelet of this node. */
export function nodeService(context: Context): Service<NodeHandlers> {
  return {
    NodeGetCapabilities: () => ({ capabilities: capabilities.map((type) => ({ rpc: { type }, type: "rpc" })) }),
    NodeGetInfo: () => ({ nodeId: context.topologyValue, accessibleTopology: topologyOf(context.topologyValue) }),
    NodeStageVolume: async ({ volumeId, stagingTargetPath, volumeCapability }, { deadline }) => {
      const id = requiredText("volume_id", volumeId);
      const stagingPath = checkedPath(context, "staging_target_path", stagingTargetPath);
      await stageVolume(context, { id, stagingPath, access: parseCapability(volumeCapability), deadline });
      return {};
    },
    NodeUnstageVolume: async ({ volumeId, stagingTargetPath }, { deadline }) => {
      const id = requiredText("volume_id", volumeId);
      const path = checkedPath(context, "staging_target_path", stagingTargetPath);
      await unstageVolume(context, { id, path, deadline });
      return {};
    },
    NodePublishVolume: (request, call) => publish(context, request, call),
    NodeUnpublishVolume: async ({ volumeId, targetPath }, { deadline }) => {
      const id = requiredText("volume_id", volumeId);
      const path = checkedPath(context, "target_path", targetPath);
      await unpublishVolume(context, { id, path, deadline });
      return {};
    },
    NodeGetVolumeStats: async ({ volumeId, volumePath }) => {
      const id = requiredText("volume_id", volumeId);
      return statisticsMessage(await volumeStatistics(context, id, requiredPath("volume_path", volumePath)));
    },
    NodeExpandVolume: (request, call) => expand(context, request, call),
  };
}

/** @throws VolumeError invalidArgument naming the field */
function checkedPath(context: Context, field: string, path: string): string {
  checkPath(context, field, requiredPath(field, path));
  return path;
}

async function publish(context: Context, request: NodePublishVolumeRequest__Output, { deadline }: Call) {
  const id = requiredText("volume_id", request.volumeId);
  const targetPath = checkedPath(context, "target_path", request.targetPath);
  const access = parseCapability(request.volumeCapability);
  if (request.stagingTargetPath === "") {
    throw new VolumeError("failedPrecondition", "staging_target_path is missing; the volume has to be staged first");
  }
  const stagingPath = checkedPath(context, "staging_target_path", request.stagingTargetPath);
  await publishVolume(context, { id, stagingPath, targetPath, access, readOnly: request.readonly, deadline });
  return {};
}

async function expand(context: Context, request: NodeExpandVolumeRequest__Output, { deadline }: Call) {
  const id = requiredText("volume_id", request.volumeId);
  const volumePath = requiredPath("volume_path", request.volumePath);
  if (request.volumeCapability !== null) parseCapability(request.volumeCapability);
  const range = sizeRange(request.capacityRange);
  return { capacityBytes: await nodeExpandVolume(context, { id, volumePath, range, deadline }) };
}

function statisticsMessage({ sizeBytes, filesystem, condition }: Statistics): NodeGetVolumeStatsResponse {
  const volumeCondition = { ...condition };
  if (filesystem === undefined) return { usage: [{ unit: "BYTES", total: sizeBytes }], volumeCondition };
  const { totalBytes, availableBytes, usedBytes, totalInodes, availableInodes, usedInodes } = filesystem;
  return {
    usage: [
      { unit: "BYTES", total: totalBytes, available: availableBytes, used: usedBytes },
      { unit: "INODES", total: totalInodes, available: availableInodes, used: usedInodes },
    ],
    volumeCondition,
  };
}
