// The driver, with a port that tells which programs it starts: programs.ts runs it.
//
//   BENCH_PROGRAMS names a file, to which each program that is started is added as a line.
import { appendFileSync } from "node:fs";
import { parseNodeConfig } from "../../src/config.ts";
import { createHost } from "../../src/host/create-host.ts";
import { runNode } from "../../src/node-role.ts";

const file = process.env["BENCH_PROGRAMS"] ?? "";

await runNode(parseNodeConfig(process.argv.slice(3), process.env), "counted", async (options) => {
  const opened = await createHost(options);
  const { host } = opened;
  const { programs, lvm } = host;
  return {
    ...opened,
    host: {
      ...host,
      programs: {
        run: (program, args, held) => {
          appendFileSync(file, `${program}\n`);
          return programs.run(program, args, held);
        },
      },
      lvm: {
        start: (configuration) => {
          appendFileSync(file, "lvm\n");
          return lvm.start(configuration);
        },
      },
    },
  };
});
