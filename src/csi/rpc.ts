import type { ServerUnaryCall, handleUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { VolumeError } from "../errors.ts";
import type { Log } from "../log.ts";
import { answerInTime } from "../volume/deadline.ts";
import { failureOf } from "./codes.ts";

/** What a handler knows of its call beside the request. */
export interface Call {
  /** When the caller gives up, in milliseconds since the epoch; undefined if it waits for ever. */
  readonly deadline: number | undefined;
  /** Aborts when the caller gives up before that. */
  readonly signal: AbortSignal;
  /** What the caller sent beside the message, by its key; undefined if it did not. */
  readonly header: (key: string) => string | undefined;
}

/** An RPC as a plain function. Whatever it throws becomes the answer's code and message. */
export type Handler<Request, Response> = (request: Request, call: Call) => Promise<Response> | Response;

/** The plain functions that serve a service whose generated handlers are `H`. */
export type Service<H> = {
  [
    Method in keyof H as string extends Method ? never : number extends Method ? never : Method
  ]?: H[Method] extends handleUnaryCall<infer Request, infer Response> ? Handler<Request, Response> : never;
};

/** Calls that callers make all the time; they are not worth a line each. */
const quiet = new Set([
  "Probe",
  "NodeGetCapabilities",
  "NodeGetVolumeStats",
  "GetCapacity",
  "ControllerGetCapabilities",
]);

/** An answer for a call whose disk does not answer is sent this long before the deadline, after all that wait longer. */
const answerAheadMs = 500;

/** Wraps a handler as grpc-js wants it: answers in time, tells failures, and logs each call once. */
export function unary<Request, Response>(
  name: string,
  handler: Handler<Request, Response>,
  log: Log,
): handleUnaryCall<Request, Response> {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    const started = performance.now();
    const deadline = deadlineOf(call);
    const finish = (error: unknown, response: Response | null): void => {
      const failure = error === undefined ? undefined : failureOf(error);
      logCall(log, { name, call, ms: Math.round(performance.now() - started), failure, error });
      if (failure === undefined) callback(null, response);
      else callback(failure);
    };
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort());
    const header = (key: string): string | undefined => call.metadata.get(key)[0]?.toString();
    const result = Promise.try(() => handler(call.request, { deadline, signal: abort.signal, header }));
    // It may fail after its caller has been answered.
    result.catch(() => undefined);
    answerInTime(result, { deadline, aheadMs: answerAheadMs, late }).then(
      (response) => finish(undefined, response),
      (error: unknown) => finish(error ?? new Error("unknown failure"), null),
    );
  };
}

function late(): VolumeError {
  return new VolumeError("deadlineExceeded", "no answer from disk, LVM or node in time; the call goes on");
}

function deadlineOf(call: { getDeadline(): Date | number }): number | undefined {
  const deadline = Number(call.getDeadline());
  return Number.isFinite(deadline) ? deadline : undefined;
}

interface CallEnd {
  readonly name: string;
  readonly call: ServerUnaryCall<unknown, unknown>;
  readonly ms: number;
  readonly failure: { readonly code: status; readonly details: string } | undefined;
  readonly error: unknown;
}

function logCall(log: Log, { name, call, ms, failure, error }: CallEnd): void {
  const fields = { rpc: name, ...subjectOf(call.request), ms };
  if (failure === undefined) {
    log[quiet.has(name) ? "debug" : "info"](fields, "done");
    return;
  }
  const code = status[failure.code];
  const stack =
    failure.code === status.INTERNAL && error instanceof Error ? { stack: error.stack?.slice(0, 4096) } : {};
  log[failure.code === status.INTERNAL ? "error" : "warn"](
    { ...fields, code, message: failure.details, ...stack },
    "failed",
  );
}

const loggedFields = new Set(["volumeId", "name", "stagingTargetPath", "targetPath", "volumePath"]);

/** The fields of a request that may be logged, by name: everything else, secrets above all, stays out. */
function subjectOf(request: unknown): object {
  if (typeof request !== "object" || request === null) return {};
  return Object.fromEntries(
    Object.entries(request).flatMap(([key, value]) =>
      loggedFields.has(key) && typeof value === "string" && value !== "" ? [[key, value.slice(0, 256)]] : [],
    ),
  );
}
