import { expect, test } from "@jest/globals";
import { failureOf, failureOfVolume, missesPhysicalVolume } from "./failure.ts";
import { type Verdict, readVerdict } from "./verdict.ts";

/** A report in the shape of LVM 2.03.16: error rows, then the shell's verdict. */
function reportOf(command: string, messages: readonly string[], code = "5"): unknown {
  const rows = messages.map((message) => row("error", ["vg", "vg0"], message, "0"));
  return { log: [...rows, row("status", ["cmd", command], code === "1" ? "success" : "failure", code)] };
}

function row(type: string, object: readonly [string, string], message: string, code: string): unknown {
  return {
    log_type: type,
    log_context: object[0] === "cmd" ? "shell" : "processing",
    log_object_type: object[0],
    log_object_name: object[1],
    log_message: message,
    log_ret_code: code,
  };
}

function verdictOf(report: unknown, command = "lvcreate"): Verdict {
  const verdict = readVerdict(report, command);
  if (verdict === undefined) throw new Error("no verdict");
  return verdict;
}

test.each([
  ["volumeGrown", ["New size (16 extents) matches existing size (16 extents)."]],
  ["volumeGrown", ["New size given (15 extents) not larger than existing size (16 extents)"]],
  ["volumeExists", ['Logical Volume "a" already exists in volume group "vg0"']],
  ["noSpace", ['Volume group "vg0" has insufficient free space (350 extents): 10000 required.']],
  ["noSpace", ["Insufficient free space: 10000 extents needed, but only 200 available"]],
  ["noSpace", ["Insufficient suitable allocatable extents for logical volume s: 6 more required"]],
  ["noSpace", ["Number of stripes (4) must not exceed number of physical volumes (3)"]],
  ["noSpace", ["No specified PVs have space available."]],
  ["volumeMissing", ['Failed to find logical volume "vg0/nope"']],
  ["volumeMissing", ["Logical volume nope not found in volume group vg0."]],
  ["volumeInUse", ["Logical volume vg0/s in use."]],
  ["volumeInUse", ["Logical volume vg0/s contains a filesystem in use."]],
  ["volumeInUse", ["device-mapper: remove ioctl on vg0-s (252:0) failed: Device or resource busy"]],
  ["groupMissing", ['Volume group "nogroup" not found', "Cannot process volume group nogroup"]],
  ["groupAmbiguous", ["Multiple VGs found with the same name: skipping dup"]],
  ["groupAmbiguous", ["Cannot update volume group dup with duplicate PV devices."]],
  ["physicalVolumeMissing", ["Cannot change VG vg0 while PVs are missing.", "Cannot process volume group vg0"]],
  ["physicalVolumeMissing", ["Refusing activation of partial LV vg0/s.  Use '--activationmode partial' to override."]],
  ["physicalVolumeMissing", ["Refusing refresh of partial LV vg0/s. Use '--activationmode partial' to override."]],
  ["physicalVolumeMissing", ['Physical Volume "/dev/nope" not found in Volume Group "vg0".']],
  ["metadataFull", ["VG vg0 51 metadata on /dev/sda (522000 bytes) exceeds maximum metadata size (521472 bytes)"]],
  ["locked", ["/run/lock/lvm/V_vg0: flock failed: Resource temporarily unavailable", "Can't get lock for vg0."]],
  ["refused", ["Something new."]],
  ["refused", []],
])("%s: %j", (kind, messages) => {
  const failure = failureOf("lvcreate", verdictOf(reportOf("lvcreate", messages)));
  expect(failure).toMatchObject({ name: "LvmError", kind });
  expect(failure.message).toContain(messages[0] ?? "no reason");
});

test("nobody is told the uuid of a physical volume", () => {
  const message = "Couldn't find device with uuid rsjcRD-oUCv-VxrW-D4vz-hKnS-lbPG-lrEPzr.";
  expect(failureOf("lvcreate", verdictOf(reportOf("lvcreate", [message]))).message).toBe(
    "lvcreate: Couldn't find device with uuid (uuid).",
  );
});

test("a verdict is the shell's own last word on the command", () => {
  expect(readVerdict(reportOf("lvcreate", [], "1"), "lvcreate")?.succeeded).toBe(true);
  expect(readVerdict(reportOf("lvcreate", []), "lvcreate")?.succeeded).toBe(false);
  expect(readVerdict(reportOf("lvremove", [], "1"), "lvcreate")).toBeUndefined();
  const processing = { log: [row("status", ["vg", "vg0"], "success", "1")] };
  for (const nothing of [undefined, null, 5, [], {}, { log: 5 }, { log: [] }, { log: [null] }, processing]) {
    expect(readVerdict(nothing, "lvcreate")).toBeUndefined();
  }
});

test("each volume of a command is told its own failure", () => {
  const verdict = verdictOf(
    {
      log: [
        row("status", ["lv", "b"], "success", "1"),
        row("error", ["lv", "c"], "Logical volume vg0/c in use.", "0"),
        row("status", ["lv", "c"], "failure", "5"),
        row("status", ["cmd", "lvremove"], "failure", "5"),
      ],
    },
    "lvremove",
  );
  expect(failureOfVolume("lvremove", verdict, "b")).toBeUndefined();
  expect(failureOfVolume("lvremove", verdict, "c")).toMatchObject({ kind: "volumeInUse" });
});

test("a missing physical volume shows in the warnings of a command that went through", () => {
  const warning = "WARNING: VG vg0 is missing PV rsjcRD-oUCv-VxrW-D4vz-hKnS-lbPG-lrEPzr (last written to /dev/sdd).";
  const report = {
    log: [row("warn", ["vg", "vg0"], warning, "0"), ...logOf(reportOf("lvchange", [], "1"))],
  };
  expect(missesPhysicalVolume(verdictOf(report, "lvchange"))).toBe(true);
  expect(missesPhysicalVolume(verdictOf(reportOf("lvchange", [], "1"), "lvchange"))).toBe(false);
});

function logOf(report: unknown): readonly unknown[] {
  return typeof report === "object" && report !== null && "log" in report && Array.isArray(report.log)
    ? report.log
    : [];
}
