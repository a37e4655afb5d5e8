import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { kubectlCommand } from "./inside.ts";
import { mountPath } from "./manifests.ts";
import type { Scene } from "./scene.ts";
import { until } from "./until.ts";

const directory = `${mountPath}/mariadb`;
/** A writer of that pod ends when there is such a file. */
const enough = "/tmp/enough";
const client = "mariadb --socket=/tmp/socket --batch --skip-column-names";

/** By default InnoDB reserves more addresses than a node's kernel has. */
const small = "--innodb-buffer-pool-size=64M --innodb-buffer-pool-size-max=64M --innodb-log-file-size=16M";

/** What a pod runs: MariaDB with its data on the claim, made at the first start. */
export const databaseCommand = [
  "sh",
  "-c",
  `set -e
if ! test -d ${directory}; then
  rm -rf ${directory}.new
  mariadb-install-db --user=root --datadir=${directory}.new --auth-root-authentication-method=normal ${small}
  sync
  mv ${directory}.new ${directory}
fi
exec mariadbd --user=root --datadir=${directory} --socket=/tmp/socket --skip-networking ${small}`,
];

/** Waits until the database answers, and has the table that rows are written to. */
export async function openDatabase(scene: Scene, pod: string): Promise<void> {
  await until("the database answers", () => query(scene, pod, "select 1"), 300_000);
  await query(scene, pod, "create table if not exists test.ledger (id int primary key)");
}

export function query(scene: Scene, pod: string, statement: string): Promise<string> {
  return scene.exec(pod, "sh", "-c", `${client} --execute="${statement}"`);
}

/** Writes one row after the other until that fails, or it is told to end. */
export interface Writer {
  /** Resolves when the row of this number has been committed. */
  committed(row: number): Promise<void>;
  /** The number of the last row that has been committed so far. */
  last(): number;
  end(): Promise<void>;
  /** Hears of no more rows: what it writes to may be gone without a word. */
  abandon(): void;
  /** The number of the last row that had been committed when it failed or ended. */
  readonly ended: Promise<number>;
}

/** @param first - number of the first row */
export async function startWriting(scene: Scene, pod: string, first: number): Promise<Writer> {
  const insert = `${client} --execute="insert into test.ledger values ($i)"`;
  const loop = `rm -f ${enough}; i=${first}; while ! test -e ${enough} && ${insert}; do echo $i; i=$((i + 1)); done`;
  const [program, ...args] = await kubectlCommand([...scene.selection, "exec", pod, "--", "sh", "-c", loop]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  let last = first - 1;
  const ended = new Promise<number>((resolve) => {
    child.once("close", () => resolve(last));
  });
  createInterface(child.stdout).on("line", (line) => {
    last = Number(line);
  });
  return {
    ended,
    last: () => last,
    abandon: () => void child.kill(),
    end: async () => {
      await scene.exec(pod, "touch", enough);
      await ended;
    },
    committed: (row) =>
      until(`row ${row} is committed`, async () => {
        if (last < row) throw new Error(`${last} is`);
      }),
  };
}
