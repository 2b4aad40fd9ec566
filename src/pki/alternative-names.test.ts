import { beforeAll, describe, expect, test } from "vitest";
import { testCertificate, testRoot } from "../../test/support/certificates.ts";
import { generateKeyPair } from "../keys/index.ts";
import type { Certificate } from "./certificate.ts";
import { formatGeneralName, parseGeneralNameText } from "./general-name.ts";
import { certificateIsForHost } from "./host-name.ts";
import { constraintProblem } from "./name-constraints.ts";
import type { Subtree } from "./name-constraints.ts";

let withNames: (...names: string[]) => Certificate;

beforeAll(async () => {
  const root = await testRoot();
  const { spki } = await generateKeyPair("ecdsa-p256");
  withNames = (...names) =>
    testCertificate(root, spki, { subjectAltName: names.map(parseGeneralNameText) });
});

describe("parseGeneralNameText", () => {
  test.each([
    ["DNS:host-1", "DNS:host-1"],
    ["DNS.1=host-1", "DNS:host-1"],
    ["ip.2 = 10.0.0.1", "IP:10.0.0.1"],
    ["IP:2001:db8::1", "IP:2001:db8::1"],
    ["email.0=a@b.example", "email:a@b.example"],
    ["URI:spiffe://d/nm/a", "URI:spiffe://d/nm/a"],
    ["DNS:*.example", "DNS:*.example"],
  ])("reads %j as %s", (text, formatted) => {
    expect(formatGeneralName(parseGeneralNameText(text))).toBe(formatted);
  });

  test.each([
    "host",
    "DNS:",
    "DNS:a b",
    "DNS:-a",
    "DNS:a..b",
    "DNS:*a",
    "DNS:é",
    "IP:1.2.3",
    "IP:host",
    "email:a",
    "URI:a",
    "RID:1.2.3",
  ])("refuses %j", (text) => expect(() => parseGeneralNameText(text)).toThrow(/is not an? /));
});

describe("certificateIsForHost", () => {
  test.each([
    ["host-1.example", true],
    ["HOST-1.example.", true],
    ["a.wild.example", true],
    ["wild.example", false],
    ["a.b.wild.example", false],
    ["x.single", false],
    ["10.0.0.1", true],
    ["10.0.0.2", false],
    ["2001:DB8:0::1", true],
    ["nodemanager-1", false],
    ["", false],
  ])("judges %j as %s", (host, expected) => {
    const names = [
      "DNS:host-1.example",
      "DNS:*.wild.example",
      "DNS:*.single",
      "IP:10.0.0.1",
      "IP:2001:db8::1",
    ];
    expect(certificateIsForHost(withNames(...names), host)).toBe(expected);
  });
});

describe("constraintProblem", () => {
  const text = (type: "dns" | "email" | "uri", base: string): Subtree => ({ type, base });
  const permitted = (...subtrees: Subtree[]) => ({ permitted: subtrees, excluded: [] });

  test.each([
    ["DNS:a.example", text("dns", "example"), true],
    ["DNS:example", text("dns", "example"), true],
    ["DNS:anexample", text("dns", "example"), false],
    ["URI:https://a.example:8443/x", text("uri", ".example"), true],
    ["URI:https://example/x", text("uri", ".example"), false],
    ["URI:https://u@example/x", text("uri", "example"), true],
    ["URI:urn:a", text("uri", "a"), false],
    ["email:a@example", text("email", "example"), true],
    ["email:a@b.example", text("email", "example"), false],
    ["email:a@b.example", text("email", "a@b.example"), true],
    ["DNS:a.example", text("uri", "other"), true],
  ])("judges %s below one permitted name", (name, subtree, allowed) => {
    const problem = constraintProblem(parseGeneralNameText(name), permitted(subtree));
    expect(problem === null).toBe(allowed);
  });

  test("is not evaded by a URI without a host name or by a final dot", () => {
    const constraints = { permitted: [], excluded: [text("uri", "a"), text("dns", "a")] };
    expect(constraintProblem({ type: "uri", value: "urn:a" }, constraints)).toMatch(/no host name/);
    expect(constraintProblem({ type: "dns", value: "B.A." }, constraints)).toMatch(/excluded/);
    expect(constraintProblem({ type: "dns", value: "b" }, constraints)).toBeNull();
  });

  test("refuses everything when a constraint is of a kind that is not enforced", () => {
    const constraints = permitted({ type: "unsupported", tag: 0xa4 });
    expect(constraintProblem({ type: "dns", value: "a" }, constraints)).toMatch(/not understood/);
  });
});
