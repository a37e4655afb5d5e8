import type { status } from "@grpc/grpc-js";

/** What became of a call to a node. Only the first two are the node's own words. */
export type Outcome<Response> =
  | { readonly kind: "answered"; readonly response: Response }
  | Refused
  | Unsent
  /** The call was sent, or may have been, and nothing is known of what the node made of it. */
  | { readonly kind: "unanswered"; readonly code: status; readonly reason: string };

/** The node answered with an error. */
export interface Refused {
  readonly kind: "refused";
  readonly code: status;
  readonly details: string;
}

/** Surely nothing of the call reached the node: no address, no connection, or another node is there. */
export interface Unsent {
  readonly kind: "unsent";
  readonly reason: string;
  /** Somebody is there, or the fault is on this side (certificates): the node must not be taken for one that is away. */
  readonly saysNothing?: boolean;
  /** Nothing was heard in time: it is away, or it is there and stands still, with whatever it was told before. */
  readonly isSilent?: boolean;
}
