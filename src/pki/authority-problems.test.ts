import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dayMs, openssl, testNowMs, testRoot } from "../../test/support/certificates.ts";
import type { TestAuthority } from "../../test/support/certificates.ts";
import { makeLasting } from "../../test/support/cleanup.ts";
import type { Lasting } from "../../test/support/cleanup.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { nodeCryptoPort, privateKeyToPem } from "../keys/index.ts";
import { authorityProblems } from "./authority-problems.ts";
import type { AuthorityInput, AuthorityProblem, NeededLeaf } from "./authority-problems.ts";
import { parseCertificatesPem } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { encodePem } from "./pem.ts";
import { processProfile } from "./profiles.ts";

let lasting: Lasting<string>;
let root: TestAuthority;

const leaves: readonly NeededLeaf[] = [
  {
    name: "nodemanager-1",
    subjectAltName: [
      { type: "dns", value: "host-1.example" },
      { type: "uri", value: "spiffe://domain/anm/host-1" },
    ],
    extendedKeyUsage: processProfile("anm").extendedKeyUsage,
  },
  {
    name: "instance-1",
    subjectAltName: [{ type: "dns", value: "host-1.internal" }],
    extendedKeyUsage: processProfile("gateway").extendedKeyUsage,
  },
];
const both = ["nodemanager-1", "instance-1"];

beforeAll(async () => {
  lasting = await makeLasting(tempFolder);
  root = await testRoot();
  await writeFile(at("root.key"), privateKeyToPem(root.keys.privateKey));
  await writeFile(at("root.pem"), encodePem("CERTIFICATE", root.certificate.der));
});

afterAll(() => lasting.remove());

const at = (name: string): string => join(lasting.made, name);

const caExtensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];

/** An authority by openssl: below the root, or a root of its own. */
async function authority(
  extensions: readonly string[],
  options: { key?: string[]; root?: boolean; subject?: string; args?: string[] } = {},
): Promise<Certificate> {
  const { key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], subject = "/CN=Corporate" } =
    options;
  const made = ["-keyout", at("ca.key"), "-out", at("ca.pem"), "-subj", subject, "-nodes"];
  const issuer = options.root === true ? [] : ["-CA", at("root.pem"), "-CAkey", at("root.key")];
  const added = extensions.flatMap((each) => ["-addext", each]);
  const days = ["-days", "30", ...(options.args ?? [])];
  // Without openssl's own configuration, which adds extensions by itself.
  await writeFile(at("openssl.cnf"), "[req]\ndistinguished_name = dn\n[dn]\n");
  const config = ["-config", at("openssl.cnf")];
  openssl(["req", "-x509", "-newkey", ...key, ...made, ...issuer, ...added, ...days, ...config]);
  return parseCertificatesPem(await readFile(at("ca.pem"), "utf8"))[0] as Certificate;
}

/** What is wrong with it, a day after it was made. */
function problems(
  chain: AuthorityInput["chain"],
  changes: Partial<AuthorityInput> = {},
): AuthorityProblem[] {
  const atMs = Math.max(chain[0].notBeforeMs, testNowMs) + dayMs;
  return authorityProblems({ chain, earlier: [], leaves, atMs, ...changes }, nodeCryptoPort);
}

/** The only problem there is. */
function onlyProblem(...input: Parameters<typeof problems>): AuthorityProblem | undefined {
  const found = problems(...input);
  expect(found.map(({ code }) => code)).toHaveLength(1);
  return found[0];
}

describe("authorityProblems", () => {
  test("is empty when the authority, below a root or a root itself, may issue all that is needed", async () => {
    expect(problems([await authority(caExtensions), root.certificate])).toEqual([]);
    expect(problems([await authority(caExtensions, { root: true })])).toEqual([]);
    const named = "nameConstraints=critical,permitted;DNS:example,permitted;DNS:internal";
    const usages = "extendedKeyUsage=anyExtendedKeyUsage";
    const narrow = await authority([...caExtensions, named, usages]);
    expect(problems([narrow, root.certificate])).toEqual([]);
  });

  test.each<[string, string[], RegExp, readonly string[]]>([
    ["not-an-authority", ["basicConstraints=CA:FALSE"], /is no certificate authority/, both],
    [
      "key-usage",
      ["basicConstraints=critical,CA:TRUE", "keyUsage=digitalSignature,cRLSign"],
      /may not sign certificates: its key usage is digitalSignature, cRLSign/,
      both,
    ],
    [
      "name-constraints",
      [...caExtensions, "nameConstraints=permitted;DNS:example"],
      /forbids names: dns name host-1.internal is not among the permitted names/,
      ["instance-1"],
    ],
    [
      "name-constraints",
      [...caExtensions, "nameConstraints=excluded;DNS:host-1.example"],
      /dns name host-1.example is excluded/,
      ["nodemanager-1"],
    ],
    [
      "extended-key-usage",
      [...caExtensions, "extendedKeyUsage=serverAuth,1.3.6.1.4.1.17998.10.1.1.2.3"],
      /may not issue for clientAuth, NODE_MANAGER, ADMIN_NODE_MANAGER \(/,
      both,
    ],
    [
      "critical-extension",
      [...caExtensions, "1.2.3.4=critical,DER:0500"],
      /critical extension 1.2.3.4/,
      both,
    ],
  ])(
    "tells %s, and what it would break, when it is made with %s",
    async (code, extensions, message, breaks) => {
      const problem = onlyProblem([await authority(extensions), root.certificate]);
      expect(problem).toEqual({ code, message: expect.stringMatching(message), breaks });
      expect(problem?.message).toContain("CN=Corporate (serial ");
    },
  );

  test("tells what is expired or not yet valid when the time is not its own", async () => {
    const ca = await authority(caExtensions, { root: true });
    expect(onlyProblem([ca], { atMs: ca.notAfterMs + 1000 })?.code).toBe("expired");
    expect(onlyProblem([ca], { atMs: ca.notBeforeMs - 1 })?.code).toBe("not-yet-valid");
  });

  test("tells the path length when an authority above allows none below it", async () => {
    const leavesOnly = await testRoot({ pathLength: 0 });
    await writeFile(at("root.key"), privateKeyToPem(leavesOnly.keys.privateKey));
    await writeFile(at("root.pem"), encodePem("CERTIFICATE", leavesOnly.certificate.der));
    const ca = await authority(caExtensions);
    await writeFile(at("root.key"), privateKeyToPem(root.keys.privateKey));
    await writeFile(at("root.pem"), encodePem("CERTIFICATE", root.certificate.der));
    expect(onlyProblem([ca, leavesOnly.certificate])).toMatchObject({
      code: "path-length",
      message: expect.stringMatching(/CN=Domain .* allows 0 .* there is 1: CN=Corporate$/),
    });
  });

  test("tells a weak key and a weak signature when they are of old", async () => {
    const small = await authority(caExtensions, { root: true, key: ["rsa:1024"] });
    expect(onlyProblem([small])).toMatchObject({ code: "weak-key", breaks: both });
    const sha1 = await authority(caExtensions, { args: ["-sha1"] });
    expect(onlyProblem([sha1, root.certificate])).toMatchObject({
      code: "weak-signature",
      message: expect.stringMatching(/is signed by SHA-1/),
    });
    const sha1Root = await authority(caExtensions, { root: true, args: ["-sha1"] });
    expect(problems([sha1Root])).toEqual([]);
  });

  test("tells a missing root, and a chain whose names fit and whose keys do not", async () => {
    const ca = await authority(caExtensions);
    expect(onlyProblem([ca])).toMatchObject({
      code: "no-root",
      message: expect.stringMatching(/was issued by CN=Domain, whose certificate is missing: add/),
    });
    const namesake = await testRoot();
    expect(onlyProblem([ca, namesake.certificate])?.code).toBe("wrong-signature");
  });

  test("tells that the name is taken when an earlier authority has it with another key", async () => {
    const earlier = await authority(caExtensions, { root: true });
    const later = await authority(caExtensions, { root: true });
    expect(onlyProblem([later], { earlier: [earlier] })?.code).toBe("name-taken");
    expect(problems([later], { earlier: [later] })).toEqual([]);
  });
});
