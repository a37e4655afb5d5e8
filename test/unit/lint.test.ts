import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";

const checkout = path.resolve(import.meta.dirname, "../..");
let copy = "";
let reported: ReadonlyMap<string, readonly string[]>;

/** A file that breaks a rule, and the rule. */
interface Planted {
  readonly file: string;
  readonly text: string;
  readonly rule: string;
}

const bannedImports = [
  ["src/csi/a.ts", "../lvm/x.ts"],
  ["src/csi/b.ts", "../filesystem/x.ts"],
  ["src/csi/c.ts", "../host/x.ts"],
  ["src/csi/d.ts", "../main.ts"],
  ["src/csi/e.ts", "koffi"],
  ["src/csi/deeper/f.ts", "../../lvm/x.ts"],
  ["src/remote/a.ts", "../csi/x.ts"],
  ["src/remote/b.ts", "../volume/x.ts"],
  ["src/remote/c.ts", "../host/x.ts"],
  ["src/remote/d.ts", "../kubernetes/x.ts"],
  ["src/remote/e.ts", "@kubernetes/client-node"],
  ["src/volume/a.ts", "../csi/x.ts"],
  ["src/volume/d.ts", "../remote/x.ts"],
  ["src/volume/b.ts", "@grpc/grpc-js"],
  ["src/volume/c.ts", "../csi/generated/x.ts"],
  ["src/lvm/a.ts", "../filesystem/x.ts"],
  ["src/lvm/b.ts", "../volume/x.ts"],
  ["src/lvm/c.ts", "../csi/x.ts"],
  ["src/lvm/d.ts", "execa"],
  ["src/filesystem/a.ts", "../lvm/x.ts"],
  ["src/filesystem/b.ts", "../volume/x.ts"],
  ["src/filesystem/c.ts", "../csi/x.ts"],
  ["src/filesystem/d.ts", "koffi"],
  ["src/host/a.ts", "../lvm/x.ts"],
  ["src/host/b.ts", "../filesystem/x.ts"],
  ["src/host/c.ts", "../volume/x.ts"],
  ["src/host/d.ts", "../csi/x.ts"],
  ["src/host/e.ts", "pino"],
  ["src/host/f.ts", "@grpc/proto-loader"],
  ["src/host/g.ts", "../kubernetes/x.ts"],
  ["src/csi/g.ts", "../certificates/x.ts"],
  ["src/volume/d.ts", "@kubernetes/client-node"],
  ["src/kubernetes/a.ts", "../csi/x.ts"],
  ["src/kubernetes/b.ts", "../certificates/x.ts"],
  ["src/kubernetes/c.ts", "@peculiar/x509"],
  ["src/certificates/a.ts", "../kubernetes/x.ts"],
  ["src/certificates/b.ts", "@kubernetes/client-node"],
  ["src/csi/h.ts", "../certificates-role.ts"],
  ["src/lonely.ts", "@kubernetes/client-node"],
  ["src/monitor/a.ts", "../csi/x.ts"],
  ["src/monitor/b.ts", "../host/x.ts"],
  ["src/monitor/c.ts", "@grpc/grpc-js"],
  ["src/csi/g.ts", "../monitor/x.ts"],
  ["src/csi/h.ts", "prom-client"],
  ["src/volume/d.ts", "../monitor/x.ts"],
  ["src/lvm/e.ts", "../monitor/x.ts"],
  ["src/lvm/f.ts", "prom-client"],
  ["src/elsewhere.ts", "@grpc/grpc-js"],
  ["src/other.ts", "execa"],
] as const;

const allowedImports: readonly (readonly [string, string])[] = [
  ["src/main.ts", "./csi/x.ts"],
  ["src/csi/y.ts", "../volume/x.ts"],
  ["src/csi/z.ts", "@grpc/grpc-js"],
  ["src/volume/y.ts", "../lvm/x.ts"],
  ["src/volume/z.ts", "../filesystem/x.ts"],
  ["src/lvm/y.ts", "../host/x.ts"],
  ["src/filesystem/y.ts", "../host/x.ts"],
  ["src/monitor/y.ts", "../volume/x.ts"],
  ["src/monitor/z.ts", "prom-client"],
  ["src/host/y.ts", "execa"],
  ["src/host/z.ts", "koffi"],
  ["src/host/y.test.ts", "../csi/x.ts"],
  ["src/kubernetes/y.ts", "@kubernetes/client-node"],
  ["src/certificates/y.ts", "@peculiar/x509"],
  ["src/certificates-role.ts", "./kubernetes/x.ts"],
];

const floating = "const wait = async (): Promise<void> => {};\n";
const choice = 'export const pick = (kind: "a" | "b"): void => {\n';
const manyLines = Array.from({ length: 60 }, (_, line) => `  f(${line});\n`).join("");
const manyBranches = Array.from({ length: 11 }, (_, at) => `  if (n === ${at}) return ${at};\n`).join("");

const planted: readonly Planted[] = [
  ...bannedImports.map(([file, name]) => ({ file, text: importOf(name), rule: "eslint(no-restricted-imports)" })),
  {
    file: "src/csi/type.ts",
    text: 'import type { x } from "../lvm/x.ts";\nexport type Y = typeof x;\n',
    rule: "eslint(no-restricted-imports)",
  },
  { file: "src/errors.ts", text: importOf("./volume/x.ts"), rule: "eslint(no-restricted-imports)" },
  { file: "src/log.ts", text: importOf("./errors.ts"), rule: "eslint(no-restricted-imports)" },
  { file: "src/volume/floating.ts", text: `${floating}wait();\n`, rule: "typescript(no-floating-promises)" },
  {
    file: "src/volume/misused.ts",
    text: `${floating}if (wait()) process.exitCode = 1;\n`,
    rule: "typescript(no-misused-promises)",
  },
  {
    file: "src/volume/switch.ts",
    text: `${choice}  switch (kind) {\n    case "a":\n      process.exitCode = 1;\n  }\n};\n`,
    rule: "typescript(switch-exhaustiveness-check)",
  },
  {
    file: "src/volume/any.ts",
    text: "export const f = (x: any): unknown => x;\n",
    rule: "typescript(no-explicit-any)",
  },
  { file: "src/volume/default.ts", text: "export default 1;\n", rule: "import(no-default-export)" },
  { file: "src/volume/barrel.ts", text: 'export * from "./x.ts";\n', rule: "oxc(no-barrel-file)" },
  {
    file: "src/lvm/cycle1.ts",
    text: `${importOf("./cycle2.ts", "cycle2")}export const cycle1 = 1;\n`,
    rule: "import(no-cycle)",
  },
  {
    file: "src/lvm/cycle2.ts",
    text: `${importOf("./cycle1.ts", "cycle1")}export const cycle2 = 1;\n`,
    rule: "import(no-cycle)",
  },
  { file: "src/volume/lines.ts", text: "export {};\n".repeat(251), rule: "eslint(max-lines)" },
  {
    file: "src/volume/function.ts",
    text: `export const g = (f: (n: number) => void): void => {\n${manyLines}};\n`,
    rule: "eslint(max-lines-per-function)",
  },
  {
    file: "src/volume/params.ts",
    text: "export const f = (a: 1, b: 1, c: 1, d: 1, e: 1): unknown => [a, b, c, d, e];\n",
    rule: "eslint(max-params)",
  },
  {
    file: "src/volume/depth.ts",
    text: "export const f = (a: boolean): void => {\n  if (a) while (a) for (;;) if (a) return;\n};\n",
    rule: "eslint(max-depth)",
  },
  {
    file: "src/volume/complexity.ts",
    text: `export const f = (n: number): number => {\n${manyBranches}  return 0;\n};\n`,
    rule: "eslint(complexity)",
  },
];

beforeAll(async () => {
  copy = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-lint."));
  for (const file of ["oxlint.config.ts", "tsconfig.json", "package.json"]) {
    await cp(path.join(checkout, file), path.join(copy, file));
  }
  await symlink(path.join(checkout, "node_modules"), path.join(copy, "node_modules"));
  for (const layer of ["csi", "csi/generated", "volume", "lvm", "filesystem", "host", "kubernetes", "certificates"]) {
    await plant(`src/${layer}/x.ts`, "export const x = 1;\n");
  }
  for (const [file, name] of allowedImports) await plant(file, importOf(name));
  for (const { file, text } of planted) await plant(file, text);
  reported = await lint();
}, 60_000);

afterAll(() => rm(copy, { recursive: true, force: true }));

test.each(planted)("$rule is reported for $file", ({ file, rule }) => {
  expect(reported.get(file)).toContain(rule);
});

test.each(allowedImports)("%s may import %s", (file, _name) => {
  expect(reported.get(file) ?? []).not.toContain("eslint(no-restricted-imports)");
});

function importOf(name: string, what = "x"): string {
  return `import { ${what} } from "${name}";\nconsole.log(${what});\n`;
}

async function plant(file: string, text: string): Promise<void> {
  const target = path.join(copy, file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, text);
}

/** The rules reported for each file. */
async function lint(): Promise<ReadonlyMap<string, readonly string[]>> {
  const output = await new Promise<string>((resolve) => {
    const oxlint = path.join(checkout, "node_modules/oxlint/bin/oxlint");
    const options = { cwd: copy, maxBuffer: 2 ** 26 };
    // its exit status is 1: it has something to report
    execFile(process.execPath, [oxlint, "--format", "json", "src"], options, (_error, stdout) => resolve(stdout));
  });
  const { diagnostics } = JSON.parse(output) as { diagnostics: readonly { filename: string; code: string }[] };
  const byFile = Map.groupBy(diagnostics, ({ filename }) => filename);
  return new Map([...byFile].map(([file, found]) => [file, found.map(({ code }) => code)]));
}
