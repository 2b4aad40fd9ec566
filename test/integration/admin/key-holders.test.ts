import { existsSync } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import type { AuthorityId, HostId, RolloutId } from "../../../src/kit/index.ts";
import type { RouteBody } from "../../../src/contract/index.ts";
import {
  createPlan,
  shareKeys,
  startRollout,
  unshareKeys,
  type Leadership,
} from "../../../src/control/index.ts";
import { currentFindings } from "../../../src/admin/findings.ts";
import { authorityKeyHandlers } from "../../../src/admin/handlers-authority-keys.ts";
import { advanceAsLeader } from "../../../src/admin/lead.ts";
import { keepSharedKeys } from "../../../src/admin/shared-keys.ts";
import { ApiCaller, apiPrefix, callApi, mutualTls } from "../../../src/transport/index.ts";
import {
  claimTestLease,
  issueFor,
  newRequest,
  testActor as actor,
} from "../../support/control-environment.ts";
import { settleAgents } from "../../support/instant-agents.ts";
import { twoAdmins, type TestAdmin } from "../../support/two-admins.ts";

const hostId = "host-2" as HostId;
const traffic = "traffic-1" as AuthorityId;
const management = "management-1" as AuthorityId;

/** What a renewal by host-2 through `admin` ends with: who logged it, or the code of the refusal. */
async function renewThrough({ env }: TestAdmin): Promise<string> {
  const outcome = await issueFor(env, hostId, "nodemanager-2/management").catch(
    (error: unknown) => (error as { code: string }).code,
  );
  if (typeof outcome === "string") return outcome;
  const found = await env.store.read((view) => view.issuances.find(management, outcome.serial));
  return found === undefined ? "not logged" : "issued";
}

async function keyFindings({ state }: TestAdmin): Promise<string[]> {
  const codes = (await currentFindings(state)).filter(({ code }) => code === "one-key-holder");
  return codes.map(({ subject }) => subject).toSorted();
}

describe("an Admin Node Manager without the key", () => {
  test("has a holder sign, and cannot issue when that is gone", async () => {
    const [one, two] = await twoAdmins();
    expect(await renewThrough(two)).toBe("issued");
    await one.stop();
    expect(await renewThrough(two)).toBe("authority-unavailable");
  });

  test("signs by itself after domain.p12 of a host that is lost was given to it", async () => {
    const [one, two] = await twoAdmins();
    await one.state.authorityFolder.update();
    const pkcs12 = (await readFile(one.state.layout.domainContainer)).toString("base64");
    await one.stop();
    expect(await renewThrough(two)).toBe("authority-unavailable");
    const call = { body: { pkcs12, passphrase: "" }, actor };
    await authorityKeyHandlers.importKey(two.state, call as never);
    expect(await renewThrough(two)).toBe("issued");
    const imported = await two.env.store.read((view) => view.authorities.get(management));
    expect(imported?.holders).toContain(hostId);
  });

  test("signs by itself after the keys were shared with it", async () => {
    const [one, two] = await twoAdmins();
    expect(await keyFindings(one)).toEqual([management, traffic]);
    expect(await shareKeys(one.env, { hostId, actor })).toEqual([traffic, management]);
    await keepSharedKeys(two.state);
    await one.stop();
    expect(await renewThrough(two)).toBe("issued");
    expect(await keyFindings(two)).toEqual([]);
    const [first, second] = [one, two].map(({ layout }) => layout.authorityKey(traffic));
    expect(await readFile(second ?? "", "utf8")).toBe(await readFile(first ?? "", "utf8"));
    expect((await stat(second ?? "")).mode & 0o777).toBe(0o600);
  });

  test("takes the key again that its home has lost", async () => {
    const [one, two] = await twoAdmins();
    await shareKeys(one.env, { hostId, actor });
    await keepSharedKeys(two.state);
    await rm(two.layout.authorityKey(traffic));
    await keepSharedKeys(two.state);
    expect(existsSync(two.layout.authorityKey(traffic))).toBe(true);
  });

  test("deletes its keys, also those in use, when they are shared with it no more", async () => {
    const [one, two] = await twoAdmins();
    await shareKeys(one.env, { hostId, actor });
    await keepSharedKeys(two.state);
    expect(await renewThrough(two)).toBe("issued");
    await unshareKeys(one.env, { hostId, actor });
    await keepSharedKeys(two.state);
    expect(existsSync(two.layout.authorityKey(management))).toBe(false);
    await one.stop();
    expect(await renewThrough(two)).toBe("authority-unavailable");
  });

  test("keeps the keys of the others when one of those sealed for it is damaged", async () => {
    const [one, two] = await twoAdmins();
    await shareKeys(one.env, { hostId, actor });
    const entry = { actor, action: "test", subject: "test", detail: {} };
    await one.env.store.write(entry, (tx) =>
      tx.sealedKeys.put({ authorityId: traffic, hostId, sealed: "damaged" }),
    );
    await keepSharedKeys(two.state);
    expect(existsSync(two.layout.authorityKey(traffic))).toBe(false);
    expect(existsSync(two.layout.authorityKey(management))).toBe(true);
  });
});

describe("a leader without the key", () => {
  const wish = {
    kind: "rotate-ca",
    usages: ["traffic"],
    observeSeconds: 0,
    subject: null,
  } as const;

  async function begin({ env }: TestAdmin): Promise<{ id: RolloutId; leadership: Leadership }> {
    await settleAgents(env);
    const leadership = await claimTestLease(env);
    const { id } = await startRollout(env, (await createPlan(env, wish, actor)).id, actor);
    return { id, leadership };
  }

  async function stepsTaken({ env }: TestAdmin): Promise<string[]> {
    const open = await env.store.read((view) => view.rollouts.open());
    return open.flatMap(({ done }) => done.map(({ step }) => step.id));
  }

  test("has a holder make the new CA, and makes no key of its own", async () => {
    const [, two] = await twoAdmins();
    const { id, leadership } = await begin(two);
    expect(await advanceAsLeader(two.state, leadership, id, null)).toEqual({ do: "nothing" });
    expect(await stepsTaken(two)).toEqual(["prepare"]);
    expect(existsSync(two.layout.authorityKey("traffic-2" as AuthorityId))).toBe(false);
  });

  test("takes no step without a holder, nor with a token that is not the leader's", async () => {
    const [one, two] = await twoAdmins();
    const { id, leadership } = await begin(two);
    const stale = { ...leadership, fencingToken: leadership.fencingToken - 1 };
    await expect(advanceAsLeader(two.state, stale, id, null)).rejects.toMatchObject({
      code: "not-leader",
    });
    await one.stop();
    await expect(advanceAsLeader(two.state, leadership, id, null)).rejects.toMatchObject({
      code: "authority-unavailable",
    });
    expect(await stepsTaken(two)).toEqual([]);
  });
});

describe("signLeaf", () => {
  /** Calls it on the first Admin Node Manager with the identity of the second. */
  async function ask(
    [one, two]: readonly [TestAdmin, TestAdmin],
    body: Partial<RouteBody<"signLeaf">>,
  ): Promise<string> {
    const target = two.state.trust.document.admins.find((admin) => admin.hostId === "host-1");
    if (target === undefined) throw new Error("the first is in the trust document");
    const { identity, trust } = two.state;
    const self = { role: "anm", hostId } as const;
    const caller = new ApiCaller(
      { address: "127.0.0.1", port: one.state.settings.port, prefix: apiPrefix },
      mutualTls({ identity, trust, self, target, nowMs: () => Date.now() }),
    );
    const asked = { hostId, credentialId: "nodemanager-2/management", authorityId: management };
    const { pem: requestPem } = await newRequest();
    try {
      await callApi(caller, "signLeaf", {
        body: { ...asked, requestPem, isProbe: false, ...body } as RouteBody<"signLeaf">,
      });
      return "signed";
    } catch (error) {
      return (error as { code: string }).code;
    } finally {
      caller.close();
    }
  }

  test("signs for what the store wants, and for nothing else", async () => {
    const admins = await twoAdmins();
    const refused = [
      [{ credentialId: "nodemanager-1/management" }, "forbidden"],
      [{ hostId: "host-9" }, "forbidden"],
      [{ authorityId: traffic }, "conflict"],
      [{ authorityId: traffic, isProbe: true }, "authority-unavailable"],
      [{ requestPem: "no request" }, "invalid-input"],
    ] as const;
    expect(await ask(admins, {})).toBe("signed");
    for (const [body, code] of refused)
      expect.soft([body, await ask(admins, body as never)]).toEqual([body, code]);
  });

  test("is refused to a Node Manager that is no Admin Node Manager", async () => {
    const [one, two] = await twoAdmins();
    const entry = { actor, action: "test", subject: hostId, detail: {} };
    const demoted = await one.env.store.write(entry, async (tx) => {
      const host = await tx.topology.host(hostId);
      if (host === undefined) throw new Error("it has joined");
      await tx.topology.putHost({ ...host, nodeManager: { ...host.nodeManager, isAdmin: false } });
      return host.id;
    });
    // The next link names the Admin Node Managers as the topology has them now.
    await issueFor(one.env, "host-1" as HostId, "nodemanager-1/management");
    await one.state.refreshTrust();
    expect(demoted).toBe(hostId);
    expect(await ask([one, two], {})).toBe("forbidden");
  });
});
