// The driver as it is, but for its port: it ends itself with SIGKILL at the step that a plan names (steps.ts).
//
//   FAULT_PLAN=FILE node test/faults/killed-driver.ts node FLAGS...
import { parseNodeConfig } from "../../src/config.ts";
import { createHost } from "../../src/host/create-host.ts";
import { runNode } from "../../src/node-role.ts";
import { packageVersion } from "../../src/package-files.ts";
import { hostWithSteps } from "./host-with-steps.ts";
import { Steps } from "./steps.ts";

const steps = new Steps(process.env["FAULT_PLAN"] ?? "");

await runNode(parseNodeConfig(process.argv.slice(3), process.env), packageVersion(), async (options) => {
  const { host, close } = await createHost(options);
  return { host: hostWithSteps(host, steps), close };
});
