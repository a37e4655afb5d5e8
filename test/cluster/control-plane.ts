import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { apiServer, apiServerPort, serviceNetwork } from "./addresses.ts";
import {
  apiServerIdentity,
  type Authority,
  makeCertificate,
  makeConfiguration,
  makeServiceAccountKeys,
} from "./keys.ts";
import { logDirectory } from "./paths.ts";
import { type Process, startProcess } from "./process.ts";

const etcdUrl = "http://127.0.0.1:2379";
const etcdPeerUrl = "http://127.0.0.1:2380";

/** Where the parts of the control plane find what they need. */
export interface Places {
  /** The directory of the programs of Kubernetes. */
  readonly programs: string;
  /** Of the nodes' Debian, which has etcd. */
  readonly nodeRoot: string;
  readonly keys: string;
  readonly authority: Authority;
  /** For etcd's data. */
  readonly directory: string;
}

/** The API server's record of every request: who asked for what, but not what was said. */
export const auditLog = path.join(logDirectory, "audit.log");

const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata" }],
};

export function startEtcd({ nodeRoot, directory }: Places): Promise<Process> {
  return start("etcd", path.join(nodeRoot, "usr/bin/etcd"), {
    "data-dir": path.join(directory, "etcd"),
    "listen-client-urls": etcdUrl,
    "advertise-client-urls": etcdUrl,
    "listen-peer-urls": etcdPeerUrl,
    "initial-advertise-peer-urls": etcdPeerUrl,
    "initial-cluster": `default=${etcdPeerUrl}`,
    // what a real cluster needs and a laboratory pays for with time
    "unsafe-no-fsync": "true",
  });
}

export async function startApiServer(places: Places): Promise<Process> {
  const { programs, keys, authority } = places;
  const policy = path.join(keys, "audit-policy.json");
  await writeFile(policy, JSON.stringify(auditPolicy));
  const serving = await makeCertificate(authority, keys, "api-server", apiServerIdentity);
  const client = await makeCertificate(authority, keys, "kubelet-client", {
    name: "kube-apiserver-kubelet-client",
    organization: "system:masters",
  });
  const accounts = await makeServiceAccountKeys(keys);
  return start("kube-apiserver", path.join(programs, "kube-apiserver"), {
    "etcd-servers": etcdUrl,
    "bind-address": apiServer,
    "advertise-address": apiServer,
    "secure-port": String(apiServerPort),
    "service-cluster-ip-range": serviceNetwork,
    "authorization-mode": "Node,RBAC",
    "enable-admission-plugins": "NodeRestriction",
    "anonymous-auth": "false",
    "allow-privileged": "true",
    "client-ca-file": authority.certificate,
    "tls-cert-file": serving.certificate,
    "tls-private-key-file": serving.key,
    // by name they could not be found: there is no DNS here
    "kubelet-preferred-address-types": "InternalIP",
    "kubelet-certificate-authority": authority.certificate,
    "kubelet-client-certificate": client.certificate,
    "kubelet-client-key": client.key,
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": accounts.checking,
    "service-account-signing-key-file": accounts.signing,
    "audit-policy-file": policy,
    "audit-log-path": auditLog,
  });
}

export async function startControllers(places: Places): Promise<readonly Process[]> {
  const { programs, keys, authority } = places;
  const [manager, scheduler] = await Promise.all(
    ["kube-controller-manager", "kube-scheduler"].map((name) =>
      makeConfiguration(authority, keys, name, { name: `system:${name}`, organization: "cluster" }),
    ),
  );
  const common = { "bind-address": "127.0.0.1", "leader-elect": "false" };
  return Promise.all([
    start("kube-controller-manager", path.join(programs, "kube-controller-manager"), {
      ...common,
      kubeconfig: manager ?? "",
      "root-ca-file": authority.certificate,
      "service-account-private-key-file": path.join(keys, "service-account.key"),
      "use-service-account-credentials": "true",
      // a node that was cut off is noticed, and missed, sooner than in a cluster with a real network
      "node-monitor-period": "2s",
      "node-monitor-grace-period": "20s",
    }),
    start("kube-scheduler", path.join(programs, "kube-scheduler"), { ...common, kubeconfig: scheduler ?? "" }),
  ]);
}

async function start(name: string, program: string, flags: Readonly<Record<string, string>>): Promise<Process> {
  await mkdir(logDirectory, { recursive: true });
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  return startProcess({ name, program, args, log: path.join(logDirectory, `${name}.log`) });
}
