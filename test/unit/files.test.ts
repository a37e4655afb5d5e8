import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "@jest/globals";
import { missingPlatformPackages, type PackageLock } from "../setup/package-lock.ts";

const checkout = path.resolve(import.meta.dirname, "../..");
const maximumLines = 250;

const lock = JSON.parse(read("package-lock.json")) as PackageLock;
const files = listFiles("");

test("the files are found", () => {
  expect(files).toContain("package.json");
  expect(files).toContain("src/main.ts");
});

test("no source file is longer than a reader takes in", () => {
  const sources = files.filter((file) => /\.(ts|js|go|sh)$/.test(file) || read(file).startsWith("#!"));
  expect(sources.filter((file) => read(file).trimEnd().split("\n").length > maximumLines)).toEqual([]);
});

test("no file names a place of the machine that it was written on", () => {
  // in two parts each, or this file would name them
  const places = [`${checkout}/`, ...["work", "root"].map((name) => `/${name}/`)];
  expect(files.filter((file) => places.some((place) => read(file).includes(place)))).toEqual([]);
});

test("package-lock.json names no registry, so that each machine uses its own", () => {
  const resolved = Object.values(lock.packages).filter((locked) => locked.resolved !== undefined);
  expect(resolved).toEqual([]);
});

test("package-lock.json has an entry for each platform's packages (npm run lock)", () => {
  expect(missingPlatformPackages(lock)).toEqual([]);
});

/** What git has, or would have: everything but what .gitignore names. */
function listFiles(directory: string): readonly string[] {
  const ignored = new Set([".git", "node_modules", "coverage", "dist", "src/csi/generated"]);
  return readdirSync(path.join(checkout, directory), { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(directory, entry.name);
    if (ignored.has(file)) return [];
    return entry.isDirectory() ? listFiles(file) : [file];
  });
}

function read(file: string): string {
  return readFileSync(path.join(checkout, file), "utf8");
}
