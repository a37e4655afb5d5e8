import {
  closeDescriptor,
  discardDescriptor,
  flushDescriptor,
  flushDevice,
  holdsZeroes,
  openExclusive,
  openHeld,
  openShared,
  readDescriptor,
  readDevice,
  scrambleDescriptor,
  zeroDescriptor,
} from "./block-io.ts";
import { lockPath, removeLock } from "./file-lock.ts";
import { bindMount, growExt4, mountFilesystem, syncFilesystem, unmountTarget } from "./mount-jobs.ts";
import { makePrivateDirectory } from "./private-directory.ts";
import { programEnd, startProgram } from "./program-jobs.ts";
import { sweepStateDirectory } from "./leftovers.ts";
import { filesystemUsage, makeDirectory, makeFile, pathStatus, removePath } from "./path-jobs.ts";

/** Everything that a worker thread can be asked to do: synchronous functions from plain data to plain data. */
export const jobs = {
  bindMount,
  closeDescriptor,
  discardDescriptor,
  filesystemUsage,
  flushDescriptor,
  flushDevice,
  growExt4,
  holdsZeroes,
  lockPath,
  makeDirectory,
  makeFile,
  makePrivateDirectory,
  mountFilesystem,
  openExclusive,
  openHeld,
  openShared,
  pathStatus,
  programEnd,
  readDescriptor,
  readDevice,
  removeLock,
  removePath,
  scrambleDescriptor,
  startProgram,
  sweepStateDirectory,
  syncFilesystem,
  unmountTarget,
  zeroDescriptor,
};

export type Jobs = typeof jobs;
