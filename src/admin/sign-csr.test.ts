import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { openssl, testRequest } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { generateKeyPair, nodeCryptoPort } from "../keys/index.ts";
import {
  authorityProfile,
  differencesFromRequest,
  encodePem,
  parseCertificatesPem,
  type CertificateRequest,
} from "../pki/index.ts";
import { initializeHome } from "./initialize-home.ts";
import { signCsrOffline } from "./sign-csr.ts";

let layout: HomeLayout;
let request: CertificateRequest;
const pemOf = ({ der }: CertificateRequest): string => encodePem("CERTIFICATE REQUEST", der);

beforeEach(async () => {
  layout = homeLayout(await tempFolder());
  request = testRequest(await generateKeyPair("ecdsa-p256"));
});

function sign(
  passphrase: string | null = null,
  requestPem = pemOf(request),
): ReturnType<typeof signCsrOffline> {
  return signCsrOffline(layout.home, { requestPem, passphrase });
}

async function initialize(passphrase: string | null): Promise<void> {
  await initializeHome(layout.home, {
    domainName: "CN=Test CA",
    hostName: "host-1.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager",
    port: 8090,
    administrator: { name: "admin", password: "only for this test" },
    passphrase,
  });
}

/** A CA of openssl's in the documented files of a home of no domain. */
async function place(extensions = "basicConstraints=critical,CA:TRUE"): Promise<void> {
  await mkdir(dirname(layout.domainKey), { recursive: true });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", layout.domainKey];
  await writeFile(join(layout.home, "cnf"), "[req]\ndistinguished_name = dn\n[dn]\n");
  const config = ["-config", join(layout.home, "cnf"), "-passout", "pass:fred"];
  const made = ["-subj", "/CN=Placed", "-addext", extensions, "-out", layout.domainCertificate];
  openssl(["req", "-x509", "-days", "90", ...key, ...config, ...made]);
  const from = [
    "-inkey",
    layout.domainKey,
    "-in",
    layout.domainCertificate,
    "-passin",
    "pass:fred",
  ];
  const to = ["-out", layout.domainContainer, "-passout", "pass:fred"];
  openssl(["pkcs12", "-export", ...from, ...to]);
}

describe("signCsrOffline", () => {
  test("signs all that the request asks for, with its chain, puts it on record, and needs the passphrase", async () => {
    await initialize("fred");
    const { chainPem, serial, isCut } = await sign("fred");
    const [certificate, authority, ...more] = parseCertificatesPem(chainPem);
    if (certificate === undefined || authority === undefined) throw new Error("no chain");
    expect(more).toEqual([]);
    expect(certificate.serialHex).toBe(serial);
    const days = (certificate.notAfterMs - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(825);
    expect(isCut).toBe(false);
    expect(differencesFromRequest(request, certificate, nodeCryptoPort)).toEqual([]);
    const file = join(layout.home, "signed.pem");
    await writeFile(file, chainPem);
    expect(openssl(["verify", "-x509_strict", "-CAfile", layout.domainCertificate, file])).toMatch(
      /OK/,
    );
    expect(await readFile(layout.certificateIndex, "utf8")).toContain(serial.toUpperCase());
    await expect(sign()).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(sign("wrong")).rejects.toMatchObject({ code: "forbidden" });
  });

  test("refuses a request for a CA, and one of another's key", async () => {
    await initialize(null);
    const keys = await generateKeyPair("ecdsa-p256");
    const wantsCa = testRequest(keys, { profile: authorityProfile("root", 0) });
    await expect(sign(null, pemOf(wantsCa))).rejects.toMatchObject({
      code: "certificate-rejected",
    });
    const der = Uint8Array.from(request.der);
    der.set([(der.at(-1) ?? 0) ^ 1], der.length - 1);
    const forged = encodePem("CERTIFICATE REQUEST", der);
    await expect(sign(null, forged)).rejects.toMatchObject({ code: "signature-invalid" });
    expect((await readFile(layout.certificateIndex, "utf8")).split("\n")).toHaveLength(2);
  });

  test("signs with a CA that was placed in a home of no domain, and notes it as openssl does", async () => {
    await place();
    const { chainPem, serial, isCut } = await sign("fred");
    expect(isCut).toBe(true);
    expect(parseCertificatesPem(chainPem)).toHaveLength(2);
    expect(await readFile(layout.certificateIndex, "utf8")).toContain(serial.toUpperCase());
    const file = join(layout.newCertificates, `${serial.toUpperCase()}.pem`);
    expect(openssl(["verify", "-CAfile", layout.domainCertificate, file])).toContain("OK");
    await expect(sign("wrong")).rejects.toMatchObject({ code: "unauthenticated" });
  });

  test("goes on with a CA that was placed when a domain is made, and with what it signed before", async () => {
    await place();
    const { serial } = await sign("fred");
    await initialize("fred");
    expect(openssl(["x509", "-in", layout.domainCertificate, "-noout", "-subject"])).toMatch(
      /Placed/,
    );
    const index = await readFile(layout.certificateIndex, "utf8");
    expect(index).toContain(serial.toUpperCase());
    expect(index).toContain("/CN=nodemanager-1/OU=group-1/DC=host-1");
    const { chainPem } = await sign("fred");
    await writeFile(join(layout.home, "signed.pem"), chainPem);
    const signed = join(layout.home, "signed.pem");
    expect(openssl(["verify", "-CAfile", layout.domainCertificate, signed])).toContain("OK");
  });

  test("leaves a placed CA as it is when a domain cannot be made with it", async () => {
    await place("basicConstraints=critical,CA:TRUE,pathlen:0");
    const before = await readFile(layout.domainContainer);
    await expect(initialize("wrong")).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(initialize("fred")).rejects.toMatchObject({
      code: "not-supported",
      message: expect.stringContaining("--sign_with_user_provided"),
    });
    await place("nameConstraints=critical,permitted;DNS:elsewhere.example");
    expect(await readFile(layout.domainContainer)).not.toEqual(before);
    await expect(initialize("fred")).rejects.toThrow(/domain\.p12 cannot sign/);
    await readFile(layout.domainContainer);
  });

  test("refuses placed files by name when they disagree, one is missing, or it is no CA", async () => {
    await expect(sign()).rejects.toMatchObject({ code: "home-missing" });
    await place("basicConstraints=critical,CA:FALSE");
    await expect(sign("fred")).rejects.toThrow(
      /domain\.p12 cannot sign: .* is no certificate auth/,
    );
    await place();
    const container = await readFile(layout.domainContainer);
    await place();
    await writeFile(layout.domainContainer, container);
    await expect(sign("fred")).rejects.toThrow(
      /domainkey\.pem holds another key than .*domain\.p12/,
    );
    await place();
    const certificate = await readFile(layout.domainCertificate);
    await place();
    await writeFile(layout.domainCertificate, certificate);
    await expect(sign("fred")).rejects.toThrow(/domaincert\.pem holds another certificate than/);
    await writeFile(layout.domainCertificate, "");
    await expect(sign("fred")).rejects.toThrow(/domaincert\.pem has no certificate: it is empty/);
  });
});
