/** Whom a certificate is for: the DNS name among its subject alternative names. All nodes share one. */
export const identities = { controller: "controller.lvm.local.csi", node: "node.lvm.local.csi" } as const;
