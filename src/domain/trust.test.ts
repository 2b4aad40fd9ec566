import { describe, expect, test } from "vitest";
import type { AuthorityId } from "../kit/index.ts";
import { anchorsFor, checkSuccession, type Anchor, type TrustDocument } from "./trust.ts";

function link(changes: Partial<TrustDocument> = {}): TrustDocument {
  return {
    domain: "domain.example",
    epoch: 7,
    previous: "hash of 6",
    issuedAtMs: 0,
    anchors: [],
    denied: [],
    admins: [],
    signingKey: "key",
    ...changes,
  };
}

const current = { document: link(), hash: "hash of 7" };
const next = link({ epoch: 8, previous: "hash of 7" });

describe("checkSuccession", () => {
  test("takes the link that follows, and any first link of a pinned signer", () => {
    expect(() => checkSuccession(current, next)).not.toThrow();
    expect(() => checkSuccession(null, link({ epoch: 41 }))).not.toThrow();
  });

  test.each<[string, Partial<TrustDocument>, string]>([
    ["another domain's", { domain: "other.example" }, "signature-invalid"],
    ["the same epoch again", { epoch: 7 }, "stale-epoch"],
    ["an earlier epoch", { epoch: 6 }, "stale-epoch"],
    ["one that leaves an epoch out", { epoch: 9 }, "stale-epoch"],
    ["one that follows another link", { previous: "hash of a fork" }, "signature-invalid"],
    ["a first one", { previous: null }, "signature-invalid"],
  ])("refuses %s", (_, changes, code) => {
    expect(() => checkSuccession(current, { ...next, ...changes })).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

test("anchorsFor gives the anchors of one usage", () => {
  const anchor = (id: string, usage: Anchor["usage"]): Anchor => ({
    authorityId: id as AuthorityId,
    usage,
    certificatePem: id,
    crossCertificatePem: null,
  });
  const anchors = [anchor("m1", "management"), anchor("t1", "traffic"), anchor("m2", "management")];
  const ids = (usage: Anchor["usage"]): string[] =>
    anchorsFor(link({ anchors }), usage).map(({ authorityId }) => authorityId);
  expect(ids("management")).toEqual(["m1", "m2"]);
  expect(ids("traffic")).toEqual(["t1"]);
});
