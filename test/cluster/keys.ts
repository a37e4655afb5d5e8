import { generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { apiServer, apiServerPort, apiService, nodeAddress } from "./addresses.ts";
import { shell } from "./shell.ts";

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "30"];

/** The cluster's certificate authority; what it signs is known to every part of the cluster. */
export interface Authority {
  readonly certificate: string;
  readonly key: string;
}

/** Who a certificate says that its holder is: to Kubernetes, `name` is a user and `organization` a group. */
export interface Identity {
  readonly name: string;
  readonly organization: string;
  /** As openssl(1) writes them: "IP:10.0.0.1,DNS:node1". */
  readonly alternativeNames?: string;
}

/** Paths of a certificate and its key. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export const apiServerIdentity: Identity = {
  name: "kube-apiserver",
  organization: "cluster",
  alternativeNames: `IP:${apiServer},IP:${apiService},DNS:kubernetes.default.svc`,
};

/** By this the node authorizer knows a node (kubernetes.io, "Using Node Authorization"). */
export function kubeletIdentity(node: string): Identity {
  return {
    name: `system:node:${node}`,
    organization: "system:nodes",
    alternativeNames: `IP:${nodeAddress(node)},DNS:${node}`,
  };
}

export async function makeAuthority(directory: string): Promise<Authority> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const pair = pathsOf(directory, "ca");
  await shell("openssl", ["req", "-x509", ...newKey, ...files(pair), "-subj", "/CN=cluster-ca"]);
  return pair;
}

/** Makes `NAME.crt` and `NAME.key` in the directory. */
export async function makeCertificate(
  authority: Authority,
  directory: string,
  name: string,
  identity: Identity,
): Promise<KeyPair> {
  const pair = pathsOf(directory, name);
  const extensions = ["extendedKeyUsage=serverAuth,clientAuth", "basicConstraints=critical,CA:FALSE"];
  if (identity.alternativeNames !== undefined) extensions.push(`subjectAltName=${identity.alternativeNames}`);
  const subject = ["-subj", `/O=${identity.organization}/CN=${identity.name}`];
  const signer = ["-CA", authority.certificate, "-CAkey", authority.key];
  const added = extensions.flatMap((extension) => ["-addext", extension]);
  await shell("openssl", ["req", "-x509", ...newKey, ...files(pair), ...signer, ...subject, ...added]);
  return pair;
}

/** Makes the kubeconfig `NAME.conf` in the directory, with a certificate of its own. */
export async function makeConfiguration(
  authority: Authority,
  directory: string,
  name: string,
  identity: Identity,
): Promise<string> {
  const pair = await makeCertificate(authority, directory, name, identity);
  const [ca, certificate, key] = await Promise.all(
    [authority.certificate, pair.certificate, pair.key].map((file) => readFile(file, "base64")),
  );
  const target = path.join(directory, `${name}.conf`);
  const content = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "cluster",
    clusters: [
      {
        name: "cluster",
        cluster: { server: `https://${apiServer}:${apiServerPort}`, "certificate-authority-data": ca },
      },
    ],
    users: [{ name, user: { "client-certificate-data": certificate, "client-key-data": key } }],
    contexts: [{ name: "cluster", context: { cluster: "cluster", user: name } }],
  };
  await writeFile(target, JSON.stringify(content), { mode: 0o600 });
  return target;
}

/** The keys with which tokens of service accounts are signed and checked. */
export async function makeServiceAccountKeys(directory: string): Promise<{ signing: string; checking: string }> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "sec1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const signing = path.join(directory, "service-account.key");
  const checking = path.join(directory, "service-account.pub");
  await writeFile(signing, privateKey, { mode: 0o600 });
  await writeFile(checking, publicKey);
  return { signing, checking };
}

function pathsOf(directory: string, name: string): KeyPair {
  return { certificate: path.join(directory, `${name}.crt`), key: path.join(directory, `${name}.key`) };
}

function files({ certificate, key }: KeyPair): readonly string[] {
  return ["-keyout", key, "-out", certificate];
}
