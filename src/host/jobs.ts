import {
  closeDescriptor,
  discardDescriptor,
  flushDescriptor,
  flushDevice,
  openExclusive,
  openHeld,
  openShared,
  readDescriptor,
  readDevice,
  scrambleDescriptor,
  zeroDescriptor,
} from "./block-io.ts";
import { lockPath, removeLock } from "./file-lock.ts";
import { bindMount, mountFilesystem, remountBind, syncFilesystem, unmountTarget } from "./mount-jobs.ts";
import { makePrivateDirectory, sweepStateDirectory } from "./private-directory.ts";
import { filesystemUsage, makeDirectory, makeFile, pathStatus, removePath } from "./path-jobs.ts";

/** Everything that a worker thread can be asked to do: synchronous functions from plain data to plain data. */
export const jobs = {
  bindMount,
  closeDescriptor,
  discardDescriptor,
  filesystemUsage,
  flushDescriptor,
  flushDevice,
  lockPath,
  makeDirectory,
  makeFile,
  makePrivateDirectory,
  mountFilesystem,
  openExclusive,
  openHeld,
  openShared,
  pathStatus,
  readDescriptor,
  readDevice,
  remountBind,
  removeLock,
  removePath,
  scrambleDescriptor,
  sweepStateDirectory,
  syncFilesystem,
  unmountTarget,
  zeroDescriptor,
};

export type Jobs = typeof jobs;
