export { identities } from "../identities.ts";

/** What controller and node say to each other beside the CSI messages, as keys of gRPC metadata. */
export const headers = {
  /**
   * In a call the node that is meant, in the answer's trailers the one that gave it (topology values): an address may
   * have gone to another node. Without it in its trailers an answer is none of a node's.
   */
  node: "lvm-local-csi-node",
  /** In a call the controller's run and the number of its connection: after a newer one, older ones are over. */
  link: "lvm-local-csi-link",
  /** In the trailers of a call that the node has not let in. */
  refused: "lvm-local-csi-refused",
  /** With CreateVolume: only the volume that is there already, finished if need be; else NOT_FOUND. */
  onlyExisting: "lvm-local-csi-only-existing",
} as const;
