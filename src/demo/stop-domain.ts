import { readdir } from "node:fs/promises";
import { homeLayout } from "../domain/index.ts";
import { isAlive, readMark } from "../transport/index.ts";
import type { Children } from "./children.ts";
import type { DemoOptions } from "./options.ts";
import { until } from "./until.ts";

/**
 * Stops everything that the demonstration started. Instances and the Admin Node Manager outlive
 * their Node Managers by design, so they are stopped by their run files.
 */
export async function stopDomain(options: DemoOptions, children: Children): Promise<void> {
  await children.stop();
  for (const host of await readdir(options.home).catch(() => [])) {
    if (!host.startsWith("host-")) continue;
    const layout = homeLayout(`${options.home}/${host}`);
    const groups = await readdir(`${layout.home}/groups`, { recursive: true }).catch(() => []);
    const runFiles = groups
      .filter((path) => path.endsWith("run/instance.json"))
      .map((path) => `${layout.home}/groups/${path}`);
    for (const file of [...runFiles, `${layout.run}/admin.json`]) await stopMarked(file);
  }
}

async function stopMarked(runFile: string): Promise<void> {
  const mark = await readMark(runFile);
  if (mark === null || !(await isAlive(mark))) return;
  process.kill(mark.pid, "SIGTERM");
  await until(
    `process ${mark.pid} ends`,
    async () => {
      if (await isAlive(mark)) throw new Error("it still runs");
    },
    15_000,
  ).catch(() => process.kill(mark.pid, "SIGKILL"));
}
