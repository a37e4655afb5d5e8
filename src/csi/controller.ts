import { accessDifference } from "../volume/access.ts";
import { capacityFor } from "../volume/capacity.ts";
import { conditionOf } from "../volume/condition.ts";
import { type Context, type Volume, findVolume } from "../volume/context.ts";
import { createVolume } from "../volume/create.ts";
import { expandVolume } from "../volume/expand.ts";
import { formatVolumeId } from "../volume/id.ts";
import { listVolumes } from "../volume/list.ts";
import { parseParameters, volumeKind } from "../volume/parameters.ts";
import { removeVolume } from "../volume/remove.ts";
import { VolumeError } from "../errors.ts";
import { headers } from "../remote/names.ts";
import { parseCapabilities } from "./capability.ts";
import {
  controllerCapabilities,
  parseCapacityRequest,
  parseCreation,
  parseExpansion,
  validatedId,
} from "./controller-requests.ts";
import { notNegative, requiredText } from "./fields.ts";
import type { ControllerHandlers } from "./generated/csi/v1/Controller.ts";
import type { CreateVolumeRequest__Output } from "./generated/csi/v1/CreateVolumeRequest.ts";
import type { GetCapacityRequest__Output } from "./generated/csi/v1/GetCapacityRequest.ts";
import type { ValidateVolumeCapabilitiesRequest__Output } from "./generated/csi/v1/ValidateVolumeCapabilitiesRequest.ts";
import type { ValidateVolumeCapabilitiesResponse } from "./generated/csi/v1/ValidateVolumeCapabilitiesResponse.ts";
import type { Volume as VolumeMessage } from "./generated/csi/v1/Volume.ts";
import type { Call, Service } from "./rpc.ts";
import { assertHere, isHere, topologyOf } from "./topology.ts";

/** Controller, for the volume groups of this node. */
export function controllerService(context: Context): Service<ControllerHandlers> {
  return {
    ControllerGetCapabilities: () => controllerCapabilities,
    CreateVolume: (request, call) => create(context, request, call),
    DeleteVolume: async ({ volumeId }, { deadline }) => {
      await removeVolume(context, requiredText("volume_id", volumeId), deadline);
      return {};
    },
    ControllerExpandVolume: async (request, { deadline }) => {
      const { id, range } = parseExpansion(request);
      const volume = await expandVolume(context, id, range, deadline);
      const { sizeBytes } = volume.logicalVolume;
      return { capacityBytes: sizeBytes, nodeExpansionRequired: volume.record.filesystem !== undefined };
    },
    ControllerGetVolume: async ({ volumeId }) => {
      const volume = await findVolume(context, requiredText("volume_id", volumeId));
      return { volume: volumeMessage(volume), status: { volumeCondition: await conditionOf(context, volume) } };
    },
    ValidateVolumeCapabilities: (request) => validate(context, request),
    ListVolumes: async ({ maxEntries, startingToken }) => {
      const page = await listVolumes(context, notNegative("max_entries", maxEntries), startingToken);
      const entries = page.volumes.map(async (volume) => ({
        volume: volumeMessage(volume),
        status: { volumeCondition: await conditionOf(context, volume) },
      }));
      return { entries: await Promise.all(entries), nextToken: page.next ?? "" };
    },
    GetCapacity: (request) => capacity(context, request),
  };
}

async function create(context: Context, request: CreateVolumeRequest__Output, { deadline, header }: Call) {
  const creation = parseCreation(request);
  assertHere(request.accessibilityRequirements, context.topologyValue);
  const onlyExisting = header(headers.onlyExisting) !== undefined;
  const volume = await createVolume(context, { ...creation, deadline, onlyExisting });
  return { volume: volumeMessage(volume) };
}

function volumeMessage(volume: Volume): VolumeMessage {
  return {
    volumeId: formatVolumeId(volume.id),
    capacityBytes: volume.logicalVolume.sizeBytes,
    accessibleTopology: [topologyOf(volume.id.topologyValue)],
  };
}

/** What is well-formed but cannot be had is an answer here, not an error (specification, ValidateVolumeCapabilities). */
async function validate(
  context: Context,
  request: ValidateVolumeCapabilitiesRequest__Output,
): Promise<ValidateVolumeCapabilitiesResponse> {
  const volume = await findVolume(context, validatedId(request));
  const { volumeContext, volumeCapabilities, parameters } = request;
  try {
    const accesses = parseCapabilities(volumeCapabilities);
    const asked = parseParameters(parameters);
    volumeKind(accesses, { ...asked, filesystem: asked.filesystem ?? volume.record.filesystem });
    const difference = accesses.map((access) => accessDifference(volume, access)).find((text) => text !== undefined);
    if (difference !== undefined) return { message: `the volume ${difference}` };
  } catch (error) {
    if (error instanceof VolumeError && error.kind === "invalidArgument") return { message: error.message };
    throw error;
  }
  return { confirmed: { volumeContext, volumeCapabilities: volumeCapabilities.map(asSent), parameters } };
}

/** proto-loader's "null" for an absent message may not be sent back as it is. */
function asSent(capability: ValidateVolumeCapabilitiesRequest__Output["volumeCapabilities"][number]) {
  const { accessMode, mount, block } = capability;
  return mount ? { accessMode, mount } : { accessMode, block: block ?? {} };
}

async function capacity(context: Context, request: GetCapacityRequest__Output) {
  const { parameters, filesystem } = parseCapacityRequest(request);
  const here = isHere(request.accessibleTopology, context.topologyValue);
  const { available, minimum } = here
    ? await capacityFor(context, parameters, filesystem)
    : { available: 0, minimum: 0 };
  return {
    availableCapacity: available,
    // The scheduler compares with this one alone where it is set (kubernetes, hasEnoughCapacity).
    maximumVolumeSize: { value: available },
    minimumVolumeSize: { value: minimum },
  };
}
