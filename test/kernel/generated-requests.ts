import { join } from "node:path";
import fc from "fast-check";
import { anyMap, capabilities, capability, filesystems, hostile, mostly, range } from "./generated-values.ts";
import { MiB, mountCapability } from "./world.ts";

/** What is there, for requests that are nearly in order. */
export interface Surroundings {
  readonly volumeGroup: string;
  readonly kubelet: string;
  /** A directory that the driver has no business in. */
  readonly outside: string;
  readonly names: readonly string[];
  readonly ids: readonly string[];
  readonly stagingPaths: readonly string[];
  readonly targetPaths: readonly string[];
}

/** A call, with any request that the wire can carry. */
export interface GeneratedCall {
  readonly rpc: string;
  readonly request: Readonly<Record<string, unknown>>;
}

/** Requests for all RPCs: one in six in order, so that all the others meet volumes that are there and in use. */
export function generatedCalls(there: Surroundings): fc.Arbitrary<GeneratedCall> {
  const calls = Object.entries({ ...controllerRequests(there), ...nodeRequests(there), ...otherRequests(there) });
  const weighted = calls.map(([rpc, request]) => ({
    weight: weights[rpc] ?? 1,
    arbitrary: request.map((fields) => ({ rpc, request: fields })),
  }));
  return fc.oneof({ weight: 1, arbitrary: soundCalls(there) }, { weight: 5, arbitrary: fc.oneof(...weighted) });
}

function soundCalls({ names, ids, stagingPaths, targetPaths }: Surroundings): fc.Arbitrary<GeneratedCall> {
  const volumeCapability = mountCapability();
  return fc.oneof(
    ...names.map((name, index) => {
      const paths = { stagingTargetPath: stagingPaths[index], targetPath: targetPaths[index] };
      const request = { volumeId: ids[index], ...paths, volumePath: targetPaths[index], volumeCapability };
      const grown = { ...request, capacityRange: { requiredBytes: 24 * MiB } };
      const made = { name, capacityRange: { requiredBytes: 16 * MiB }, volumeCapabilities: [volumeCapability] };
      return fc.constantFrom<GeneratedCall>(
        { rpc: "CreateVolume", request: made },
        { rpc: "NodeStageVolume", request },
        { rpc: "NodePublishVolume", request },
        { rpc: "NodeGetVolumeStats", request },
        { rpc: "ControllerExpandVolume", request: grown },
        { rpc: "NodeExpandVolume", request: grown },
      );
    }),
  );
}

/** Of the RPCs that do something with what they are sent; volumes are to be made more often than removed. */
const weights: Readonly<Record<string, number>> = {
  CreateVolume: 20,
  DeleteVolume: 4,
  ControllerExpandVolume: 12,
  ControllerGetVolume: 6,
  ValidateVolumeCapabilities: 12,
  ListVolumes: 8,
  GetCapacity: 12,
  NodeStageVolume: 15,
  NodeUnstageVolume: 8,
  NodePublishVolume: 15,
  NodeUnpublishVolume: 10,
  NodeGetVolumeStats: 12,
  NodeExpandVolume: 12,
};

type Requests = Readonly<Record<string, fc.Arbitrary<Readonly<Record<string, unknown>>>>>;

function controllerRequests(there: Surroundings): Requests {
  const volumeId = idsOf(there);
  const parameters = parametersOf(there);
  const node = fc.record({ "topology.lvm.local.csi/node": fc.oneof(fc.constantFrom("n1", "n2"), hostile) });
  const topology = mostly(fc.record({ segments: fc.oneof(node, anyMap) }), null);
  const topologies = fc.array(
    topology.map((one) => one ?? {}),
    { maxLength: 2 },
  );
  const source = fc.record({ volume: fc.record({ volumeId }) });
  return {
    CreateVolume: fc.record({
      name: fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...there.names) }, { weight: 1, arbitrary: hostile }),
      capacityRange: range,
      volumeCapabilities: capabilities,
      parameters,
      secrets: anyMap,
      volumeContentSource: fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: source }),
      accessibilityRequirements: fc.oneof(
        fc.constant(null),
        fc.record({ requisite: topologies, preferred: topologies }),
      ),
      mutableParameters: fc.oneof({ weight: 9, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: anyMap }),
    }),
    DeleteVolume: fc.record({ volumeId, secrets: anyMap }),
    ControllerExpandVolume: fc.record({ volumeId, capacityRange: range, volumeCapability: mostly(capability, null) }),
    ControllerGetVolume: fc.record({ volumeId }),
    ValidateVolumeCapabilities: fc.record({ volumeId, volumeCapabilities: capabilities, parameters, secrets: anyMap }),
    ListVolumes: fc.record({
      maxEntries: fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1)),
      startingToken: fc.oneof(fc.constantFrom("", "YWZ0ZXIgeA"), hostile),
    }),
    GetCapacity: fc.record({
      volumeCapabilities: fc.oneof(fc.constant([]), capabilities),
      parameters,
      accessibleTopology: topology,
    }),
  };
}

function nodeRequests(there: Surroundings): Requests {
  const volumeId = idsOf(there);
  const stagingTargetPath = pathsOf(there, there.stagingPaths);
  const targetPath = pathsOf(there, there.targetPaths);
  const volumePath = fc.oneof(stagingTargetPath, targetPath);
  const common = { volumeId, volumeCapability: mostly(capability, null), secrets: anyMap, volumeContext: anyMap };
  return {
    NodeStageVolume: fc.record({ ...common, stagingTargetPath, publishContext: anyMap }),
    NodeUnstageVolume: fc.record({ volumeId, stagingTargetPath }),
    NodePublishVolume: fc.record({ ...common, stagingTargetPath, targetPath, readonly: fc.boolean() }),
    NodeUnpublishVolume: fc.record({ volumeId, targetPath }),
    NodeGetVolumeStats: fc.record({ volumeId, volumePath, stagingTargetPath }),
    NodeExpandVolume: fc.record({ ...common, volumePath, stagingTargetPath, capacityRange: range }),
  };
}

/** Those without fields, and those that the driver does not offer. */
function otherRequests(there: Surroundings): Requests {
  const volumeId = idsOf(there);
  const nothing = fc.constant({});
  const withId = fc.record({ volumeId, nodeId: hostile, secrets: anyMap });
  return {
    Probe: nothing,
    GetPluginInfo: nothing,
    GetPluginCapabilities: nothing,
    ControllerGetCapabilities: nothing,
    NodeGetCapabilities: nothing,
    NodeGetInfo: nothing,
    ControllerPublishVolume: withId,
    ControllerUnpublishVolume: withId,
    ControllerModifyVolume: fc.record({ volumeId, mutableParameters: anyMap }),
    CreateSnapshot: fc.record({ sourceVolumeId: volumeId, name: hostile }),
    DeleteSnapshot: fc.record({ snapshotId: hostile }),
    ListSnapshots: fc.record({ snapshotId: hostile }),
    GetSnapshot: fc.record({ snapshotId: hostile }),
  };
}

function idsOf({ volumeGroup, ids }: Surroundings): fc.Arbitrary<string> {
  const claim = "pvc-00000000-0000-0000-0000-000000000000";
  const groups = fc.oneof(fc.constantFrom(volumeGroup, "vg-other", "..", "-x"), hostile);
  const parts = fc.tuple(fc.oneof(fc.constantFrom("n1", "n2"), hostile), groups, fc.oneof(fc.constant(claim), hostile));
  return fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...ids) },
    { weight: 1, arbitrary: fc.constant(`n1/${volumeGroup}/${claim}`) },
    { weight: 2, arbitrary: parts.map((texts) => texts.join("/")) },
    { weight: 1, arbitrary: hostile },
  );
}

function pathsOf({ kubelet, outside }: Surroundings, usual: readonly string[]): fc.Arbitrary<string> {
  const segment = fc.oneof(fc.constantFrom("pods", "link", "file", "dangling", "loop", "new", "mount"), hostile);
  const segments = fc.array(segment, { minLength: 1, maxLength: 4 });
  return fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...usual) },
    { weight: 4, arbitrary: segments.map((names) => [kubelet, ...names].join("/")) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...usual), segment).map((names) => names.join("/")) },
    { weight: 1, arbitrary: fc.constantFrom("/", "/etc", outside, join(outside, "file"), kubelet, `${kubelet}-2/x`) },
    { weight: 1, arbitrary: hostile },
  );
}

function parametersOf({ volumeGroup }: Surroundings): fc.Arbitrary<Readonly<Record<string, string>>> {
  const known = fc.record(
    {
      volumeGroup: fc.oneof(fc.constant(volumeGroup), hostile),
      layout: fc.oneof(fc.constantFrom("linear", "striped", "raid1"), hostile),
      stripes: fc.oneof(fc.constantFrom("2", "3"), hostile),
      stripeSize: fc.oneof(fc.constantFrom("64Ki", "5"), hostile),
      initialize: fc.oneof(fc.constantFrom("auto", "signatures", "zero"), hostile),
      wipe: fc.oneof(fc.constantFrom("none", "zero", "discard", "shred:1", "shred:99"), hostile),
      mkfsOptions: fc.oneof(fc.constantFrom("-m 1", "-i 65536", "-F"), hostile),
      "csi.storage.k8s.io/fstype": filesystems,
      "csi.storage.k8s.io/pvc/name": hostile,
      "csi.storage.k8s.io/pvc/namespace": hostile,
    },
    { requiredKeys: [] },
  );
  return fc.oneof(
    { weight: 8, arbitrary: fc.constant({}) },
    { weight: 3, arbitrary: known },
    { weight: 1, arbitrary: anyMap },
  );
}
