// what @peculiar/x509 is built on looks for its effect
// oxlint-disable-next-line import/no-unassigned-import
import "reflect-metadata";
import { createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { identities } from "../identities.ts";
import { authorityName } from "./decide.ts";
import type { Pair } from "./pair.ts";
import { schedule } from "./schedule.ts";
import type { Role } from "./state.ts";

/** What each side's certificate may be used for: RFC 5280, 4.2.1.12. */
const usages = {
  controller: ExtendedKeyUsage.clientAuth,
  node: ExtendedKeyUsage.serverAuth,
} as const satisfies Record<Role, string>;

const curve = { name: "ECDSA", namedCurve: "P-256" };
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };

/** Makes an authority, which signs itself and nothing but certificates of controller and nodes. */
export async function makeAuthority(now: Date): Promise<Pair> {
  const key = newKey();
  const publicKey = createPublicKey(key).toCryptoKey(curve, true, ["verify"]);
  const serialNumber = newSerial();
  // a name of its own: two authorities of one name would be tried in turn
  const name = `CN=${authorityName} ${serialNumber.slice(0, 8)}`;
  const certificate = await X509CertificateGenerator.create({
    ...{ serialNumber, subject: name, issuer: name, signingAlgorithm, publicKey },
    notBefore: new Date(now.getTime() - schedule.backdatedMs),
    notAfter: new Date(now.getTime() + schedule.authorityLifeMs),
    signingKey: key.toCryptoKey(curve, false, ["sign"]),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { certificate: new X509Certificate(Buffer.from(certificate.rawData)), key };
}

/** Makes the certificate of one side. It ends when its authority does, or sooner. */
export async function makeLeaf(role: Role, authority: Pair, now: Date): Promise<Pair> {
  const key = newKey();
  const publicKey = createPublicKey(key).toCryptoKey(curve, true, ["verify"]);
  const authorityKey = authority.certificate.publicKey.toCryptoKey(curve, true, ["verify"]);
  const name = identities[role];
  const end = Math.min(now.getTime() + schedule.leafLifeMs, authority.certificate.validToDate.getTime());
  const certificate = await X509CertificateGenerator.create({
    ...{ serialNumber: newSerial(), subject: `CN=${name}`, signingAlgorithm, publicKey },
    issuer: authority.certificate.subject,
    notBefore: new Date(now.getTime() - schedule.backdatedMs),
    notAfter: new Date(end),
    signingKey: authority.key.toCryptoKey(curve, false, ["sign"]),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usages[role]], true),
      new SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(authorityKey),
    ],
  });
  return { certificate: new X509Certificate(Buffer.from(certificate.rawData)), key };
}

function newKey(): Pair["key"] {
  return generateKeyPairSync("ec", { namedCurve: curve.namedCurve }).privateKey;
}

/** 16 random bytes, positive and without a leading zero byte: RFC 5280, 4.1.2.2. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
