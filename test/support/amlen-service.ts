import { userInfo } from "node:os";
import { join } from "node:path";
import type { Declaration } from "../../src/contract/index.ts";
import type { TestMember } from "../simulators/amlen/test-members.ts";
import type { LiveDomain } from "./live-domain.ts";
import { tempFolder } from "./temp-folder.ts";
import { waitUntil } from "./wait-until.ts";

type Declared = Declaration["services"][number];

/** A simulated Amlen server as a member that host-1 only looks after. */
export async function amlenDeclared(
  { server, host }: TestMember,
  name: string,
  pair?: string,
): Promise<Declared["members"][number]> {
  const { username, gid } = userInfo();
  return {
    name,
    host: "host-1",
    ...(pair === undefined ? {} : { pair }),
    variables: {
      folder: join(await tempFolder(), "member"),
      serverCfg: join(server.folder.path, "server.cfg"),
      user: username,
      group: String(gid),
      host: host.admin,
      adminUrl: server.adminUrl.replace("/ima/v1", ""),
    },
  };
}

/** Waits until the verdict over a service is good, and every member has nothing to wait for. */
export async function untilGood(domain: LiveDomain, service: string): Promise<void> {
  let last = "";
  await waitUntil(
    async () => {
      const { members } = await domain.call("getService", { params: { service } });
      const { health, findings } = await domain.call("getServiceStatus", { params: { service } });
      last = JSON.stringify([health, findings, members]);
      return health === "good" && members.every(({ observed }) => observed?.problem === null);
    },
    { deadlineMs: 30_000, what: `${service} is well` },
  ).catch((cause: unknown) => {
    throw new Error(`${service} is not well: ${last}`, { cause });
  });
}

/** How many members of a service something was found about. */
export async function membersWith(
  domain: LiveDomain,
  service: string,
  code: string,
): Promise<number> {
  const { findings } = await domain.call("getServiceStatus", { params: { service } });
  return new Set(findings.filter((each) => each.code === code).map(({ subject }) => subject)).size;
}
