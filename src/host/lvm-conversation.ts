import type { Readable, Writable } from "node:stream";
import { SystemError } from "../errors.ts";
import { JsonFrames } from "./json-frames.ts";

/** Commands go out one line each; for each one JSON object comes back. */
export interface LvmConversation {
  /**
   * @throws SystemError EPIPE when no answer can come any more; EPROTO when what came is not JSON; EBUSY while another
   * command is at work; EINVAL when the line is more than one.
   */
  execute(line: string): Promise<unknown>;
  /** Says that no more commands come; the one at work is still answered. */
  end(): void;
}

/** `explain` gives the words of an EPIPE: why the other side has gone, as far as that is known. */
export function createLvmConversation(commands: Writable, reports: Readable, explain: () => string): LvmConversation {
  const frames = new JsonFrames();
  let pending: PromiseWithResolvers<unknown> | undefined;
  let over = false;
  const finish = (settle: (command: PromiseWithResolvers<unknown>) => void): void => {
    const command = pending;
    pending = undefined;
    if (command !== undefined) {
      settle(command);
    }
  };
  const leave = (): void => {
    over = true;
    finish((command) => command.reject(new SystemError("EPIPE", explain())));
  };
  reports.setEncoding("utf8");
  // At the end of its input lvm reports once more, to nobody: a report without a command is dropped.
  reports.on("data", (piece: string) => {
    for (const frame of frames.push(piece)) {
      finish((command) => settleCommand(command, frame));
    }
  });
  reports.on("close", leave);
  // The end of the process shows as the end of its reports; that it can take no commands follows from that.
  reports.on("error", () => {});
  commands.on("error", () => {});
  return {
    execute: async (line) => {
      checkLine(line);
      if (pending !== undefined) {
        throw new SystemError("EBUSY", "lvm is at work on another command");
      }
      if (over || !commands.writable) {
        throw new SystemError("EPIPE", explain());
      }
      pending = Promise.withResolvers<unknown>();
      commands.write(`${line}\n`);
      return pending.promise;
    },
    end: () => {
      commands.end();
    },
  };
}

function checkLine(line: string): void {
  if (/[\n\r\0]/.test(line)) {
    throw new SystemError("EINVAL", "a command for lvm must be one line");
  }
}

function settleCommand(command: PromiseWithResolvers<unknown>, frame: string): void {
  try {
    command.resolve(JSON.parse(frame));
  } catch (error) {
    command.reject(
      new SystemError("EPROTO", `lvm reported what is not JSON: ${frame.slice(0, 200)}`, { cause: error }),
    );
  }
}
