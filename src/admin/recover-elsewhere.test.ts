import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { dayMs, testRoot, type TestAuthority } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { KeyProtection, keySigner, signRequest } from "../keys/index.ts";
import type { Certificate } from "../pki/index.ts";
import { completeFirstHost, requestFirstHost } from "./first-host.ts";
import { recoverHome } from "./recover.ts";
import { awaitsRecovery, submitToHome } from "./recover-elsewhere.ts";

const keys = new KeyProtection();
let ca: TestAuthority;
let layout: HomeLayout;

const sign = (requestPem: string, days: number, by = ca): Promise<Certificate> =>
  signRequest(
    requestPem,
    { certificate: by.certificate, signer: keySigner(by.keys.privateKey) },
    days * 86_400,
  );
const recover = () =>
  recoverHome(layout.home, { passphrase: null, isNewAuthorityWanted: false, keys });

/** The request of the Admin Node Manager's own identity. */
async function ownRequest(): Promise<string> {
  const { awaits, epoch } = await recover();
  expect(epoch).toBeNull();
  expect(awaits.map(({ id }) => id)).toEqual(["nodemanager-1/management"]);
  return awaits[0]?.requestPem ?? "";
}

beforeEach(async () => {
  ca = await testRoot();
  vi.useFakeTimers({ toFake: ["Date"], now: ca.certificate.notBeforeMs + dayMs });
  layout = homeLayout(join(await tempFolder(), "home"));
  const request = {
    hostName: "host-1.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager",
    port: 8090,
    administrator: { name: "admin", password: "only for this test" },
    signing: "external" as const,
  };
  const { requestPem } = await requestFirstHost(layout.home, request, null);
  const certificates = [await sign(requestPem, 30), ca.certificate];
  const of = { certificates, keyPassphrase: null, passphrase: null, keys };
  expect(await completeFirstHost(layout.home, of)).toMatchObject({ made: {} });
  vi.setSystemTime(Date.now() + 60 * dayMs);
});
afterEach(() => void vi.useRealTimers());

describe("a home whose certificates have expired and are signed elsewhere", () => {
  test("asks for its own, and presents it when it is brought", async () => {
    const requestPem = await ownRequest();
    expect(await awaitsRecovery(layout.home)).toBe(true);
    const certificate = await sign(requestPem, 30);
    const brought = await submitToHome(layout.home, { certificates: [certificate], keys });
    expect(brought).toMatchObject({
      submissions: [{ id: "nodemanager-1/management", differences: [] }],
      recovered: { hostId: "host-1" },
    });
    const pem = await readFile(join(layout.nodeCredential, "current", "certificate.pem"));
    expect(new X509Certificate(pem).serialNumber.toLowerCase()).toBe(certificate.serialHex);
    expect(await awaitsRecovery(layout.home)).toBe(false);
    expect(existsSync(`${layout.temporaryKeys}/nodemanager-1`)).toBe(false);
  });

  test("waits on when what is brought is not what was asked for, with the differences", async () => {
    const requestPem = await ownRequest();
    const other = await sign(requestPem, 30, await testRoot());
    const { submissions, recovered } = await submitToHome(layout.home, {
      certificates: [other],
      keys,
    });
    expect(recovered).toBeNull();
    expect(submissions[0]?.differences.length).toBeGreaterThan(0);
    // Asked for once more it is the same key, so that a bundle which is out stays good.
    expect(await ownRequest()).toBe(requestPem);
  });

  test("asks anew where its certificate has expired before it was taken", async () => {
    const first = await ownRequest();
    const certificate = await sign(first, 30);
    vi.setSystemTime(Date.now() + 60 * dayMs);
    const { submissions } = await submitToHome(layout.home, { certificates: [certificate], keys });
    expect(submissions[0]?.differences.length).toBeGreaterThan(0);
    const again = await sign(await ownRequest(), 30);
    const brought = await submitToHome(layout.home, { certificates: [again], keys });
    expect(brought.recovered).toMatchObject({ hostId: "host-1" });
  });
});
