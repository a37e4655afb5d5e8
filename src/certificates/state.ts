import type { X509Certificate } from "node:crypto";
import { bundleText, type Pair, pairText, parseBundle, parsePair } from "./pair.ts";
import { broken, type SecretPlace } from "./secrets.ts";

/** The three Secrets, understood. Undefined stands for an empty one. */
export interface State {
  readonly authority: Authority | undefined;
  readonly controller: Leaf | undefined;
  readonly node: Leaf | undefined;
}

/** Who has a certificate of its own. */
export const roles = ["controller", "node"] as const;
export type Role = (typeof roles)[number];

/** Who signs, who will, and whose signatures still count. */
export interface Authority {
  readonly current: Pair;
  /** Since when it signs: what others signed is older. */
  readonly since: Date;
  /** The next one: trusted first, and signing when all have had the time to hear of it. */
  readonly next: NextAuthority | undefined;
  /** Earlier ones, whose keys are gone. */
  readonly previous: readonly X509Certificate[];
}

export interface NextAuthority {
  readonly pair: Pair;
  /** A time at which both bundles were seen to have it; undefined if that has not been seen. */
  readonly trustedSince: Date | undefined;
}

/** What one side of the mutual TLS has. */
export interface Leaf {
  readonly pair: Pair;
  /** Whom it trusts. */
  readonly bundle: readonly X509Certificate[];
}

type Data = Readonly<Record<string, string>>;

/** @throws SecretProblem if the texts make no sense */
export function parseAuthority(place: SecretPlace, data: Data): Authority | undefined {
  const current = parsePair(place, "tls.crt and tls.key", { certificate: data["tls.crt"], key: data["tls.key"] });
  if (current === undefined) {
    const others = Object.keys(data).filter((name) => data[name] !== "");
    if (others.length > 0) throw broken(place, `tls.crt and tls.key are empty, but ${others.join(", ")} not`);
    return undefined;
  }
  const next = parsePair(place, "next.crt and next.key", { certificate: data["next.crt"], key: data["next.key"] });
  for (const pair of [current, next]) {
    if (pair?.certificate.ca === false) throw broken(place, "a certificate is not that of an authority");
  }
  return {
    current,
    since: parseTime(place, "since", data) ?? current.certificate.validFromDate,
    next: next && { pair: next, trustedSince: parseTime(place, "next.trusted-since", data) },
    previous: parseBundle(place, "previous.crt", data["previous.crt"]),
  };
}

export function authorityData({ current, since, next, previous }: Authority): Data {
  const { certificate, key } = pairText(current);
  const nextText = next && pairText(next.pair);
  return {
    "tls.crt": certificate,
    "tls.key": key,
    since: since.toISOString(),
    ...(nextText && { "next.crt": nextText.certificate, "next.key": nextText.key }),
    ...(next?.trustedSince && { "next.trusted-since": next.trustedSince.toISOString() }),
    ...(previous.length > 0 && { "previous.crt": bundleText(previous) }),
  };
}

/** @throws SecretProblem if the texts make no sense */
export function parseLeaf(place: SecretPlace, data: Data): Leaf | undefined {
  const pair = parsePair(place, "tls.crt and tls.key", { certificate: data["tls.crt"], key: data["tls.key"] });
  return pair && { pair, bundle: parseBundle(place, "ca.crt", data["ca.crt"]) };
}

export function leafData({ pair, bundle }: Leaf): Data {
  const { certificate, key } = pairText(pair);
  return { "tls.crt": certificate, "tls.key": key, "ca.crt": bundleText(bundle) };
}

/** All that have to be trusted now. */
export function trustedBy({ current, next, previous }: Authority): readonly X509Certificate[] {
  return [current.certificate, ...(next ? [next.pair.certificate] : []), ...previous];
}

function parseTime(place: SecretPlace, entry: string, data: Data): Date | undefined {
  const text = data[entry];
  if (!text) return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw broken(place, `${entry} is not a time`);
  return time;
}
