// Which Node.js runs Gatehouse. This file itself must run on Node 20.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const needed = engines.node;

/**
 * The Node.js to run programs with: GATEHOUSE_NODE where it is set, else the one that npm
 * installed, else the running one. Throws one clear line where none of them is new enough.
 * @returns {string}
 */
export function nodePath() {
  const own = process.env["GATEHOUSE_NODE"];
  if (own) return checked(own);
  const pinned = pinnedNode();
  if (pinned) return pinned;
  if (satisfiesEngines()) return process.execPath;
  throw new Error(
    `Node ${process.versions.node} is too old and npm installed no other for ${process.platform}-${process.arch}: ` +
      `set GATEHOUSE_NODE to the path of a Node.js ${needed}`,
  );
}

/**
 * True when `version` ("24.15.0") satisfies `range`, which is written as `engines.node` is here:
 * alternatives of `^x.y.z` and `>=x`. Without arguments: the running Node, our package.json.
 * @param {string} version
 * @param {string} range
 */
export function satisfiesEngines(version = process.versions.node, range = needed) {
  const have = numbers(version);
  return range.split("||").some((alternative) => {
    const text = alternative.trim();
    const want = numbers(text.replace(/^(\^|>=)/, ""));
    return atLeast(have, want) && (!text.startsWith("^") || have[0] === want[0]);
  });
}

/** The Node.js of the optional dependency for this machine, or undefined. */
function pinnedNode() {
  try {
    const name = `node-${process.platform}-${process.arch}/bin/node`;
    return createRequire(import.meta.url).resolve(name);
  } catch {
    return undefined;
  }
}

/** @param {string} own */
function checked(own) {
  const version = spawnSync(own, ["--version"], { encoding: "utf8" }).stdout?.trim().slice(1);
  if (version && satisfiesEngines(version)) return own;
  const found = version ? `is Node ${version}` : "cannot be run";
  throw new Error(`GATEHOUSE_NODE=${own} ${found}; needed is Node.js ${needed}`);
}

/** @param {string} version */
function numbers(version) {
  return version.split(".").map(Number);
}

/**
 * @param {number[]} have
 * @param {number[]} want
 */
function atLeast(have, want) {
  for (const [i, number] of want.entries()) {
    const difference = (have[i] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
