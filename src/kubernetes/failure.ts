import { ApiException } from "@kubernetes/client-node";
import { printable } from "../errors.ts";

/** What the API server answered instead of what was asked for, as far as it is understood. */
interface Refusal {
  /** The HTTP status. */
  readonly code: number;
  /** The API's own word for it, such as "NotFound" (Kubernetes API, Status). */
  readonly reason: string | undefined;
  readonly message: string | undefined;
  /** What it is about; undefined where something between here and the API server answered. */
  readonly kind: string | undefined;
  readonly name: string | undefined;
}

/** Undefined if the API server did not answer at all. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof ApiException)) return undefined;
  const status = objectOf(error.body);
  const details = objectOf(status["details"]);
  return {
    code: error.code,
    reason: textOf(status["reason"]),
    message: textOf(status["message"]),
    kind: textOf(details["kind"]),
    name: textOf(details["name"]),
  };
}

/** One line for the log. What was sent is never in it, nor what the API server says about its contents. */
export function describeFailure(error: unknown): string {
  const refusal = refusalOf(error);
  if (refusal === undefined) return describeError(error);
  // 422 Invalid may quote a value that was sent
  const message = refusal.code === 422 ? undefined : refusal.message;
  return printable(`HTTP ${refusal.code} ${refusal.reason ?? ""}: ${message ?? "no reason given"}`, 400);
}

/** Of fetch(), whose own message is "fetch failed", the cause counts. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error), 400);
  const { cause } = error;
  const hasMessage = typeof cause === "object" && cause !== null && "message" in cause;
  return printable(hasMessage ? `${error.message}: ${String(cause.message)}` : error.message, 400);
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  const parsed: unknown = typeof value === "string" ? parse(value) : value;
  return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
