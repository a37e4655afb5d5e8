import { readFile } from "node:fs/promises";
import { auditLog } from "./control-plane.ts";
import { driverNamespace, inDriverNamespace } from "./deploy.ts";

/** A request to the API server, as its audit log has it (audit.k8s.io/v1, Event). */
export interface Request {
  readonly verb: string;
  readonly requestReceivedTimestamp: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource: string; readonly apiGroup?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code: number; readonly message?: string };
}

/** All requests to the API server since the cluster came up. */
export async function requests(): Promise<readonly Request[]> {
  const lines = (await readFile(auditLog, "utf8")).split("\n");
  // the last one may be half written
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Request);
}

/** The name of a service account of the driver in the log. */
export function accountOf(role: "certificates" | "controller" | "node"): string {
  return `system:serviceaccount:${driverNamespace}:lvm-local-csi-${role}`;
}

/** "create persistentvolumes", "patch persistentvolumeclaims/status", "update leases.coordination.k8s.io" */
export function rightFor({ verb, objectRef }: Request): string {
  if (objectRef === undefined) return verb;
  const { resource, subresource, apiGroup } = objectRef;
  return nameOf(verb, subresource === undefined ? resource : `${resource}/${subresource}`, apiGroup ?? "");
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Role {
  readonly rules: readonly Rule[];
}

/** All rights that the roles of this name give, written as above. */
export async function rightsOf(role: string): Promise<readonly string[]> {
  const all = await Promise.all(
    ["clusterroles", "roles"].map((kind) =>
      inDriverNamespace("get", kind, role, "--ignore-not-found", "--output=json"),
    ),
  );
  const rules = all.filter((printed) => printed !== "").flatMap((printed) => (JSON.parse(printed) as Role).rules);
  return rules.flatMap(({ verbs, resources, apiGroups }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => nameOf(verb, resource, group)))),
  );
}

function nameOf(verb: string, resource: string, group: string): string {
  return `${verb} ${resource}${group === "" ? "" : `.${group}`}`;
}
