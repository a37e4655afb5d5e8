import { Metadata, type ServerInterceptor, ServerInterceptingCall, status } from "@grpc/grpc-js";
import { quote } from "../errors.ts";
import { headers } from "./names.ts";

/**
 * Lets only calls through that are meant for this node, before their message is read, and puts its name into every
 * answer. A pod's address goes to another node's pod soon after it is gone.
 */
export function nodeCheck(topologyValue: string): ServerInterceptor {
  return (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            const meant = String(metadata.get(headers.node)[0] ?? "");
            if (meant === topologyValue) proceed(metadata);
            else call.sendStatus({ ...refusal(meant, topologyValue), metadata: signed(topologyValue) });
          },
        }),
      sendStatus: (answer, next) => next({ ...answer, metadata: signed(topologyValue, answer.metadata ?? undefined) }),
    });
}

function refusal(meant: string, topologyValue: string) {
  return { code: status.FAILED_PRECONDITION, details: `meant for node ${quote(meant)}; this is ${topologyValue}` };
}

function signed(topologyValue: string, metadata = new Metadata()): Metadata {
  metadata.set(headers.node, topologyValue);
  return metadata;
}
