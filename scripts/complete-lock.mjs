// Completes package-lock.json after `npm install`: npm leaves out optional packages of other
// platforms that its registry did not have at that moment, and `npm ci` then refuses the whole
// lock file. Their exact versions are known from the packages that name them.
import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8"));
const { "": own, ...installed } = lock.packages;
for (const [parent, { dev, optionalDependencies = {} }] of Object.entries(installed)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const isLocked =
      installed[`node_modules/${name}`] ?? installed[`${parent}/node_modules/${name}`];
    if (isLocked || !/^\d+\.\d+\.\d+$/.test(version)) continue;
    const { cpu, os, libc } = platformOf(name);
    installed[`node_modules/${name}`] = { version, cpu, dev, libc, optional: true, os };
  }
}
const sorted = Object.entries(installed).sort(([a], [b]) => a.localeCompare(b, "en"));
lock.packages = { "": own, ...Object.fromEntries(sorted) };
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);

/**
 * What npm compares with the machine, read from a name such as `binding-linux-arm64-musl`.
 * @param {string} name
 */
function platformOf(name) {
  const words = name.split(/[/-]/);
  const among = (/** @type {RegExp} */ known) => {
    const found = words.filter((word) => known.test(word));
    return found.length > 0 ? found : undefined;
  };
  const cpu = among(/^(arm|arm64|ia32|loong64|ppc64|riscv64|s390x|wasm32|x64)$/);
  const os = among(/^(aix|android|darwin|freebsd|linux|openharmony|win32)$/);
  const libc = among(/^(gnu|musl)/)?.map((word) => (word.startsWith("gnu") ? "glibc" : "musl"));
  if (!cpu && !os) throw new Error(`${name}: which platform is it for?`);
  return { cpu, os, libc };
}
