import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { broken, type SecretPlace } from "./secrets.ts";

/** A certificate and its private key. */
export interface Pair {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

/** Both as a Secret keeps them. */
export interface PairText {
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

/**
 * Undefined if both texts are empty.
 * @param entries the names of the two in the Secret, for the message
 * @throws SecretProblem if they are not a certificate and its key, a P-256 one
 */
export function parsePair(place: SecretPlace, entries: string, text: PairText): Pair | undefined {
  if (!text.certificate && !text.key) return undefined;
  if (!text.certificate || !text.key) throw broken(place, `of ${entries} one is empty`);
  const pair = {
    certificate: orBroken(place, `${entries}: the certificate cannot be read`, () =>
      parseCertificate(text.certificate ?? ""),
    ),
    key: orBroken(place, `${entries}: the key cannot be read`, () => createPrivateKey(text.key ?? "")),
  };
  if (!pair.certificate.checkPrivateKey(pair.key)) throw broken(place, `${entries}: the key is another certificate's`);
  if (pair.key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw broken(place, `${entries}: the key is not an ECDSA key of the curve P-256`);
  }
  return pair;
}

const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Certificates one after another, as in ca.crt.
 * @throws SecretProblem if there is anything else in the text
 */
export function parseBundle(place: SecretPlace, entry: string, text: string | undefined): readonly X509Certificate[] {
  if (!text) return [];
  if (text.replaceAll(pem, "").trim() !== "") throw broken(place, `${entry} does not consist of certificates`);
  const blocks = text.match(pem) ?? [];
  return blocks.map((block) =>
    orBroken(place, `${entry}: a certificate cannot be read`, () => parseCertificate(block)),
  );
}

export function pairText({ certificate, key }: Pair): { certificate: string; key: string } {
  return { certificate: certificate.toString(), key: key.export({ type: "pkcs8", format: "pem" }) };
}

export function bundleText(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join("");
}

/** Whether an authority signed a certificate. Times are not looked at. */
export function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

export function isSame(one: X509Certificate, other: X509Certificate): boolean {
  return one.fingerprint256 === other.fingerprint256;
}

function parseCertificate(text: string): X509Certificate {
  return new X509Certificate(text);
}

/** What OpenSSL says of a text that it cannot read is no help, and might quote it. */
function orBroken<T>(place: SecretPlace, problem: string, read: () => T): T {
  try {
    return read();
  } catch {
    throw broken(place, problem);
  }
}
