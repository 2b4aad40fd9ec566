import { describe, expect, test } from "vitest";
import { assert, type HostId, type ProcessId } from "../kit/index.ts";
import type { TrustDocument } from "../domain/index.ts";
import { signBytes, verifyEnvelope, type KeyPair } from "../keys/index.ts";
import { base64Encode, parseCertificate } from "../pki/index.ts";
import {
  issueFor,
  newRequest,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { dayMs } from "../../test/support/certificates.ts";
import { settleHost } from "../../test/support/instant-agents.ts";
import { isUsedElsewhere } from "./identity-use.ts";
import { deleteHost } from "./instances.ts";
import { type Admission } from "./admission.ts";
import { joinHost } from "./join-host.ts";
import { createJoinToken, parseJoinToken } from "./join-token.ts";
import { approveHost, returnHost, returnMessage } from "./return-host.ts";
import { revoke } from "./revoke.ts";

const nonce = "ab".repeat(32);

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  return env;
}

async function tokenFor(env: TestEnvironment, hostName: string | null = null): Promise<string> {
  const { text } = await createJoinToken(env, {
    hostName,
    lifetimeSeconds: 3600,
    actor: testActor,
  });
  return text;
}

async function join(
  env: TestEnvironment,
  changes: Partial<Parameters<typeof joinHost>[1]> = {},
): Promise<Admission & { keys: KeyPair }> {
  const { keys, pem } = await newRequest();
  const admission = await joinHost(env, {
    token: changes.token ?? (await tokenFor(env)),
    hostName: "beta",
    address: "beta.example",
    nodeManagerName: "Node Manager on beta",
    port: 8090,
    requestPem: pem,
    ...changes,
  });
  assert("trust" in admission, "the domain signs by itself");
  return { ...admission, keys };
}

function hostNames(env: TestEnvironment): Promise<string[]> {
  return env.store.read(async (view) => (await view.topology.hosts()).map(({ name }) => name));
}

describe("a join token", () => {
  test("is read back from its text, and pins the trust-signing key", async () => {
    const env = await domain();
    const token = parseJoinToken(`  ${await tokenFor(env)}\n`);
    expect(token.trustKeyId).toBe(env.trustKey.keyId);
    expect(token.secret).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each(["", "gatehouse-join.x", "gatehouse-join.0123456789abcdef.aa.bb", "secret-secret"])(
    "is refused, and not repeated, when it is not whole: %j",
    (text) => {
      const error = thrownBy(() => parseJoinToken(text));
      expect(error).toMatchObject({ code: "invalid-input" });
      if (text !== "") expect(String(error)).not.toContain(text);
    },
  );

  test("is kept as a hash only", async () => {
    const env = await domain();
    const { id, secret } = parseJoinToken(await tokenFor(env));
    const stored = await env.store.read((view) => view.accounts.joinToken(id));
    expect(JSON.stringify(stored)).not.toContain(secret);
  });
});

describe("joinHost", () => {
  test("admits the same host again when its answer was lost: same token, same key, never heard of", async () => {
    const env = await domain();
    const token = await tokenFor(env);
    const { pem } = await newRequest();
    const first = await join(env, { token, requestPem: pem });
    const again = await join(env, { token, requestPem: pem });
    expect(again.host.id).toBe(first.host.id);
    expect([again.sequence, again.serial]).toEqual([first.sequence, first.serial]);
    expect(await hostNames(env)).toEqual(["alpha", "beta"]);

    await expect(join(env, { token })).rejects.toMatchObject({ code: "token-used" });
    const renamed = join(env, { token, requestPem: pem, hostName: "gamma" });
    await expect(renamed).rejects.toMatchObject({ code: "token-used" });
    await settleHost(env, first.host.id);
    const late = join(env, { token, requestPem: pem });
    await expect(late).rejects.toMatchObject({ code: "token-used" });
  });

  test("admits nobody again after the token's end", async () => {
    const env = await domain();
    const token = await tokenFor(env);
    const { pem } = await newRequest();
    await join(env, { token, requestPem: pem });
    env.clock.advance(3_601_000);
    const late = join(env, { token, requestPem: pem });
    await expect(late).rejects.toMatchObject({ code: "token-used" });
  });

  test("adds host and Node Manager, issues its certificate, and hands over the whole trust chain", async () => {
    const env = await domain();
    const admission = await join(env);
    expect(admission.host).toMatchObject({
      id: "host-2",
      name: "beta",
      status: "active",
      nodeManager: { id: "nodemanager-2", isAdmin: false },
    });
    const leaf = parseCertificate(admission.der);
    expect(leaf.extensions.subjectAltName?.[0]).toEqual({
      type: "uri",
      value: "spiffe://domain.example/nm/host-2",
    });
    const epochs = admission.trust.map((envelope) => {
      const payload = verifyEnvelope("trust", envelope, env.trustKey.spki);
      return (JSON.parse(Buffer.from(payload).toString("utf8")) as TrustDocument).epoch;
    });
    expect(epochs).toEqual([1, 2]);
    const actions = await env.store.read(async (view) =>
      (await view.audit.page({}, 100)).map(({ actor, action }) => `${actor} ${action}`),
    );
    expect(actions.filter((line) => line.endsWith("host.join"))).toEqual([
      expect.stringMatching(/^token:[0-9a-f]{16} host\.join$/),
    ]);
  });

  test("takes a token once", async () => {
    const env = await domain();
    const token = await tokenFor(env);
    await join(env, { token });
    await expect(join(env, { token, hostName: "gamma" })).rejects.toMatchObject({
      code: "token-used",
    });
    expect(await hostNames(env)).toEqual(["alpha", "beta"]);
  });

  test("takes a token once when two hosts use it at the same time", async () => {
    const env = await domain();
    const token = await tokenFor(env);
    const outcomes = await Promise.allSettled(
      ["beta", "gamma"].map((hostName) => join(env, { token, hostName })),
    );
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(await hostNames(env)).toHaveLength(2);
  });

  test("takes a token until it expires", async () => {
    const env = await domain();
    const token = await tokenFor(env);
    env.clock.advance(3_600_000);
    await join(env, { token });
    const late = await tokenFor(env);
    env.clock.advance(3_600_001);
    await expect(join(env, { token: late, hostName: "gamma" })).rejects.toMatchObject({
      code: "token-expired",
    });
  });

  test("takes a token for the host that it names only, and does not spend it on another", async () => {
    const env = await domain();
    const token = await tokenFor(env, "beta");
    await expect(join(env, { token, hostName: "gamma" })).rejects.toMatchObject({
      code: "forbidden",
    });
    await join(env, { token });
  });

  test("refuses a token with a wrong secret, and one that was never made", async () => {
    const env = await domain();
    const good = await tokenFor(env);
    const { id, trustKeyId } = parseJoinToken(good);
    for (const token of [
      `gatehouse-join.${id}.${"0".repeat(64)}.${trustKeyId}`,
      `gatehouse-join.${"0".repeat(16)}.${"0".repeat(64)}.${trustKeyId}`,
    ])
      await expect(join(env, { token })).rejects.toMatchObject({ code: "unauthenticated" });
    await join(env, { token: good });
  });

  test.each<[string, Partial<Parameters<typeof joinHost>[1]>, string]>([
    ["a taken host name", { hostName: "alpha" }, "already-exists"],
    ["a host name that differs only in case", { hostName: "Alpha" }, "already-exists"],
    ["another's address and port", { address: "Alpha.example" }, "already-exists"],
    ["a bad host name", { hostName: "a/b" }, "invalid-name"],
    ["a bad Node Manager name", { nodeManagerName: "" }, "invalid-name"],
    ["a bad address", { address: "not an address" }, "invalid-name"],
    ["a bad port", { port: 0 }, "invalid-input"],
    ["a request that is none", { requestPem: "-----BEGIN X-----" }, "invalid-input"],
  ])("refuses %s without spending the token", async (_, changes, code) => {
    const env = await domain();
    const token = await tokenFor(env);
    await expect(join(env, { token, ...changes })).rejects.toMatchObject({ code });
    await join(env, { token });
    expect(await hostNames(env)).toEqual(["alpha", "beta"]);
  });
});

/** A host that joined, reported, and now comes back with a proof of its last key. */
async function joined(): Promise<{
  env: TestEnvironment;
  hostId: HostId;
  keys: KeyPair;
  serial: string;
}> {
  const env = await domain();
  const { host, keys, serial } = await join(env);
  await settleHost(env, host.id);
  return { env, hostId: host.id, keys, serial };
}

async function comeBack(
  env: TestEnvironment,
  hostId: HostId,
  keys: KeyPair,
  changes: { signedBy?: KeyPair; nonce?: string; sentNonce?: string; isInUse?: boolean } = {},
): Promise<Admission & { keys: KeyPair }> {
  const { keys: newKeys, pem } = await newRequest();
  const request = { hostId, nonce: changes.nonce ?? nonce, requestPem: pem };
  const signer = (changes.signedBy ?? keys).privateKey;
  const proof = base64Encode(signBytes(signer, returnMessage(request), "ecdsa-sha256"));
  const sent = { ...request, nonce: changes.sentNonce ?? request.nonce };
  const lastKey = base64Encode(keys.spki);
  const admission = await returnHost(env, { ...sent, lastKey, proof }, changes.isInUse ?? false);
  assert("trust" in admission, "the domain signs by itself");
  return { ...admission, keys: newKeys };
}

describe("returnHost", () => {
  test("issues a new certificate for a proof of the recorded key, though its certificate has expired", async () => {
    const { env, hostId, keys } = await joined();
    env.clock.advance(60 * dayMs);
    const admission = await comeBack(env, hostId, keys);
    expect(admission.host.id).toBe(hostId);
    expect(admission.sequence).toBe(2);
    expect(admission.trust.length).toBeGreaterThan(0);
    const again = await comeBack(env, hostId, admission.keys);
    expect(again.sequence).toBe(3);
  });

  test("takes the same proof again and again when its answers get lost", async () => {
    const { env, hostId, keys } = await joined();
    for (let lost = 0; lost < 6; lost++) await comeBack(env, hostId, keys);
    expect((await comeBack(env, hostId, keys)).sequence).toBe(8);
  });

  test.each<[string, (of: Awaited<ReturnType<typeof joined>>) => Promise<unknown>]>([
    [
      "with a proof by another key",
      async ({ env, hostId, keys }) =>
        comeBack(env, hostId, keys, { signedBy: (await newRequest()).keys }),
    ],
    [
      "with a key that is not recorded",
      async ({ env, hostId }) => comeBack(env, hostId, (await newRequest()).keys),
    ],
    [
      "with a proof for another nonce",
      ({ env, hostId, keys }) => comeBack(env, hostId, keys, { sentNonce: "cd".repeat(32) }),
    ],
    [
      "with a nonce that is too short",
      ({ env, hostId, keys }) => comeBack(env, hostId, keys, { nonce: "ab" }),
    ],
    ["as another host", ({ env, keys }) => comeBack(env, "host-1" as HostId, keys)],
    ["as a host that never was", ({ env, keys }) => comeBack(env, "host-9" as HostId, keys)],
    [
      "after it was deleted",
      async ({ env, hostId, keys }) => {
        await deleteHost(env, { id: hostId, actor: testActor });
        return comeBack(env, hostId, keys);
      },
    ],
    [
      "with a key that was superseded and forgotten",
      async ({ env, hostId, keys }) => {
        await issueFor(env, hostId, "nodemanager-2/management");
        await settleHost(env, hostId);
        return comeBack(env, hostId, keys);
      },
    ],
  ])("refuses a host %s", async (_, attempt) => {
    const of = await joined();
    await expect(attempt(of)).rejects.toMatchObject({ code: "forbidden" });
  });

  test.each([
    ["key", { process: "nodemanager-2" as ProcessId }],
    ["certificate", null],
  ])("refuses a host after its %s was denied", async (_, what) => {
    const { env, hostId, keys, serial } = await joined();
    await revoke(env, { ...(what ?? { serial }), reason: "stolen", actor: testActor });
    await expect(comeBack(env, hostId, keys)).rejects.toMatchObject({ code: "denied" });
  });

  test("refuses a host whose identity is in use", async () => {
    const { env, hostId, keys } = await joined();
    await expect(comeBack(env, hostId, keys, { isInUse: true })).rejects.toMatchObject({
      code: "identity-in-use",
    });
  });

  test("lets a host in until the rejoin window ends, quarantines it after that, until it is approved", async () => {
    const { env, hostId, keys } = await joined();
    env.clock.advance(90 * dayMs);
    const { keys: next } = await comeBack(env, hostId, keys);
    env.clock.advance(1);
    const status = (): Promise<string | undefined> =>
      env.store.read(async (view) => (await view.topology.host(hostId))?.status);
    for (let tries = 0; tries < 2; tries++) {
      await expect(comeBack(env, hostId, next)).rejects.toMatchObject({ code: "quarantined" });
      expect(await status()).toBe("quarantined");
    }
    await approveHost(env, hostId, testActor);
    expect(await status()).toBe("active");
    // Nobody has the identity by that: at no Admin Node Manager is the host refused.
    const last = await env.store.read((view) => view.observations.host(hostId));
    expect(last?.receivedAtMs).toBe(env.clock.nowMs());
    const claim = { bootId: null, at: "nodemanager-9.admin" as ProcessId };
    expect(isUsedElsewhere(env, last, claim)).toBe(false);
    await expect(approveHost(env, hostId, testActor)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("is not quarantined"),
    });
    expect((await comeBack(env, hostId, next)).host.id).toBe(hostId);
  });

  test("does not take the host document's version back when it quarantines", async () => {
    const { env, hostId, keys } = await joined();
    const version = async (): Promise<number> =>
      env.store.read(async (view) => (await view.topology.host(hostId))?.documentVersion ?? 0);
    env.clock.advance(91 * dayMs);
    const before = await version();
    const store: TestEnvironment["store"] = Object.assign(Object.create(env.store), {
      // A certificate is issued between what is read and what is written.
      async write(...of: Parameters<TestEnvironment["store"]["write"]>) {
        await issueFor(env, hostId, "nodemanager-2/management");
        return env.store.write(...of);
      },
      read: env.store.read.bind(env.store),
    });
    await expect(comeBack({ ...env, store }, hostId, keys)).rejects.toMatchObject({
      code: "quarantined",
    });
    expect(await version()).toBe(before + 1);
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
