// which the library wants to be there before it
// oxlint-disable-next-line import/no-unassigned-import
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { mkdtemp, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from "@peculiar/x509";
import { identities } from "../../src/identities.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

cryptoProvider.set(webcrypto);

/** Signs certificates of a test. */
export interface Authority {
  readonly certificate: X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** A certificate with its key, as PEM. */
export interface Leaf {
  readonly cert: string;
  readonly key: string;
}

export async function makeAuthority(name = "CN=test"): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name,
    keys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, 0, true)],
  });
  return { certificate, keys };
}

/**
 * @param usages of the extended key usage extension
 * @param notAfter when it expires; default: in a year
 */
export async function makeLeaf(
  authority: Authority,
  dnsName: string,
  usages: readonly ("clientAuth" | "serverAuth")[],
  notAfter?: Date,
): Promise<Leaf> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: webcrypto.getRandomValues(Buffer.alloc(8)).toString("hex"),
    ...(notAfter === undefined ? {} : { notBefore: new Date(notAfter.getTime() - 3_600_000), notAfter }),
    subject: "CN=leaf",
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new SubjectAlternativeNameExtension([{ type: "dns", value: dnsName }]),
      new ExtendedKeyUsageExtension(usages.map((usage) => ExtendedKeyUsage[usage])),
    ],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const lines = der.toString("base64").replaceAll(/.{1,64}/g, "$&\n");
  return { cert: certificate.toString("pem"), key: `-----BEGIN PRIVATE KEY-----\n${lines}-----END PRIVATE KEY-----\n` };
}

export function controllerLeaf(authority: Authority): Promise<Leaf> {
  return makeLeaf(authority, identities.controller, ["clientAuth"]);
}

export function nodeLeaf(authority: Authority): Promise<Leaf> {
  return makeLeaf(authority, identities.node, ["serverAuth"]);
}

/** A TLS directory as a Secret's volume looks. */
export async function tlsDirectory(leaf: Leaf, signer: Authority): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-tls."));
  await replaceFiles(directory, leaf, signer);
  return directory;
}

export async function replaceFiles(directory: string, { cert, key }: Leaf, signer: Authority): Promise<void> {
  const files = { "tls.crt": cert, "tls.key": key, "ca.crt": signer.certificate.toString("pem") };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(directory, `${name}.new`), text);
    await rename(path.join(directory, `${name}.new`), path.join(directory, name));
  }
}
