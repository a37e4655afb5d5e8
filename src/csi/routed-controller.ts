import { VolumeError, quote } from "../errors.ts";
import { type VolumeId, parseVolumeId } from "../volume/id.ts";
import { controllerCapabilities, parseExpansion, validatedId } from "./controller-requests.ts";
import { requiredText } from "./fields.ts";
import type { ControllerHandlers } from "./generated/csi/v1/Controller.ts";
import { routedCapacity } from "./routed-capacity.ts";
import { RoutedCreate } from "./routed-create.ts";
import { routedList } from "./routed-list.ts";
import {
  type RequestOf,
  type ResponseOf,
  type Router,
  type Rpc,
  ask,
  requireReady,
  responseOf,
} from "./routed-nodes.ts";
import type { Call, Service } from "./rpc.ts";

/** Controller, for all nodes: each call goes to the node that it concerns. */
export function routedControllerService(router: Router): Service<ControllerHandlers> {
  const creator = new RoutedCreate(router);
  return {
    ControllerGetCapabilities: () => controllerCapabilities,
    CreateVolume: (request, call) => creator.create(request, call),
    DeleteVolume: async (request, call) => {
      const id = parseVolumeId(requiredText("volume_id", request.volumeId));
      if (id === undefined) return {};
      const response = await remove(router, id, request, call);
      creator.sent.remove(id.logicalVolume, id.topologyValue);
      return response;
    },
    ControllerExpandVolume: (request, call) =>
      toItsNode(router, parseExpansion(request).id, { rpc: "ControllerExpandVolume", request }, call),
    ControllerGetVolume: (request, call) =>
      toItsNode(router, requiredText("volume_id", request.volumeId), { rpc: "ControllerGetVolume", request }, call),
    ValidateVolumeCapabilities: (request, call) =>
      toItsNode(router, validatedId(request), { rpc: "ValidateVolumeCapabilities", request }, call),
    ListVolumes: (request, call) => routedList(router, request, call),
    GetCapacity: (request, call) => routedCapacity(router, request, call),
  };
}

/** The node removes it; or the node is gone, and its data with it. */
async function remove(
  router: Router,
  { topologyValue: node }: VolumeId,
  request: RequestOf<"DeleteVolume">,
  call: Call,
): Promise<ResponseOf<"DeleteVolume">> {
  requireReady(router);
  const outcome = await ask(router, node, { rpc: "DeleteVolume", request }, call);
  if (outcome.kind === "unsent" && (await router.directory.isGone(node))) {
    router.log.warn({ volumeId: request.volumeId, node }, "the volume went with its node, which is gone");
    return {};
  }
  return responseOf(node, outcome);
}

/** A call about one volume. @throws VolumeError notFound if its node is gone, or the id is none of the driver's */
async function toItsNode<Name extends Rpc>(
  router: Router,
  idText: string,
  { rpc, request }: { readonly rpc: Name; readonly request: RequestOf<Name> },
  call: Call,
): Promise<ResponseOf<Name>> {
  const node = parseVolumeId(idText)?.topologyValue;
  if (node === undefined) throw new VolumeError("notFound", `volume ${quote(idText)} does not exist`);
  requireReady(router);
  const outcome = await ask(router, node, { rpc, request }, call);
  if (outcome.kind === "unsent" && (await router.directory.isGone(node))) {
    throw new VolumeError("notFound", `volume ${quote(idText)} went with its node, which is gone`);
  }
  return responseOf(node, outcome);
}
