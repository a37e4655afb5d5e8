import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "@jest/globals";
import {
  type Manifest,
  objectKey,
  type Variant,
  parseManifests,
  readOverlay,
  variants,
} from "../../deploy/manifests.ts";
import { parseCertificatesConfig } from "../../src/certificates-config.ts";
import { type NodeConfig, parseNodeConfig, topologyKey } from "../../src/config.ts";
import { parseControllerConfig } from "../../src/controller-config.ts";
import { parseParameters } from "../../src/volume/parameters.ts";
import {
  type Container,
  type StorageClass,
  type PodSpec,
  container,
  podOf,
  rightsOf,
  workloads,
} from "./deploy-objects.ts";

const deploy = path.resolve(import.meta.dirname, "../../deploy");
const examples = readdirSync(path.join(deploy, "examples"))
  .filter((file) => file.endsWith(".yaml"))
  .flatMap((file) => parseManifests(readFileSync(path.join(deploy, "examples", file), "utf8")));
const cluster = readOverlay("cluster");

/** As the kubelet would fill them in. */
const environment = { NODE_NAME: "n1", POD_NAMESPACE: "lvm-local-csi" };

test.each(variants)("every object of %s is there once, in the namespace that is made", (variant) => {
  const keys = readOverlay(variant).map(objectKey);
  expect(keys).toEqual([...new Set(keys)]);
  expect(keys).toContain("Namespace/lvm-local-csi");
  const namespaces = readOverlay(variant).map(({ metadata }) => metadata.namespace ?? "lvm-local-csi");
  expect(new Set(namespaces)).toEqual(new Set(["lvm-local-csi"]));
});

test.each(variants)("the driver takes the flags that %s gives it", (variant) => {
  const parsers = { node: parseNodeConfig, controller: parseControllerConfig, certificates: parseCertificatesConfig };
  const ours = containers(readOverlay(variant)).filter(({ name }) => name in parsers);
  const configs = ours.map(({ name, args: [role, ...flags], env = [] }) => {
    expect(role).toBe(name);
    const given = env.map((one) => [one.name, environment[one.name as keyof typeof environment]]);
    return parsers[name as keyof typeof parsers](flags, Object.fromEntries(given));
  });
  expect(configs).toHaveLength(variant === "cluster" ? 3 : 1);
});

test("controller and nodes find each other", () => {
  const controller = parseControllerConfig(argsOf("lvm-local-csi-controller", "controller"), environment);
  const node = nodeConfig();
  expect(node.remoteListen?.port).toBe(controller.nodePort);
  const daemonSet = workloads(cluster).find(({ kind }) => kind === "DaemonSet");
  const labels = Object.entries(daemonSet?.spec.template.metadata.labels ?? {}).map(
    ([key, value]) => `${key}=${value}`,
  );
  expect(labels).toEqual(expect.arrayContaining(controller.nodeSelector.split(",")));
});

test("the node's sockets and directories are on the host, at the same path", () => {
  const { socketPath, registrationSocket, kubeletDirectory, lockDirectory, backupDirectory } = nodeConfig();
  expect(socketPath).toBe(`${kubeletDirectory}/plugins/lvm.local.csi/csi.sock`);
  expect(registrationSocket).toBe(`${kubeletDirectory}/plugins_registry/lvm.local.csi-reg.sock`);
  const pod = podOf(cluster, "lvm-local-csi-node");
  const paths = (container(pod, "node").volumeMounts ?? []).flatMap(({ name, mountPath, readOnly = false }) => {
    const host = pod.volumes?.find((volume) => volume.name === name)?.hostPath?.path;
    return host === undefined ? [] : [{ host, mountPath, readOnly }];
  });
  const writable = [kubeletDirectory, "/dev", lockDirectory, "/run/lvm", backupDirectory];
  const expected = writable.map((host) => ({ host, mountPath: host, readOnly: false }));
  expect(paths).toHaveLength(expected.length + 1);
  expect(paths).toEqual(expect.arrayContaining([...expected, { host: "/sys", mountPath: "/sys", readOnly: true }]));
});

test("nothing else is mounted below the kubelet's directory: it would appear on the host too", () => {
  const pods = variants.map((variant) => podOf(readOverlay(variant), "lvm-local-csi-node"));
  const below = pods.flatMap((pod) =>
    (container(pod, "node").volumeMounts ?? []).filter(({ mountPath }) => mountPath.startsWith("/var/lib/kubelet/")),
  );
  expect(below).toEqual([]);
});

test.each(variants)("only the driver on a node is privileged in %s, and every image has a tag", (variant) => {
  const pods = workloads(readOverlay(variant)).map(({ spec }) => spec.template.spec);
  for (const pod of pods) expect(pod).not.toMatchObject({ hostNetwork: true });
  for (const pod of pods) expect(pod).not.toMatchObject({ hostPID: true });
  const all = containers(readOverlay(variant));
  for (const { image } of all) expect(image).toMatch(/^[a-z0-9./-]+:v?\d+\.\d+\.\d+$/);
  const privileged = all.filter(({ securityContext }) => securityContext?.privileged === true);
  expect(privileged.map(({ name, securityContext }) => [name, securityContext?.readOnlyRootFilesystem])).toEqual([
    ["node", true],
  ]);
});

test.each(variants)("the other containers of %s are confined", (variant) => {
  for (const { spec } of workloads(readOverlay(variant))) expectConfined(spec.template.spec, variant);
});

test("the account of the nodes has no rights, and its token is mounted nowhere", () => {
  const pod = podOf(cluster, "lvm-local-csi-node");
  expect(pod.serviceAccountName).toBe("lvm-local-csi-node");
  expect(rightsOf(cluster, pod.serviceAccountName)).toEqual([]);
  expect(pod.automountServiceAccountToken).toBe(false);
  expect(pod.containers.map(({ name }) => name)).toEqual(["node"]);
  expect(JSON.stringify(pod.volumes)).not.toContain("serviceAccountToken");
});

test("on a single node only the sidecars have a token", () => {
  const pod = podOf(readOverlay("single-node"), "lvm-local-csi-node");
  expect(pod.automountServiceAccountToken).toBe(false);
  const withToken = pod.containers.filter(({ volumeMounts = [] }) => volumeMounts.some(({ name }) => name === "token"));
  expect(withToken.map(({ name }) => name)).toEqual(["csi-provisioner", "csi-resizer"]);
});

test("no pod mounts the authority's key, and nobody but its maker may read Secrets", () => {
  const names = ["lvm-local-csi-ca", "lvm-local-csi-controller", "lvm-local-csi-node"];
  const secrets = cluster.filter(({ kind }) => kind === "Secret");
  expect(secrets.map(({ metadata }) => metadata.name)).toEqual(names);
  // what is not in a manifest is not overwritten when it is applied again
  for (const secret of secrets) expect(Object.keys(secret)).not.toContain("data");
  expect(rightsOf(cluster, "lvm-local-csi-certificates")).toEqual([`Role /secrets (${names.join(",")}): get,update`]);
  const mounted = workloads(cluster).flatMap(({ spec }) =>
    (spec.template.spec.volumes ?? []).flatMap(({ secret }) => (secret === undefined ? [] : [secret.secretName])),
  );
  expect(mounted.toSorted()).toEqual(["lvm-local-csi-controller", "lvm-local-csi-node"]);
});

const shared = [
  "ClusterRole /events: create,patch",
  "ClusterRole /persistentvolumeclaims/status: patch",
  "ClusterRole /persistentvolumeclaims: list,watch,update",
  "ClusterRole /persistentvolumes: list,watch,create,patch,delete",
  "ClusterRole storage.k8s.io/storageclasses: list,watch",
  "Role storage.k8s.io/csistoragecapacities: list,watch,create,update,delete",
];

test("the account of controller and sidecars may do what they do, and no more", () => {
  const ofCluster = [
    "ClusterRole /nodes: get,list,watch",
    "ClusterRole storage.k8s.io/csinodes: list,watch",
    "Role /pods: get,list,watch",
    "Role apps/replicasets: get",
    "Role coordination.k8s.io/leases: get,create,update",
  ];
  expect(rightsOf(cluster, "lvm-local-csi-controller")).toEqual([...shared, ...ofCluster].toSorted());
  const singleNode = rightsOf(readOverlay("single-node"), "lvm-local-csi-controller");
  expect(singleNode).toEqual([...shared, "Role /pods: get"].toSorted());
});

test("the sidecars have the flags that the driver relies on", () => {
  const common = ["--csi-address=/csi/csi.sock", "--timeout=60s", "--retry-interval-max=20s"];
  const provisioner = ["--strict-topology", "--enable-capacity", "--extra-create-metadata", "--default-fstype=ext4"];
  const resizer = ["--handle-volume-inuse-error=false"];
  const controller = podOf(cluster, "lvm-local-csi-controller");
  const node = podOf(readOverlay("single-node"), "lvm-local-csi-node");
  expect(container(controller, "csi-provisioner").args).toEqual(
    expect.arrayContaining([...common, ...provisioner, "--leader-election", "--capacity-ownerref-level=2"]),
  );
  expect(container(controller, "csi-resizer").args).toEqual(
    expect.arrayContaining([...common, ...resizer, "--leader-election"]),
  );
  expect(container(node, "csi-provisioner").args).toEqual(
    expect.arrayContaining([...common, ...provisioner, "--node-deployment", "--capacity-ownerref-level=1"]),
  );
  expect(container(node, "csi-resizer").args).toEqual(expect.arrayContaining([...common, ...resizer]));
});

test("an eviction leaves one controller, and a controller that is not ready keeps no node from being drained", () => {
  const budgets = cluster.filter(({ kind }) => kind === "PodDisruptionBudget");
  expect(budgets).toMatchObject([{ spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow" } }]);
});

test("the driver takes the parameters of the classes, also of the examples", () => {
  const classes = [...cluster, ...examples].filter((one): one is StorageClass => one.kind === "StorageClass");
  expect(classes.length).toBeGreaterThanOrEqual(4);
  for (const { parameters } of classes) expect(parseParameters(parameters)).toBeDefined();
});

test("chart and package are of the same version", () => {
  const { version } = JSON.parse(readFileSync(path.join(deploy, "../package.json"), "utf8")) as { version: string };
  const chart = readFileSync(path.join(deploy, "chart/Chart.yaml"), "utf8");
  expect(chart).toContain(`\nversion: ${version}\nappVersion: ${version}\n`);
});

test("the certificates of cert-manager are the ones that are mounted", () => {
  const text = readFileSync(path.join(deploy, "examples/cert-manager/certificates.yaml"), "utf8");
  const [authority, ...leaves] = parseManifests(text).filter(({ kind }) => kind === "Certificate");
  // none of the chart's Secrets: helm would remove it, and with it what signs
  expect(authority).toMatchObject({ spec: { isCA: true, secretName: "lvm-local-csi-cert-manager-ca" } });
  expect(text.match(/secretName: lvm-local-csi-cert-manager-ca/g)).toHaveLength(2);
  expect(leaves).toMatchObject([
    { spec: { secretName: "lvm-local-csi-controller", dnsNames: ["controller.lvm.local.csi"] } },
    { spec: { secretName: "lvm-local-csi-node", dnsNames: ["node.lvm.local.csi"] } },
  ]);
});

test("the alerts look at metrics that there are, and say what ends them", () => {
  const rules = readFileSync(path.join(deploy, "chart/templates/monitoring.yaml"), "utf8");
  const documented = readFileSync(path.join(deploy, "../docs/metrics.md"), "utf8");
  const names = new Set([...rules.matchAll(/\blvm_local_csi_[a-z_]+/g)].map(([name]) => name));
  expect(names.size).toBeGreaterThan(5);
  expect([...names].filter((name) => !documented.includes(`| \`${name}\` `))).toEqual([]);
  expect(rules).toContain(`kubectl label node NAME ${topologyKey}-"`);
});

function containers(objects: readonly Manifest[]): readonly Container[] {
  return workloads(objects).flatMap(({ spec }) => spec.template.spec.containers);
}

/** Flags without the role. */
function argsOf(workload: string, name: string): readonly string[] {
  return container(podOf(cluster, workload), name).args.slice(1);
}

function nodeConfig(): NodeConfig {
  return parseNodeConfig(argsOf("lvm-local-csi-node", "node"), environment);
}

function expectConfined(pod: PodSpec, variant: Variant): void {
  for (const { securityContext } of pod.containers.filter(({ name }) => name !== "node")) {
    const all = { ...pod.securityContext, ...securityContext };
    expect(all).toMatchObject({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    // the socket on a single node is root's
    expect(all.runAsUser).toBe(variant === "cluster" ? 65_532 : 0);
  }
}
