import { writeFile } from "node:fs/promises";
import { MiB, labDisks, shell } from "./bed.ts";

const sectors = (3000 * MiB) / 512;

/** A disk that can be made to hang. */
export interface SlowDisk {
  readonly path: string;
  /** How long every read and write takes, in milliseconds; 0 makes it a plain disk again. */
  readonly delay: (milliseconds: number) => Promise<void>;
}

/**
 * Makes a disk of the laboratory's disk of that number, from 0, which cannot zero by itself, as most cannot: the
 * laboratory's own takes a gigabyte in no time, and dm-delay does not pass that on. @returns its path
 */
export async function makeOrdinaryDisk(index: number): Promise<string> {
  const name = `bench${index}`;
  const disk = labDisks()[index] ?? "";
  const allSectors = (await shell("blockdev", "--getsz", disk)).trim();
  await dmsetup("create", name, await tableFile(`0 ${allSectors} delay ${disk} 0 0`));
  return `/dev/mapper/${name}`;
}

/** Makes one of a part of the laboratory's disk of that number, from 0. */
export async function makeSlowDisk(index: number): Promise<SlowDisk> {
  const name = `bench${index}`;
  const disk = labDisks()[index] ?? "";
  const plain = `0 ${sectors} linear ${disk} 0`;
  await dmsetup("create", name, await tableFile(plain));
  return {
    path: `/dev/mapper/${name}`,
    delay: async (milliseconds) => {
      const delayed = `0 ${sectors} delay ${disk} 0 ${milliseconds}`;
      await dmsetup("load", name, await tableFile(milliseconds === 0 ? plain : delayed));
      // what is on its way is waited for
      await dmsetup("resume", name);
    },
  };
}

/** dmsetup(8), which makes the nodes itself: the laboratory has no udev. */
async function dmsetup(...words: readonly string[]): Promise<void> {
  await shell("env", "DM_DISABLE_UDEV=1", "dmsetup", ...words);
}

async function tableFile(table: string): Promise<string> {
  const file = "/run/bench-table";
  await writeFile(file, `${table}\n`);
  return file;
}
