import { Metadata, type ServerInterceptor, ServerInterceptingCall, status } from "@grpc/grpc-js";
import { quote } from "../errors.ts";
import { headers } from "./names.ts";

/**
 * Lets only calls through that are meant for this node and come over their controller's newest connection, before
 * their message is read, and puts the node's name into every answer. A pod's address goes to another node's pod soon
 * after it is gone; and what was sent over a connection that broke can still arrive minutes later, when the caller has
 * long acted on something else (tcp(7), tcp_orphan_retries).
 */
export function nodeCheck(topologyValue: string): ServerInterceptor {
  const newest = new NewestLinks();
  return (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            const reason = refusal(metadata, topologyValue, newest);
            if (reason === undefined) proceed(metadata);
            else call.sendStatus(refused(topologyValue, reason));
          },
        }),
      sendStatus: (answer, next) => next({ ...answer, metadata: signed(topologyValue, answer.metadata ?? undefined) }),
    });
}

function refusal(metadata: Metadata, topologyValue: string, newest: NewestLinks): string | undefined {
  const meant = textOf(metadata, headers.node);
  if (meant !== topologyValue) return `meant for node ${quote(meant)}; this is ${topologyValue}`;
  return newest.admits(textOf(metadata, headers.link)) ? undefined : "came late, over a connection that was given up";
}

function refused(topologyValue: string, details: string) {
  const metadata = signed(topologyValue);
  metadata.set(headers.refused, "true");
  return { code: status.FAILED_PRECONDITION, details, metadata };
}

function signed(topologyValue: string, metadata = new Metadata()): Metadata {
  metadata.set(headers.node, topologyValue);
  return metadata;
}

function textOf(metadata: Metadata, key: string): string {
  return String(metadata.get(key)[0] ?? "");
}

/** Runs of controllers that are remembered; there are two at most in a cluster at a time. */
const mostRuns = 16;

/** The number of the newest connection of each run of a controller. */
class NewestLinks {
  readonly #newest = new Map<string, number>();

  /** @param link "RUN NUMBER" */
  admits(link: string): boolean {
    const [run = "", digits = ""] = link.split(" ");
    const number = Number(digits);
    const newest = this.#newest.get(run) ?? 0;
    if (number < newest) return false;
    // moves to the end: what gives way is the run that has not been heard of for longest
    this.#newest.delete(run);
    this.#newest.set(run, number);
    const [oldest] = this.#newest.keys();
    if (this.#newest.size > mostRuns && oldest !== undefined) this.#newest.delete(oldest);
    return true;
  }
}
