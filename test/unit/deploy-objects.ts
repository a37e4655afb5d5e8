import type { Manifest } from "../../deploy/manifests.ts";

/** The fields of Kubernetes objects that the tests look at; an API server checks the rest. */

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string }[];
  readonly securityContext?: SecurityContext;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}

export interface SecurityContext {
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  readonly seccompProfile?: { readonly type: string };
}

export interface Volume {
  readonly name: string;
  readonly hostPath?: { readonly path: string };
  readonly secret?: { readonly secretName: string; readonly optional?: boolean };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken: boolean;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly securityContext?: SecurityContext;
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export interface Workload extends Manifest {
  readonly spec: {
    readonly template: { readonly metadata: { readonly labels: Record<string, string> }; readonly spec: PodSpec };
  };
}

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Role extends Manifest {
  readonly rules: readonly Rule[];
}

export interface Binding extends Manifest {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[];
}

export interface StorageClass extends Manifest {
  readonly parameters: Record<string, string>;
}

export function workloads(objects: readonly Manifest[]): readonly Workload[] {
  return objects.filter((one): one is Workload => one.kind === "DaemonSet" || one.kind === "Deployment");
}

/** The pod of the workload of this name. @throws Error where there is none */
export function podOf(objects: readonly Manifest[], name: string): PodSpec {
  const found = workloads(objects).find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new Error(`no workload ${name}`);
  return found.spec.template.spec;
}

export function container(pod: PodSpec, name: string): Container {
  const found = pod.containers.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}

/** What the account may do, one line for each resource: "Role secrets (a,b): get,update". */
export function rightsOf(objects: readonly Manifest[], account: string): readonly string[] {
  const bindings = objects.filter((one): one is Binding => one.kind.endsWith("RoleBinding"));
  const bound = bindings.filter(({ subjects }) => subjects.some(({ name }) => name === account));
  const lines = bound.flatMap(({ roleRef }) => {
    const roles = objects.filter((one): one is Role => one.kind === roleRef.kind && one.metadata.name === roleRef.name);
    return roles.flatMap(({ kind, rules }) => rules.flatMap((rule) => describeRule(kind, rule)));
  });
  return lines.toSorted();
}

function describeRule(kind: string, { apiGroups, resources, resourceNames = [], verbs }: Rule): readonly string[] {
  const names = resourceNames.length > 0 ? ` (${resourceNames.join(",")})` : "";
  return apiGroups.flatMap((group) =>
    resources.map((resource) => `${kind} ${group}/${resource}${names}: ${verbs.join(",")}`),
  );
}
