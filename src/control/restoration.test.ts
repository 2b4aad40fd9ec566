import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { AuthorityId, CredentialId, HostId } from "../kit/index.ts";
import type { HostDocument } from "../domain/index.ts";
import { base64Decode, parseCertificate, utf8Decode } from "../pki/index.ts";
import { backUpStore, continueStore, openSqliteStore } from "../store/index.ts";
import {
  claimTestLease,
  issueFor,
  joinTestHost,
  testActor as actor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { advanceTo, settleAgents } from "../../test/support/instant-agents.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { advanceRollout } from "./advance.ts";
import { currentTrust, hostDocumentOf, publishTrust } from "./publish-trust.ts";
import { recoverDomain } from "./recover.ts";
import {
  hearHost,
  markRestored,
  settleRestoration,
  unheardHosts,
  waiveUnheard,
} from "./restoration.ts";
import type { Presentation } from "./restored-hosts.ts";
import { revoke } from "./revoke.ts";
import { createPlan, startRollout, waiveGate } from "./rollouts.ts";

const host1 = "host-1" as HostId;
const host2 = "host-2" as HostId;
const held = ["management-1", "traffic-1"] as AuthorityId[];

async function opened(env: TestEnvironment, folder: string): Promise<TestEnvironment> {
  const store = await openSqliteStore({ folder, writer: "nodemanager-1", clock: env.clock });
  onTestFinished(() => store.close());
  return { ...env, store };
}

/** A domain with a second host; what it is restored to is as it is when `backUp` is called. */
async function domainWithBackup() {
  const folder = await tempFolder();
  const env = await opened(await testEnvironment(), folder);
  await testControlDomain(env);
  await joinTestHost(env);
  const copy = join(await tempFolder(), "store");
  await mkdir(copy);
  await backUpStore({ folder }, join(copy, "gatehouse.db"), env.clock);
  const epoch = (await env.store.read(currentTrust)).epoch;
  const restore = async (waived: readonly HostId[] = []): Promise<TestEnvironment> => {
    continueStore(copy);
    const restored = await opened(env, copy);
    await markRestored(restored, { hostId: host1, held, backupAtMs: 0, waived });
    return restored;
  };
  return { env, epoch, restore };
}

/** What a host would show that has followed `env` to this moment. */
async function shown(env: TestEnvironment, hostId: HostId, after: number): Promise<Presentation> {
  return env.store.read(async (view) => {
    const head = await view.trust.head();
    const { payload } = await hostDocumentOf(view, env, hostId);
    const document = JSON.parse(utf8Decode(base64Decode(payload) ?? new Uint8Array()));
    const credentials = await view.credentials.ofHost(hostId);
    const issued = await Promise.all(
      credentials.map(({ id }) => view.issuances.ofCredential(id, 1)),
    );
    return {
      hostId,
      epoch: head?.epoch ?? 0,
      trustHash: head?.hash ?? "",
      links: await view.trust.after(after, 100),
      document: document as HostDocument,
      certificates: issued.flat().map(({ credentialId, sequence, der }) => ({
        credentialId: credentialId as CredentialId,
        sequence: sequence ?? 0,
        certificate: parseCertificate(der),
      })),
      instances: [],
    };
  });
}

async function names(env: TestEnvironment): Promise<string[]> {
  return (await env.store.read(unheardHosts)).map(({ id }) => id);
}

describe("a restored domain", () => {
  test("publishes nothing before its hosts were heard of, then goes on above what they hold", async () => {
    const { env, epoch, restore } = await domainWithBackup();
    await issueFor(env, host2, "nodemanager-2/management");
    await env.store.write({ actor, action: "x", subject: "x", detail: {} }, (tx) =>
      publishTrust(tx, env, { deny: [{ kind: "key", fingerprint: "ab", reason: "stolen" }] }),
    );
    const restored = await restore();
    expect(await names(restored)).toEqual([host2]);
    expect(await settleRestoration(restored)).toBe(false);
    const entry = { actor, action: "x", subject: "x", detail: {} };
    await expect(
      restored.store.write(entry, (tx) => publishTrust(tx, restored, {})),
    ).rejects.toMatchObject({ code: "stale-epoch" });

    const wish = { kind: "replace-leaves", credentials: null } as const;
    const { id } = await startRollout(
      restored,
      (await createPlan(restored, wish, actor)).id,
      actor,
    );
    const leadership = await claimTestLease(restored);
    const advance = () => advanceRollout(restored, leadership, id, null);
    expect(await advance()).toEqual({ do: "nothing" });

    await hearHost(restored, await shown(env, host2, epoch));
    expect(await names(restored)).toEqual([]);
    expect(await settleRestoration(restored)).toBe(true);
    const trust = await restored.store.read(currentTrust);
    expect(trust.epoch).toBe((await env.store.read(currentTrust)).epoch + 1);
    expect(trust.denied.map(({ fingerprint }) => fingerprint)).toContain("ab");
    const [before, after] = await Promise.all(
      [env, restored].map(({ store }) =>
        store.read((view) => view.credentials.get("nodemanager-2/management" as CredentialId)),
      ),
    );
    expect(after?.recorded.map(({ serial }) => serial)).toEqual(
      before?.recorded.map(({ serial }) => serial),
    );
    expect(await settleRestoration(restored)).toBe(false);
  });

  test("takes over a host that joined after the backup, and gives its number to nobody else", async () => {
    const { env, epoch, restore } = await domainWithBackup();
    const joined = await joinTestHost(env, { hostName: "gamma", address: "gamma.example" });
    const restored = await restore([host2]);
    await hearHost(restored, await shown(env, joined.host.id, epoch));
    expect(await settleRestoration(restored)).toBe(true);
    const found = await restored.store.read(async (view) => ({
      host: await view.topology.host(joined.host.id),
      issuance: await view.issuances.find("management-1" as AuthorityId, joined.serial),
      domain: await view.topology.domain(),
    }));
    expect(found.host).toMatchObject({ address: "gamma.example", status: "active" });
    expect(found.issuance?.credentialId).toBe(`${joined.host.nodeManager.id}/management`);
    expect(found.domain.restoration?.imported.join()).toContain("host-3");
    const next = await joinTestHost(restored, { hostName: "delta", address: "delta.example" });
    expect(Number(next.host.id.split("-")[1])).toBeGreaterThan(1000);
  });

  test("hears of a host that comes when it has gone on, but takes no more links from anybody", async () => {
    const { env, epoch, restore } = await domainWithBackup();
    const joined = await joinTestHost(env, { hostName: "gamma", address: "gamma.example" });
    const late = await shown(env, joined.host.id, epoch);
    const restored = await restore([host2]);
    expect(await settleRestoration(restored)).toBe(true);
    const head = await restored.store.read((view) => view.trust.head());
    await hearHost(restored, late);
    expect(await restored.store.read((view) => view.topology.host(joined.host.id))).toMatchObject({
      status: "active",
    });
    const entry = { actor, action: "x", subject: "x", detail: {} };
    for (let i = 0; i < 3; i++) await env.store.write(entry, (tx) => publishTrust(tx, env, {}));
    await expect(hearHost(restored, await shown(env, host2, epoch))).rejects.toMatchObject({
      code: "stale-epoch",
    });
    expect(await restored.store.read((view) => view.trust.head())).toEqual(head);
  });

  test("refuses a host on another branch of the chain, and one whose links do not reach", async () => {
    const { env, epoch, restore } = await domainWithBackup();
    const restored = await restore();
    const entry = { actor, action: "x", subject: "x", detail: {} };
    const publish = () => env.store.write(entry, (tx) => publishTrust(tx, env, {}));
    await publish();
    const presented = await shown(env, host2, epoch);
    await expect(
      hearHost(restored, { ...presented, trustHash: "00".repeat(32) }),
    ).rejects.toMatchObject({ code: "signature-invalid" });
    await publish();
    const gap = await shown(env, host2, epoch);
    await expect(hearHost(restored, { ...gap, links: [] })).rejects.toMatchObject({
      code: "stale-epoch",
    });
    expect(await names(restored)).toEqual([host2]);
    await waiveUnheard(restored, { hostId: host2, reason: "gone", actor });
    expect(await settleRestoration(restored)).toBe(true);
  });

  test("does not wait for a host that was revoked after the backup, and keeps it revoked", async () => {
    const { env, epoch, restore } = await domainWithBackup();
    const joined = await joinTestHost(env, { hostName: "gamma", address: "gamma.example" });
    const before = await shown(env, host2, epoch);
    await revoke(env, { process: "nodemanager-2" as never, reason: "stolen", actor });
    const restored = await restore();
    await hearHost(restored, await shown(env, joined.host.id, epoch));
    expect(await names(restored)).toEqual([]);
    await expect(hearHost(restored, before)).rejects.toMatchObject({ code: "denied" });
    expect(await settleRestoration(restored)).toBe(true);
    expect(await restored.store.read((view) => view.topology.host(host2))).toMatchObject({
      status: "revoked",
    });
  });

  test("trusts the CA that came after the backup, and gets one whose key it has by recover", async () => {
    const { env, epoch, restore } = await domainWithBackup();
    await settleAgents(env);
    const leadership = await claimTestLease(env);
    const rotation = {
      kind: "rotate-ca" as const,
      usages: ["management" as const],
      observeSeconds: 0,
      subject: null,
    };
    const { id } = await startRollout(env, (await createPlan(env, rotation, actor)).id, actor);
    const waiver = { subject: "unmanaged:management", phase: "observe", reason: "known" };
    await waiveGate(env, id, { ...waiver, lifetimeSeconds: 1e6 }, actor);
    expect(await advanceTo(env, leadership, id)).toEqual({ do: "finish" });

    const restored = await restore();
    await hearHost(restored, await shown(env, host2, epoch));
    expect(await settleRestoration(restored)).toBe(true);
    const statuses = async (): Promise<string[]> =>
      (await restored.store.read((view) => view.authorities.all()))
        .filter(({ usage }) => usage === "management")
        .map((one) => `${one.id} ${one.status} ${one.holders.join()}`)
        .toSorted();
    expect(await statuses()).toEqual(["management-1 retired host-1", "management-2 current "]);
    const credential = await restored.store.read((view) =>
      view.credentials.get("nodemanager-2/management" as CredentialId),
    );
    // What it presents is of that CA, and nothing newer is wanted.
    expect(credential?.recorded.at(-1)?.sequence).toBe(credential?.desired.minSequence);

    const wish = { hostId: host1, isNewAuthorityWanted: true, actor };
    expect(await recoverDomain(restored, wish)).toEqual(["management-2"]);
    expect(await statuses()).toEqual([
      "management-1 retired host-1",
      expect.stringMatching(/^management-1\d\d\d current host-1$/),
      "management-2 restored ",
    ]);
    const { anchors } = await restored.store.read(currentTrust);
    expect(anchors.filter(({ usage }) => usage === "management")).toHaveLength(2);
    expect((await issueFor(restored, host1, "nodemanager-1/management")).authorityId).toMatch(
      /^management-1\d\d\d$/,
    );
  });
});
