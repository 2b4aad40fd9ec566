import { userInfo } from "node:os";
import { join } from "node:path";
import type { Declaration } from "../../src/contract/index.ts";
import type { ServiceId } from "../../src/kit/index.ts";
import { configure, pairStatus, type TestMember } from "../simulators/amlen/test-members.ts";
import { onEnd } from "./cleanup.ts";
import type { LiveDomain } from "./live-domain.ts";
import { tempFolder } from "./temp-folder.ts";
import { waitUntil } from "./wait-until.ts";

export type Declared = Declaration["services"][number];

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

/** Applies one service over the API. */
export async function apply(domain: LiveDomain, declared: Declared): Promise<ServiceId> {
  const { services } = await domain.call("applyServices", { body: { services: [declared] } });
  const [service] = services;
  if (service === undefined) throw new Error("one service was applied");
  return service.id;
}

/** What each member said of its pair, one after the other, without repetitions. */
export function watchPair(members: readonly TestMember[]): () => string[] {
  const seen: string[] = [];
  const state = { isOver: false };
  const look = async (): Promise<void> => {
    while (!state.isOver) {
      const all = await Promise.all(members.map((member) => pairStatus(member).catch(() => null)));
      const now = all
        .map((each) => each && `${each.NewRole} ${each.ActiveNodes}/${each.SyncNodes}`)
        .map((each) => each ?? "away")
        .join(", ");
      if (seen.at(-1) !== now) seen.push(now);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const looking = look();
  onEnd(async () => {
    state.isOver = true;
    await looking;
  });
  return () => seen;
}

/** Replaces the CA of a service, to the end. */
export async function rotate(
  domain: LiveDomain,
  id: ServiceId,
  strategy: "overlap" | "documented",
  deadlineMs?: number,
): Promise<void> {
  await domain.follow(
    await domain.roll({
      kind: "rotate-ca",
      usages: [id],
      observeSeconds: 0,
      subject: null,
      strategy,
    }),
    undefined,
    deadlineMs,
  );
}

/** The roles, in order, of those that went away. */
export function restarted(seen: readonly string[]): (string | undefined)[] {
  const states = seen.map((each) => each.split(", "));
  return states.flatMap((now, i) =>
    now.flatMap((each, member) => {
      const before = states[i - 1]?.[member];
      return each === "away" && before !== "away" ? [before?.split(" ")[0]] : [];
    }),
  );
}

/** Has the servers be members of one cluster from their next start on. */
export function clusterOf(members: readonly TestMember[]): void {
  for (const member of members)
    configure(member, "ClusterMembership", {
      EnableClusterMembership: true,
      ClusterName: "cluster",
      UseMulticastDiscovery: false,
      DiscoveryServerList: members.map(({ host }) => `${host.admin}:9104`).join(","),
      ControlAddress: member.host.admin,
      MessagingUseTLS: true,
    });
}
