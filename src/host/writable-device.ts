import { SystemError } from "../errors.ts";
import type { BlockDevice, ByteRange, WritableDevice } from "./host.ts";
import type { RunJob } from "./worker-pool.ts";

const MAXIMUM_ZERO_BYTES = 256 * 1024 ** 2;
const MAXIMUM_SCRAMBLE_BYTES = 64 * 1024 ** 2;

/**
 * Wraps the descriptor of a device that a worker thread opened; descriptors belong to the whole process. The calls run
 * one after another, so that none is at work on a number that has been closed and given out again.
 */
export function createWritableDevice(runJob: RunJob, device: BlockDevice, fd: number): WritableDevice {
  const step = createSequence();
  const { number } = device;
  return {
    read: (ranges) => step.run(() => runJob("probe", number, "readDescriptor", { fd, ranges })),
    holdsZeroes: (ranges) => step.run(() => runJob("probe", number, "holdsZeroes", { fd, ranges })),
    zero: (range) => {
      const checked = checkRange(range, MAXIMUM_ZERO_BYTES);
      return step.run(() => runJob("data", number, "zeroDescriptor", { fd, range: checked }));
    },
    discard: (range) => {
      const checked = checkRange(range, MAXIMUM_ZERO_BYTES);
      return step.run(() => runJob("data", number, "discardDescriptor", { fd, range: checked }));
    },
    scramble: (range) => {
      const checked = checkRange(range, MAXIMUM_SCRAMBLE_BYTES);
      return step.run(() => runJob("data", number, "scrambleDescriptor", { fd, range: checked }));
    },
    flush: () => step.run(() => runJob("device", number, "flushDescriptor", { fd })),
    close: () => step.end(() => runJob("device", number, "closeDescriptor", { fd })),
  };
}

interface Sequence {
  run<Result>(call: () => Promise<Result>): Promise<Result>;
  /** Runs the last call; when there was one already, gives its result. */
  end(call: () => Promise<void>): Promise<void>;
}

function createSequence(): Sequence {
  let last: Promise<unknown> = Promise.resolve();
  let ended: Promise<void> | undefined;
  const append = <Result>(call: () => Promise<Result>): Promise<Result> => {
    const result = last.then(call, call);
    last = result;
    return result;
  };
  return {
    run: async (call) => {
      if (ended !== undefined) {
        throw new SystemError("EBADF", "the device has been closed");
      }
      return append(call);
    },
    end: (call) => (ended ??= append(call)),
  };
}

function checkRange(range: ByteRange, maximum: number): ByteRange {
  if (range.length > maximum) {
    throw new RangeError(`${range.length} bytes in one step; at most ${maximum}`);
  }
  return range;
}
