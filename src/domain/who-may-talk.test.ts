import { describe, expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import { isRole, type Role } from "./roles.ts";
import type { KnownProcess } from "./trust.ts";
import {
  checkPeer,
  conversationBetween,
  type CallerKind,
  type PeerCertificate,
  type PeerExpectation,
  type Refusal,
} from "./who-may-talk.ts";

const callers: CallerKind[] = [
  "anm",
  "nm",
  "gateway",
  "user",
  "joiner",
  "returning-host",
  "relying-party",
];
const servers: Role[] = ["anm", "nm", "gateway"];

/** The table, cell by cell: `client server` on another host, and on the same. */
const allowed: Record<string, readonly [other: string, same: string]> = {
  "anm anm": ["mutual", "mutual"],
  "anm nm": ["mutual", "mutual"],
  "anm gateway": ["", "mutual"],
  "nm anm": ["mutual", "mutual"],
  "nm gateway": ["", "mutual"],
  "user anm": ["server", "server"],
  "joiner anm": ["server", "server"],
  "returning-host anm": ["server", "server"],
  "relying-party anm": ["server", "server"],
};

const cells = callers.flatMap((client) =>
  servers.flatMap((server) =>
    [false, true].map((sameHost) => {
      const [other, same] = allowed[`${client} ${server}`] ?? ["", ""];
      return { client, server, sameHost, tls: sameHost ? same : other };
    }),
  ),
);

describe("conversationBetween", () => {
  test.each(cells)(
    "$client calling $server, on the same host: $sameHost, is $tls",
    ({ client, server, sameHost, tls }) => {
      expect(conversationBetween(client, server, sameHost)?.tls ?? "").toBe(tls);
    },
  );
});

const nowMs = 1_000_000;
const here = "host-1" as HostId;
const there = "host-2" as HostId;

function process(role: Role, hostId: HostId): KnownProcess {
  const id = role === "gateway" ? "instance-1" : `nodemanager-${hostId.slice(5)}`;
  return {
    id: id as ProcessId,
    role,
    hostId,
    name: id,
    address: `${hostId}.example`,
    port: 1,
    keys: ["earlier key", "the key"],
  };
}

const rolesOf: Record<Role, readonly Role[]> = {
  anm: ["nm", "anm"],
  nm: ["nm"],
  gateway: ["gateway"],
};

function certificateOf(
  known: KnownProcess,
  changes: Partial<PeerCertificate> = {},
): PeerCertificate {
  const subject = known.role === "gateway" ? known.id : known.hostId;
  return {
    chainFailure: null,
    uris: [`spiffe://domain.example/${known.role}/${subject}`],
    roles: rolesOf[known.role],
    keyFingerprint: "the key",
    certificateFingerprint: "the certificate",
    issuerFingerprints: ["the issuer", "the root"],
    notBeforeMs: nowMs - 1,
    notAfterMs: nowMs + 1,
    isProbe: false,
    ...changes,
  };
}

function expectation(
  known: readonly KnownProcess[],
  changes: Partial<PeerExpectation> = {},
): PeerExpectation {
  return {
    trustDomain: "domain.example",
    known,
    denied: [],
    nowMs,
    peerIs: "client",
    self: { role: "anm", hostId: here },
    expected: null,
    probe: false,
    ...changes,
  };
}

describe("checkPeer decides by the table", () => {
  const ofProcesses = cells.flatMap(({ client, ...cell }) =>
    isRole(client) ? [{ client, ...cell }] : [],
  );

  test.each(ofProcesses)(
    "when $client calls $server, on the same host: $sameHost, the server's answer is $tls",
    ({ client, server, sameHost, tls }) => {
      const caller = process(client, sameHost ? here : there);
      const verdict = checkPeer(
        certificateOf(caller),
        expectation([caller], { self: { role: server, hostId: here } }),
      );
      expect(verdict).toMatchObject(
        tls === "mutual" ? { ok: true, process: caller } : { ok: false, refusal: "conversation" },
      );
    },
  );

  test.each(cells)(
    "when $client calls $server, on the same host: $sameHost, the client's own answer is $tls",
    ({ client, server, sameHost, tls }) => {
      const callee = process(server, sameHost ? here : there);
      const verdict = checkPeer(
        certificateOf(callee),
        expectation([callee], {
          peerIs: "server",
          expected: callee.id,
          self: { role: client, hostId: here },
        }),
      );
      expect(verdict).toMatchObject(
        tls === "" ? { ok: false, refusal: "conversation" } : { ok: true, process: callee },
      );
    },
  );

  test.each<CallerKind>(["user", "joiner", "returning-host", "relying-party"])(
    "a caller without a host, as %s, never counts as being on the server's host",
    (role) => {
      const gateway = process("gateway", here);
      const verdict = checkPeer(
        certificateOf(gateway),
        expectation([gateway], { peerIs: "server", self: { role, hostId: null } }),
      );
      expect(verdict).toMatchObject({ ok: false, refusal: "conversation" });
    },
  );
});

const caller = process("nm", there);
const admin = process("anm", there);

describe("checkPeer refuses", () => {
  const uri = "spiffe://domain.example/nm/host-2";
  const denial = (kind: "key" | "certificate", fingerprint: string): Partial<PeerExpectation> => ({
    denied: [{ kind, fingerprint, reason: "lost" }],
  });

  test.each<[string, Refusal, Partial<PeerCertificate>, Partial<PeerExpectation>]>([
    ["a chain that does not verify", "chain", { chainFailure: "unable to verify" }, {}],
    ["a certificate that has expired", "expired", { notAfterMs: nowMs - 1 }, {}],
    ["a certificate that is not valid yet", "not-yet-valid", { notBeforeMs: nowMs + 1 }, {}],
    ["a denied key", "denied", {}, denial("key", "the key")],
    ["a denied certificate", "denied", {}, denial("certificate", "the certificate")],
    ["a certificate of a denied issuer", "denied", {}, denial("certificate", "the issuer")],
    ["a certificate of a denied root", "denied", {}, denial("certificate", "the root")],
    ["a probe certificate on a normal connection", "probe", { isProbe: true }, {}],
    ["a normal certificate on a probe connection", "probe", {}, { probe: true }],
    ["a certificate without identity", "no-identity", { uris: [] }, {}],
    ["a URI that is no identity of ours", "no-identity", { uris: ["https://host-2"] }, {}],
    ["two identities", "no-identity", { uris: [uri, `${uri}0`] }, {}],
    ["the same identity twice", "no-identity", { uris: [uri, uri] }, {}],
    ["a second identity in another spelling", "no-identity", { uris: [uri, "SPIFFE://x"] }, {}],
    ["another domain", "other-domain", { uris: ["spiffe://other.example/nm/host-2"] }, {}],
    [
      "an identity above the stated role",
      "role-mismatch",
      { uris: [uri.replace("/nm/", "/anm/")] },
      {},
    ],
    ["a stated role above the identity", "role-mismatch", { roles: ["nm", "anm"] }, {}],
    ["no stated role", "role-mismatch", { roles: [] }, {}],
    ["an unknown process", "unknown-process", { uris: ["spiffe://domain.example/nm/host-9"] }, {}],
    [
      "another process than the one expected",
      "other-process",
      {},
      { expected: "nodemanager-1" as ProcessId },
    ],
    ["another key of the same CA", "other-key", { keyFingerprint: "a stranger's key" }, {}],
    [
      "a conversation that is not in the table",
      "conversation",
      {},
      { self: { role: "nm", hostId: here } },
    ],
  ])("%s: %s", (_, refusal, peer, expect_) => {
    const known = [caller, process("anm", here)];
    const verdict = checkPeer(certificateOf(caller, peer), expectation(known, expect_));
    expect(verdict).toMatchObject({ ok: false, refusal });
  });

  test("an Admin Node Manager that does not state the Node Manager's role too", () => {
    const verdict = checkPeer(certificateOf(admin, { roles: ["anm"] }), expectation([admin]));
    expect(verdict).toMatchObject({ ok: false, refusal: "role-mismatch" });
  });

  test("a role that the certificate states and the signed topology does not", () => {
    const demoted = { ...admin, role: "nm" as const };
    const verdict = checkPeer(certificateOf(admin), expectation([demoted]));
    expect(verdict).toMatchObject({ ok: false, refusal: "role-mismatch" });
  });

  test("a gateway that takes the name of a host, and a host that takes that of a gateway", () => {
    const gateway = process("gateway", here);
    const asHost = certificateOf(gateway, { uris: ["spiffe://domain.example/gateway/host-1"] });
    expect(checkPeer(asHost, expectation([gateway]))).toMatchObject({ refusal: "unknown-process" });
    const asGateway = certificateOf(caller, { uris: ["spiffe://domain.example/nm/instance-1"] });
    expect(checkPeer(asGateway, expectation([gateway, caller]))).toMatchObject({
      refusal: "role-mismatch",
    });
  });
});

describe("checkPeer accepts", () => {
  test("a recorded process with any of its recorded keys, at both ends of its validity", () => {
    for (const keyFingerprint of caller.keys) {
      const peer = certificateOf(caller, { keyFingerprint, notBeforeMs: nowMs, notAfterMs: nowMs });
      expect(checkPeer(peer, expectation([caller]))).toEqual({ ok: true, process: caller });
    }
  });

  test("a probe certificate with a key of its own on a probe connection", () => {
    const peer = certificateOf(caller, { isProbe: true, keyFingerprint: "a probe's key" });
    expect(checkPeer(peer, expectation([caller], { probe: true }))).toMatchObject({ ok: true });
  });

  test("a certificate of another fingerprint than the denied one", () => {
    const denied = [{ kind: "key", fingerprint: "the certificate", reason: "" }] as const;
    expect(checkPeer(certificateOf(caller), expectation([caller], { denied }))).toMatchObject({
      ok: true,
    });
  });

  test("knows a process whose role changes by the role that is shown, with the keys of that role", () => {
    const before = { ...process("nm", there), keys: ["the key"] };
    const after = { ...process("anm", there), keys: ["the next key"] };
    const known = [before, after];
    const judged = (role: Role, keyFingerprint: string): string => {
      const shown = certificateOf(process(role, there), { keyFingerprint });
      const verdict = checkPeer(shown, expectation(known));
      return verdict.ok ? verdict.process.role : verdict.refusal;
    };
    expect(judged("nm", "the key")).toBe("nm");
    expect(judged("anm", "the next key")).toBe("anm");
    expect(judged("anm", "the key")).toBe("other-key");
    expect(judged("nm", "the next key")).toBe("other-key");
  });
});
