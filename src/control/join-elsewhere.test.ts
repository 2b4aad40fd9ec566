import { expect, test } from "vitest";
import { base64Encode, leafTemplate } from "../pki/index.ts";
import { generateKeyPair, requestForKey, signBytes, type KeyPair } from "../keys/index.ts";
import { testCertificate } from "../../test/support/certificates.ts";
import {
  newRequest,
  testActor,
  testEnvironment,
  testExternalDomain,
} from "../../test/support/control-environment.ts";
import { joinHost } from "./join-host.ts";
import { createJoinToken } from "./join-token.ts";
import { returnHost, returnMessage } from "./return-host.ts";
import type { ElsewhereSigned } from "./signing-requests.ts";
import { submitCertificates } from "./submit-certificates.ts";

/** A domain whose certificates an external CA signs, and what that signs for a key. */
async function domain() {
  const env = await testEnvironment();
  const { ca } = await testExternalDomain(env);
  const wish = { hostName: null, lifetimeSeconds: 60, actor: testActor };
  const { text: token } = await createJoinToken(env, wish);
  const sign = (leaf: ElsewhereSigned, { spki }: KeyPair) =>
    testCertificate(ca, spki, leafTemplate(leaf));
  return { env, token, sign };
}

const host = {
  hostName: "beta",
  address: "beta.example",
  nodeManagerName: "Node Manager on beta",
  port: 8090,
};

/** What waits; fails where the host was admitted. */
function awaited<T extends object>(answer: T): Extract<T, { awaits: unknown }>["awaits"] {
  if (!("awaits" in answer)) throw new Error("the host was admitted");
  return answer.awaits as never;
}

test("a host whose certificate is signed elsewhere joins, and comes back, when it was brought", async () => {
  const { env, token, sign } = await domain();
  const ask = { token, ...host };
  const first = awaited(await joinHost(env, { ...ask, requestPem: (await newRequest()).pem }));
  expect(first).toMatchObject({ requestedSpki: null, isSigned: false });
  const keys = await generateKeyPair("ecdsa-p256");
  const requestPem = await requestForKey(keys.privateKey, first.subject, leafTemplate(first));
  // Long after the token would have expired, had it not been spent for this host.
  env.clock.advance(3_600_000);
  expect(awaited(await joinHost(env, { ...ask, requestPem })).requestedSpki).not.toBeNull();
  const hosts = await env.store.read((view) => view.topology.hosts());
  expect(hosts.map(({ status }) => status)).toEqual(["active", "joining"]);

  const certificates = [sign(first, keys)];
  const joined = await joinHost(env, { ...ask, requestPem, certificates });
  expect(joined).toMatchObject({ host: { status: "active" }, serial: certificates[0]?.serialHex });
  // The answer was lost: the same certificate again.
  const again = await joinHost(env, { ...ask, requestPem });
  expect(again).toMatchObject({ serial: certificates[0]?.serialHex });

  const next = await generateKeyPair("ecdsa-p256");
  const comeBack = async (pem: string) => {
    const request = { hostId: joined.host.id, nonce: "00".repeat(32), requestPem: pem };
    const proof = signBytes(keys.privateKey, returnMessage(request), "ecdsa-sha256");
    const proven = { lastKey: base64Encode(keys.spki), proof: base64Encode(proof) };
    return returnHost(env, { ...request, ...proven }, false);
  };
  const wanted = awaited(await comeBack((await newRequest()).pem));
  const nextPem = await requestForKey(next.privateKey, wanted.subject, leafTemplate(wanted));
  expect(awaited(await comeBack(nextPem)).isSigned).toBe(false);
  const brought = sign(wanted, next);
  await submitCertificates(env, { certificates: [brought], actor: testActor });
  expect(await comeBack(nextPem)).toMatchObject({ serial: brought.serialHex });
});

test("a host that asks with another key than its certificate was brought for is not admitted by that", async () => {
  const { env, token, sign } = await domain();
  const ask = { token, ...host };
  const leaf = awaited(await joinHost(env, { ...ask, requestPem: (await newRequest()).pem }));
  const keys = await generateKeyPair("ecdsa-p256");
  const requestPem = await requestForKey(keys.privateKey, leaf.subject, leafTemplate(leaf));
  awaited(await joinHost(env, { ...ask, requestPem }));
  await submitCertificates(env, { certificates: [sign(leaf, keys)], actor: testActor });
  // Its first key was given up.
  awaited(await joinHost(env, { ...ask, requestPem: (await newRequest()).pem }));
  const other = await generateKeyPair("ecdsa-p256");
  const otherPem = await requestForKey(other.privateKey, leaf.subject, leafTemplate(leaf));
  expect(awaited(await joinHost(env, { ...ask, requestPem: otherPem })).isSigned).toBe(false);
  const certificates = [sign(leaf, other)];
  const joined = await joinHost(env, { ...ask, requestPem: otherPem, certificates });
  expect(joined).toMatchObject({ host: { status: "active" }, serial: certificates[0]?.serialHex });
});
