import { createHash, randomUUID } from "node:crypto";
import { mkdir, rmdir, symlink, unlink, writeFile } from "node:fs/promises";
import path from "node:path";
import type { VolumeCapability } from "../../src/csi/generated/csi/v1/VolumeCapability.ts";
import type { CsiClient } from "../lab/csi-client.ts";
import { run } from "./programs.ts";

/** A persistent volume as the kubelet knows it. */
export interface PersistentVolume {
  readonly name: string;
  /** The CSI volume id. */
  readonly handle: string;
  readonly capability: VolumeCapability;
}

/** Where the kubelet has a pod's volume. */
export interface Pod {
  readonly uid: string;
  /** A directory with the filesystem, or a device node. */
  readonly target: string;
}

/**
 * The kubelet's part, with its paths and in its order (kubernetes, pkg/volume/csi: csi_mounter.go, csi_block.go): it
 * makes the staging directory and the parent of each target, the driver makes the target.
 */
export class Kubelet {
  readonly directory: string;
  readonly #csi: CsiClient;

  constructor(directory: string, csi: CsiClient) {
    this.directory = directory;
    this.#csi = csi;
  }

  /** Where a volume is staged, once on the node. */
  stagingPath({ name, handle, capability }: PersistentVolume): string {
    const plugins = path.join(this.directory, "plugins/kubernetes.io/csi");
    if (capability.block) return path.join(plugins, "volumeDevices/staging", name);
    const digest = createHash("sha256").update(handle).digest("hex");
    return path.join(plugins, "lvm.local.csi", digest, "globalmount");
  }

  /** A new pod's target for a volume. */
  newPod({ name, capability }: PersistentVolume): Pod {
    const uid = randomUUID();
    const target = capability.block
      ? path.join(this.directory, "plugins/kubernetes.io/csi/volumeDevices/publish", name, uid)
      : path.join(this.directory, "pods", uid, "volumes/kubernetes.io~csi", name, "mount");
    return { uid, target };
  }

  async stage(volume: PersistentVolume): Promise<void> {
    const stagingTargetPath = this.stagingPath(volume);
    await mkdir(stagingTargetPath, { recursive: true, mode: 0o750 });
    if (!volume.capability.block)
      await writeFile(besides(stagingTargetPath), JSON.stringify({ volumeHandle: volume.handle }));
    const volumeCapability = volume.capability;
    await this.#csi.Node.NodeStageVolume({ volumeId: volume.handle, stagingTargetPath, volumeCapability });
  }

  /** @throws Error where the driver has left something at the staging path. */
  async unstage(volume: PersistentVolume): Promise<void> {
    const stagingTargetPath = this.stagingPath(volume);
    await this.#csi.Node.NodeUnstageVolume({ volumeId: volume.handle, stagingTargetPath });
    await rmdir(stagingTargetPath);
    if (volume.capability.block) return;
    await unlink(besides(stagingTargetPath));
    await rmdir(path.dirname(stagingTargetPath));
  }

  async publish(volume: PersistentVolume, pod: Pod): Promise<void> {
    await mkdir(path.dirname(pod.target), { recursive: true, mode: 0o750 });
    await this.#csi.Node.NodePublishVolume({
      volumeId: volume.handle,
      stagingTargetPath: this.stagingPath(volume),
      targetPath: pod.target,
      volumeCapability: volume.capability,
    });
  }

  /** @throws Error where the driver has left the target. */
  async unpublish(volume: PersistentVolume, pod: Pod): Promise<void> {
    await this.#csi.Node.NodeUnpublishVolume({ volumeId: volume.handle, targetPath: pod.target });
    await rmdir(path.dirname(pod.target)).catch((error: unknown) => {
      // other pods' targets of the same raw block volume are beside it
      if (!volume.capability.block) throw error;
    });
  }

  /** Where a pod's raw block volume is shown by the kubelet itself; statistics are asked for this path. */
  mapPath(volume: PersistentVolume, pod: Pod): string {
    return path.join(this.directory, "plugins/kubernetes.io/csi/volumeDevices", volume.name, "dev", pod.uid);
  }

  /** Binds a published device to the map path, and puts a symlink for the pod. */
  async map(volume: PersistentVolume, pod: Pod): Promise<void> {
    const mapPath = this.mapPath(volume, pod);
    await mkdir(path.dirname(mapPath), { recursive: true });
    await writeFile(mapPath, "");
    await run("mount", "--bind", pod.target, mapPath);
    const links = path.join(this.directory, "pods", pod.uid, "volumeDevices/kubernetes.io~csi");
    await mkdir(links, { recursive: true });
    await symlink(pod.target, path.join(links, volume.name));
  }

  async unmap(volume: PersistentVolume, pod: Pod): Promise<void> {
    await unlink(path.join(this.directory, "pods", pod.uid, "volumeDevices/kubernetes.io~csi", volume.name));
    await run("umount", this.mapPath(volume, pod));
    await unlink(this.mapPath(volume, pod));
  }
}

/** Where the kubelet notes whose mount that is. */
function besides(stagingPath: string): string {
  return path.join(path.dirname(stagingPath), "vol_data.json");
}
