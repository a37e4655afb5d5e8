import { homedir } from "node:os";
import path from "node:path";

/** What is made once and kept between runs: programs, images, the nodes' Debian. */
export const cache = path.join(process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "lvm-local-csi");

/** Of the cluster that is up: its disks, keys, logs and its control socket. Its name is short, as a socket's must be. */
export const runDirectory = path.join(cache, "cluster");

export const logDirectory = path.join(runDirectory, "log");

/** Where the supervisor of the cluster listens. */
export const controlSocket = path.join(runDirectory, "control");

/** The process id, outside of it, of the process that holds the cluster's namespaces. */
export const holderFile = path.join(runDirectory, "holder");

export const adminConfiguration = path.join(runDirectory, "admin.conf");

/** Where the programs of this cluster lie; written when it starts, as they may be newer a minute later. */
export const programsLink = path.join(runDirectory, "programs");
