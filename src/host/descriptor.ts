import { closeSync, fstatSync, readFileSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { SystemError } from "../errors.ts";

/** An open file descriptor, closed at the end of the block that declares it with `using`. */
export class Descriptor implements Disposable {
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }

  /** Stands for what is open here in calls that take a path: no name is looked up again (proc_pid_fd(5)). */
  get path(): string {
    return `/proc/self/fd/${this.number}`;
  }

  status(): BigIntStats {
    return fstatSync(this.number, { bigint: true });
  }

  /** The id that /proc/self/mountinfo gives the mount in which this lies (proc_pid_fdinfo(5)). */
  mountId(): number {
    const match = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${this.number}`, "latin1"));
    if (match === null) {
      throw new SystemError("EOPNOTSUPP", "the kernel does not say in which mount a descriptor lies");
    }
    return Number(match[1]);
  }

  [Symbol.dispose](): void {
    closeSync(this.number);
  }
}
