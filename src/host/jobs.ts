import {
  closeDescriptor,
  discardDescriptor,
  flushDescriptor,
  flushDevice,
  openExclusive,
  openShared,
  readDescriptor,
  readDevice,
  scrambleDescriptor,
  zeroDescriptor,
} from "./block-io.ts";
import { bindMount, mountFilesystem, remountBind, syncFilesystem, unmountTarget } from "./mount-jobs.ts";
import { filesystemUsage, makeDirectory, makeFile, pathStatus, removePath } from "./path-jobs.ts";

/** Everything that a worker thread can be asked to do: synchronous functions from plain data to plain data. */
export const jobs = {
  bindMount,
  closeDescriptor,
  discardDescriptor,
  filesystemUsage,
  flushDescriptor,
  flushDevice,
  makeDirectory,
  makeFile,
  mountFilesystem,
  openExclusive,
  openShared,
  pathStatus,
  readDescriptor,
  readDevice,
  remountBind,
  removePath,
  scrambleDescriptor,
  syncFilesystem,
  unmountTarget,
  zeroDescriptor,
};

export type Jobs = typeof jobs;
