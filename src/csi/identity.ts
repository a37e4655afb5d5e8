import type { IdentityHandlers } from "./generated/csi/v1/Identity.ts";
import type { Service } from "./rpc.ts";

/** The driver's name: the provisioner of StorageClasses, fixed for ever, since PersistentVolumes carry it. */
export const driverName = "lvm.local.csi";

/** What Identity needs to know of the node. */
export interface Health {
  readonly version: string;
  /**
   * Whether a volume group of the allow-list can be used now.
   * @throws VolumeError failedPrecondition when a program or device-mapper is missing
   */
  readonly ready: () => Promise<boolean>;
}

/** Identity: the same answers on every socket of the driver. */
export function identityService({ version, ready }: Health): Service<IdentityHandlers> {
  return {
    GetPluginInfo: () => ({ name: driverName, vendorVersion: version, manifest: {} }),
    GetPluginCapabilities: () => ({
      capabilities: [
        { service: { type: "CONTROLLER_SERVICE" }, type: "service" },
        { service: { type: "VOLUME_ACCESSIBILITY_CONSTRAINTS" }, type: "service" },
        { volumeExpansion: { type: "ONLINE" }, type: "volumeExpansion" },
      ],
    }),
    Probe: async () => ({ ready: { value: await ready() } }),
  };
}
