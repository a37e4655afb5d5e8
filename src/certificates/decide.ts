import type { X509Certificate } from "node:crypto";
import { isSame, isSignedBy } from "./pair.ts";
import { schedule } from "./schedule.ts";
import { type Authority, type Leaf, type NextAuthority, type Role, roles, type State, trustedBy } from "./state.ts";

/** The next thing to write, always to one Secret; or until when there is nothing to write. */
export type Step =
  /** There is none: make one, which signs at once. */
  | { readonly kind: "makeAuthority" }
  /** Give a role a new certificate, and the bundle that is due. */
  | { readonly kind: "issue"; readonly role: Role; readonly authority: Authority; readonly why: string }
  /** Give a role the bundle that is due. */
  | { readonly kind: "trust"; readonly role: Role; readonly authority: Authority; readonly leaf: Leaf }
  /** Make the authority that will sign after this one. */
  | { readonly kind: "makeNext"; readonly authority: Authority }
  /** Both bundles have the next authority now: the waiting begins. */
  | { readonly kind: "noteTrusted"; readonly authority: Authority }
  /** A bundle has lost the next authority: the waiting will begin anew. */
  | { readonly kind: "forgetTrust"; readonly authority: Authority }
  /** From now on the next authority signs. */
  | { readonly kind: "promote"; readonly authority: Authority }
  /** Nothing that earlier authorities signed is valid any more. */
  | { readonly kind: "dropPrevious"; readonly authority: Authority }
  | { readonly kind: "wait"; readonly until: Date };

/** Names of authorities that the driver made begin so. */
export const authorityName = "lvm.local.csi CA";

/**
 * What to do next. It is decided from the Secrets alone, so it does not matter who carries it out, how often that one
 * is restarted, and whether there are two: each step is one conditional write, after which all is decided anew.
 *
 * Controller and nodes read their Secrets at different times. So nothing is signed by an authority before both bundles
 * have had it for `trustWaitMs`, and an authority leaves them only when nothing that it signed is valid.
 */
export function decide(state: State, now: Date): Step {
  const { authority } = state;
  if (authority === undefined) return { kind: "makeAuthority" };
  const { next } = authority;
  if (next?.trustedSince && !roles.every((role) => hasNext(state[role], next))) {
    return { kind: "forgetTrust", authority };
  }
  return decideLeaves(state, authority, now) ?? decideAuthority(authority, now) ?? wait(state, authority, now);
}

/** Whether a certificate was made by somebody else, who may make it again: they are left alone. */
export function isForeign({ pair: { certificate } }: Leaf, authority: Authority | undefined): boolean {
  const isKnown = authority !== undefined && isSignedByKnown(certificate, authority);
  return !isKnown && !certificate.issuer.startsWith(`CN=${authorityName}`);
}

function decideLeaves(state: State, authority: Authority, now: Date): Step | undefined {
  for (const role of roles) {
    const leaf = state[role];
    const why = whyIssue(leaf, authority, now);
    if (why !== undefined) return { kind: "issue", role, authority, why };
    if (leaf !== undefined && !isSameBundle(leaf.bundle, trustedBy(authority))) {
      return { kind: "trust", role, authority, leaf };
    }
  }
  return undefined;
}

function whyIssue(leaf: Leaf | undefined, authority: Authority, now: Date): string | undefined {
  const end = authority.current.certificate.validToDate.getTime();
  if (end - now.getTime() < schedule.shortestLifeMs) return undefined;
  if (leaf === undefined) return "there is none";
  const { certificate } = leaf.pair;
  if (!isSignedByKnown(certificate, authority)) return "no authority of now has signed it";
  return renewal(certificate) <= now.getTime() ? "it is due" : undefined;
}

function decideAuthority(authority: Authority, now: Date): Step | undefined {
  const { next, previous, current } = authority;
  if (next === undefined) {
    if (renewal(current.certificate) <= now.getTime()) return { kind: "makeNext", authority };
  } else {
    if (next.trustedSince === undefined) return { kind: "noteTrusted", authority };
    if (promotion(next.trustedSince) <= now.getTime()) return { kind: "promote", authority };
  }
  return previous.length > 0 && farewell(authority) <= now.getTime() ? { kind: "dropPrevious", authority } : undefined;
}

function wait(state: State, authority: Authority, now: Date): Step {
  const times = [
    ...roles.flatMap((role) => (state[role] ? [renewal(state[role].pair.certificate)] : [])),
    authority.next?.trustedSince ? promotion(authority.next.trustedSince) : renewal(authority.current.certificate),
    ...(authority.previous.length > 0 ? [farewell(authority)] : []),
  ];
  // what is overdue cannot be done now, or it would have been the step
  return { kind: "wait", until: new Date(Math.min(...times.filter((time) => time > now.getTime()))) };
}

/** An empty Secret will get the bundle that is due. */
function hasNext(leaf: Leaf | undefined, { pair }: NextAuthority): boolean {
  return leaf === undefined || leaf.bundle.some((one) => isSame(one, pair.certificate));
}

function isSignedByKnown(certificate: X509Certificate, authority: Authority): boolean {
  return [authority.current.certificate, ...authority.previous].some((signer) => isSignedBy(certificate, signer));
}

function isSameBundle(one: readonly X509Certificate[], other: readonly X509Certificate[]): boolean {
  return one.length === other.length && other.every((certificate) => one.some((held) => isSame(held, certificate)));
}

function renewal({ validFromDate: from, validToDate: to }: X509Certificate): number {
  return from.getTime() + (to.getTime() - from.getTime()) * schedule.renewedAfter;
}

function promotion(trustedSince: Date): number {
  return trustedSince.getTime() + schedule.trustWaitMs;
}

function farewell({ since }: Authority): number {
  return since.getTime() + schedule.leafLifeMs + schedule.farewellMs;
}
