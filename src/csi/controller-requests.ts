import { parseParameters, volumeKind } from "../volume/parameters.ts";
import { parseCapabilities, parseCapability } from "./capability.ts";
import { checkMap, invalid, requiredText, sizeRange } from "./fields.ts";
import type { ControllerExpandVolumeRequest__Output } from "./generated/csi/v1/ControllerExpandVolumeRequest.ts";
import type { CreateVolumeRequest__Output } from "./generated/csi/v1/CreateVolumeRequest.ts";
import type { GetCapacityRequest__Output } from "./generated/csi/v1/GetCapacityRequest.ts";
import type { ValidateVolumeCapabilitiesRequest__Output } from "./generated/csi/v1/ValidateVolumeCapabilitiesRequest.ts";

const rpcTypes = [
  "CREATE_DELETE_VOLUME",
  "LIST_VOLUMES",
  "GET_CAPACITY",
  "EXPAND_VOLUME",
  "GET_VOLUME",
  "VOLUME_CONDITION",
  "SINGLE_NODE_MULTI_WRITER",
] as const;

/** The answer of ControllerGetCapabilities, the same on a node and in front of many. */
export const controllerCapabilities = {
  capabilities: rpcTypes.map((type) => ({ rpc: { type }, type: "rpc" }) as const),
};

/** A CreateVolume as it is asked for, wherever that is. @throws VolumeError naming the field that is wrong */
export function parseCreation(request: CreateVolumeRequest__Output) {
  const name = requiredText("name", request.name);
  const accesses = parseCapabilities(request.volumeCapabilities);
  const parameters = parseParameters(checkMap("parameters", request.parameters));
  const range = sizeRange(request.capacityRange);
  if (request.volumeContentSource !== null) {
    throw invalid("volume_content_source is not supported yet: volumes begin empty");
  }
  if (Object.keys(request.mutableParameters).length > 0) throw invalid("mutable_parameters are not supported");
  return { name, range, kind: volumeKind(accesses, parameters), parameters };
}

/** @throws VolumeError naming the field that is wrong */
export function parseExpansion({ volumeId, capacityRange, volumeCapability }: ControllerExpandVolumeRequest__Output) {
  const id = requiredText("volume_id", volumeId);
  if (capacityRange === null) throw invalid("capacity_range is missing");
  if (volumeCapability !== null) parseCapability(volumeCapability);
  return { id, range: sizeRange(capacityRange) };
}

/** @throws VolumeError naming the field that is wrong */
export function validatedId({ volumeId, volumeCapabilities }: ValidateVolumeCapabilitiesRequest__Output): string {
  const id = requiredText("volume_id", volumeId);
  if (volumeCapabilities.length === 0) throw invalid("volume_capabilities is missing");
  return id;
}

/** @throws VolumeError naming the field that is wrong */
export function parseCapacityRequest(request: GetCapacityRequest__Output) {
  const parameters = parseParameters(checkMap("parameters", request.parameters));
  const accesses = request.volumeCapabilities.length === 0 ? [] : parseCapabilities(request.volumeCapabilities);
  return { parameters, filesystem: volumeKind(accesses, parameters).filesystem };
}
