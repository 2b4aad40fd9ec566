// Programs of the Debian packages that test suites need: installed where that is possible,
// named plainly where it is not. Runs on Node 20.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** Installs what is missing where we are root on Debian; returns how many are still missing. */
export function ensureDebianPackages() {
  const needed = parsePackages(
    readFileSync(new URL("debian-packages.txt", import.meta.url), "utf8"),
  );
  let missing = needed.filter(({ program }) => !isThere(program));
  if (missing.length > 0 && process.getuid?.() === 0 && isThere("apt-get")) {
    install(missing.map(({ name }) => name));
    missing = missing.filter(({ program }) => !isThere(program));
  }
  for (const { name, program, use } of missing) {
    process.stderr.write(
      `${program} is not installed (apt-get install ${name}): ${use} cannot pass\n`,
    );
  }
  return missing.length;
}

/**
 * The list's lines as objects; comments and blank lines are left out.
 * @param {string} text
 */
export function parsePackages(text) {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => {
      const [name = "", program = "", ...use] = line.trim().split(/\s+/);
      return { name, program, use: use.join(" ") };
    });
}

/** @param {string[]} names */
function install(names) {
  process.stderr.write(`installing Debian packages: ${names.join(" ")}\n`);
  const attempt = () => apt(["install", "-y", "--no-install-recommends", ...names]);
  if (!attempt()) {
    apt(["update"]);
    attempt();
  }
}

/** @param {string[]} args */
function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync("apt-get", ["-q", ...args], { env, stdio: ["ignore", 2, 2] }).status === 0;
}

/**
 * A program by its name, any other file by its path.
 * @param {string} program
 */
function isThere(program) {
  if (program.startsWith("/")) return existsSync(program);
  return spawnSync("sh", ["-c", 'command -v "$0"', program]).status === 0;
}
