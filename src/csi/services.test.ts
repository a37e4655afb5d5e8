import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "@jest/globals";
import { loadSync } from "@grpc/proto-loader";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { contractFile, registrationFile } from "../package-files.ts";
import { loadRegistration, loadServices } from "./services.ts";

const services = { ...loadServices(), Registration: loadRegistration() };
const names = ["Identity", "Controller", "Node", "Registration"] as const;

/** The same, as grpc-js's own loader makes it of the contracts' text. */
const loaded = loadSync(
  [contractFile, registrationFile].map((file) => file.replace(/json$/, "proto")),
  { longs: String, enums: String, defaults: true, oneofs: true },
);

test("the JSON of the contracts is what proto/generate.ts makes of their text", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "contract-"));
  execFileSync(process.execPath, ["proto/generate.ts", directory], { env: {} });
  const differing = [contractFile, registrationFile].filter(
    (file) => readFileSync(file, "utf8") !== readFileSync(path.join(directory, path.basename(file)), "utf8"),
  );
  rmSync(directory, { recursive: true });
  expect(differing).toEqual([]);
});

test.each(names)("%s has the RPCs of the contract, whose empty messages read the same", (name) => {
  const theirs = contractOf(name);
  expect(Object.keys(services[name])).toEqual(Object.keys(theirs));
  for (const [rpc, method] of Object.entries(services[name])) {
    const nothing = Buffer.alloc(0);
    const { path: itsPath, requestStream, responseStream } = theirs[rpc] ?? {};
    expect(method).toMatchObject({ path: itsPath, requestStream, responseStream });
    expect(method.requestDeserialize(nothing)).toEqual(theirs[rpc]?.requestDeserialize(nothing));
    expect(method.responseDeserialize(nothing)).toEqual(theirs[rpc]?.responseDeserialize(nothing));
  }
});

const capacityRange = { requiredBytes: "9223372036854775807", limitBytes: "-9223372036854775808" };
const accessMode = { mode: "SINGLE_NODE_MULTI_WRITER" };
const topology = { segments: { "topology.lvm.local.csi/node": "n1", other: "ä" } };

test.each([
  [
    "CreateVolume",
    {
      name: "pvc-1",
      capacityRange,
      volumeCapabilities: [
        { block: {}, accessMode },
        { mount: { fsType: "xfs", mountFlags: ["ro", ""] }, accessMode },
      ],
      parameters: { volumeGroup: "vg", __proto: "x" },
      secrets: { key: "value" },
      accessibilityRequirements: { requisite: [topology], preferred: [topology, {}] },
    },
  ],
  ["ControllerExpandVolume", { volumeId: "a", capacityRange, volumeCapability: { mount: {}, accessMode } }],
  ["ListVolumes", { maxEntries: -1, startingToken: "1" }],
  ["ValidateVolumeCapabilities", { volumeId: "a", volumeContext: { a: "b" }, volumeCapabilities: [{}] }],
])("%s is written and read the same as by grpc-js's own loader", (rpc, request) => {
  const [ours, theirs] = [services.Controller[rpc], contractOf("Controller")[rpc]];
  const bytes = theirs?.requestSerialize(request);
  expect(ours?.requestSerialize(request)).toEqual(bytes);
  expect(ours?.requestDeserialize(bytes ?? Buffer.alloc(0))).toEqual(
    theirs?.requestDeserialize(bytes ?? Buffer.alloc(0)),
  );
});

test("64-bit numbers keep all their digits", () => {
  const expand = services.Controller["ControllerExpandVolume"];
  expect(expand?.requestDeserialize(expand.requestSerialize({ capacityRange }))).toMatchObject({ capacityRange });
});

test.each([["text"], [Buffer.from([0x0a, 0xff])], [Buffer.from([0xff])]])("bytes that are no message: %j", (bytes) => {
  const method = services.Controller["CreateVolume"];
  expect(() => method?.requestDeserialize(Buffer.from(bytes))).toThrow(/index out of range|wire type/);
});

function contractOf(name: keyof typeof services): ServiceDefinition {
  const definition = loaded[`csi.v1.${name}`] ?? loaded[`pluginregistration.${name}`];
  if (definition === undefined || "format" in definition) throw new Error(`no contract has a service ${name}`);
  return definition;
}
