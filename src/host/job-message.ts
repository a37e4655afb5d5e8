import { SystemError } from "../errors.ts";
import type { AddressRange } from "./program-mappings.ts";

/** What is sent to a worker thread. */
export interface JobRequest {
  readonly name: string;
  readonly input: unknown;
  /** What `releaseProgramPages` is told when the job is done and its answer sent, if it is time for that. */
  readonly releasePagesOf?: readonly AddressRange[] | undefined;
}

/** What a worker thread sends back. */
export type JobAnswer = { readonly value: unknown } | { readonly error: JobError };

/** An error's class does not survive the way between threads, so what makes it up is sent. */
export interface JobError {
  readonly code: string | undefined;
  readonly message: string;
}

export function describeError(error: unknown): JobError {
  if (!(error instanceof Error)) {
    return { code: undefined, message: String(error) };
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return { code, message: error.message };
}

/** A SystemError when the kernel refused something; a plain Error for a mistake of the driver's own. */
export function restoreError({ code, message }: JobError): Error {
  // Codes of Node's own errors, such as "ERR_INVALID_ARG_TYPE", are not errno names.
  return code !== undefined && /^E[A-Z0-9]+$/.test(code) ? new SystemError(code, message) : new Error(message);
}
