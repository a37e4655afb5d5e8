import { pino } from "pino";
import type { LogLevel } from "./flags.ts";

/** What the driver logs with: one JSON object a line on standard output. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Makes the process's log. Requests are never logged whole: fields are chosen one by one, so no secret gets in. */
export function createLog(level: LogLevel): Log {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
}
