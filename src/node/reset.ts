import { existsSync } from "node:fs";
import { glob, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { homeLayout } from "../domain/index.ts";
import { isAlive, readMark } from "../transport/index.ts";

/** Names of the files in a home that hold keys of CAs. */
export async function authorityKeyFiles(home: string): Promise<string[]> {
  const layout = homeLayout(home);
  const others = new Set([layout.trustKey, layout.sealingKey].map((path) => basename(path)));
  const names = await readdir(layout.authorityKeys).catch((): string[] => []);
  return names.filter((name) => /\.(pem|p12)$/.test(name) && !others.has(name)).toSorted();
}

/** What runs on a home, by the names of its run files. */
export async function runningOn(home: string): Promise<string[]> {
  const { run } = homeLayout(home);
  const groups = join(home, "groups");
  const below = await readdir(groups, { recursive: true }).catch((): string[] => []);
  const files = [
    ...["supervisor", "node", "admin"].map((name) => join(run, `${name}.json`)),
    ...below.filter((path) => path.endsWith("run/instance.json")).map((path) => join(groups, path)),
  ];
  for await (const path of glob("members/*/run.json", { cwd: home })) files.push(join(home, path));
  const running: string[] = [];
  for (const file of files) {
    const mark = await readMark(file);
    if (mark !== null && (await isAlive(mark))) running.push(`${file} (process ${mark.pid})`);
  }
  return running;
}

/**
 * Deletes what makes a home that of a host: the contents of `groups`, keys, certificates (those of members of
 * services, too), trust and an embedded store. Settings of the operator's and logs stay. The registration goes last, so that an
 * interrupted reset is still one of that host.
 */
export async function resetHome(home: string): Promise<void> {
  const layout = homeLayout(home);
  const groups = join(home, "groups");
  const contents = existsSync(groups) ? await readdir(groups) : [];
  for (const path of [
    ...contents.map((name) => join(groups, name)),
    layout.store,
    layout.databaseSettings,
    layout.desiredState,
    layout.trust,
    join(home, "conf", "fed"),
    join(home, "members"),
    layout.nodeSettings,
  ])
    await rm(path, { recursive: true, force: true });
}
