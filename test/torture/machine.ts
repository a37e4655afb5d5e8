import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { Findings } from "./check.ts";
import type { Assignment, Message } from "./protocol.ts";
import type { Random } from "./random.ts";

const boot = path.resolve(import.meta.dirname, "../lab/boot");
const hangsAfterSeconds = 240;

/** What is switched on and off. */
export interface Machine {
  readonly directory: string;
  readonly disks: readonly string[];
  /** The program that runs in it. */
  readonly inLab: string;
}

/** How a machine's life between two power cuts went. */
export interface Life {
  readonly wasCut: boolean;
  /** Empty, too, when the power was cut before all was looked at. */
  readonly findings: Findings;
  /** What else went wrong. */
  readonly failures: readonly string[];
}

/** So many cuts come before the load: while the driver starts, carries on, and is looked at. */
const earlyCutShare = 0.15;
/** The others come after fewer actions of the load than this, */
const mostActions = 16;
/** and less than so long after one of them. */
const mostDelayMilliseconds = 600;

/**
 * Switches the machine on, and cuts its power at a random moment: the laboratory kills the whole process group of the
 * kernel. What the guest had handed to its disks stays, as these are files; all else is gone.
 */
export async function liveOnce(machine: Machine, assignment: Assignment, random: Random): Promise<Life> {
  const laboratory = switchOn(machine, assignment);
  const ended = new Promise<number | null>((resolve, reject) => {
    laboratory.once("error", reject);
    laboratory.once("close", resolve);
  });
  const complaints = text(laboratory.stderr);
  const cut = planCut(assignment, random);
  let wasCut = false;
  let findings: Findings = { lost: [], leaked: [], leftovers: [], unclean: [] };
  const failures: string[] = [];
  for await (const line of createInterface(laboratory.stdout)) {
    // written by in-lab.ts
    const message = JSON.parse(line) as Message;
    if (message.event === "checked") ({ findings } = message);
    if (message.event === "failed") failures.push(`${message.reason}\n${message.log}`);
    if (!cut(message)) continue;
    setTimeout(
      () => {
        wasCut = laboratory.kill("SIGTERM");
      },
      random.between(0, mostDelayMilliseconds),
    );
  }
  const status = await ended;
  if (status !== (wasCut ? cutStatus : 0)) failures.push(`the laboratory ended with ${status}: ${await complaints}`);
  return { wasCut, findings, failures };
}

function switchOn({ directory, disks, inLab }: Machine, assignment: Assignment) {
  const images = disks.flatMap((disk) => ["--image", disk]);
  const options = [...images, "--share", directory, "--timeout", String(hangsAfterSeconds), "--memory", "1G"];
  const program = [process.execPath, inLab, JSON.stringify(assignment)];
  return spawn(boot, [...options, "--", ...program], { stdio: ["ignore", "pipe", "pipe"] });
}

/** Tells, message by message, when the time for the cut begins: however slow the machine is, it gets to its work. */
function planCut({ isFirst, isLast }: Assignment, random: Random): (message: Message) => boolean {
  const isEarly = random.fraction() < earlyCutShare && !isFirst;
  const begin: Message["event"] = isEarly ? "starting" : "checked";
  let left = isEarly ? 0 : Math.floor(random.between(0, mostActions));
  let hasBegun = false;
  let isOver = isLast;
  return ({ event }) => {
    hasBegun ||= event === begin;
    if (!hasBegun || isOver) return false;
    if (event === "acknowledged") left -= 1;
    isOver = left <= 0;
    return isOver;
  };
}

/** Of test/lab/boot after SIGTERM. */
const cutStatus = 143;
