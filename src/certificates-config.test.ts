import { expect, test } from "@jest/globals";
import { parseCertificatesConfig } from "./certificates-config.ts";

test("the namespace is all that is needed", () => {
  expect(parseCertificatesConfig([], { POD_NAMESPACE: "storage" })).toEqual({
    namespace: "storage",
    caSecret: "lvm-local-csi-ca",
    controllerSecret: "lvm-local-csi-controller",
    nodeSecret: "lvm-local-csi-node",
    logLevel: "info",
  });
});

test.each([
  [["--namespace=-"], "--namespace"],
  [["--ca-secret=UPPER"], "--ca-secret"],
  [["--node-secret=lvm-local-csi-ca"], "not all different"],
  [["--colour=red"], "--colour: unknown flag"],
])("%j is refused", (args, problem) => {
  expect(() => parseCertificatesConfig(["--namespace=storage", ...args], {})).toThrow(problem);
});
