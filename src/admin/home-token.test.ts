import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openssl, testRequest } from "../../test/support/certificates.ts";
import { makeLasting, type Lasting } from "../../test/support/cleanup.ts";
import { softToken, type SoftToken } from "../../test/support/soft-token.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import type { AuthorityId } from "../kit/index.ts";
import { generateKeyPair, KeyProtection } from "../keys/index.ts";
import { encodePem } from "../pki/index.ts";
import { backUpHome } from "./backup.ts";
import { changePassphrase } from "./change-passphrase.ts";
import type { GivenToken } from "./home-token.ts";
import { initializeHome } from "./initialize-home.ts";
import { recoverHome } from "./recover.ts";
import { restoreHome } from "./restore.ts";
import { signCsrOffline } from "./sign-csr.ts";

let lasting: Lasting<SoftToken>;
let token: SoftToken;
let layout: HomeLayout;

beforeAll(async () => {
  lasting = await makeLasting(softToken);
  token = lasting.made;
  process.env["SOFTHSM2_CONF"] = token.configFile;
});
afterAll(() => lasting.remove());
beforeEach(async () => {
  layout = homeLayout(await tempFolder());
});

function initialize(changes: Partial<GivenToken> = {}) {
  const { module, token: label } = token.login;
  const pinFile = "pin" in changes ? {} : { pinFile: token.pinFile };
  return initializeHome(layout.home, {
    domainName: "CN=Domain",
    hostName: "host-1.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager",
    port: 8090,
    administrator: { name: "admin", password: "only for this test" },
    token: { module, token: label, pin: null, ...pinFile, ...changes },
  });
}

async function requestPem(): Promise<string> {
  const request = testRequest(await generateKeyPair("ecdsa-p256"));
  return encodePem("CERTIFICATE REQUEST", request.der);
}

describe("a home whose CA keys are in a token", () => {
  test("names them, has no file with one, and signs requests that openssl verifies", async () => {
    const { keyInToken, settings } = await initialize();
    const label = `management-1 of ${settings.domain}`;
    expect(keyInToken).toEqual({ token: token.login.token, label });
    expect(token.keys()).toContain(label);
    const names = await readdir(layout.authorityKeys);
    expect(names.filter((name) => /key\.pem$|domain/.test(name)).toSorted()).toEqual([
      "sealing.key.pem",
      "trust-signing.key.pem",
    ]);
    const { chainPem } = await signCsrOffline(layout.home, {
      requestPem: await requestPem(),
      passphrase: null,
    });
    const signed = join(layout.home, "signed.pem");
    await writeFile(signed, chainPem);
    expect(openssl(["verify", "-CAfile", layout.domainCertificate, signed])).toContain("OK");
    expect(await readFile(layout.tokenSettings, "utf8")).not.toContain(token.login.pin);
  });

  test("asks for the PIN where nothing gives it", async () => {
    await initialize({ pin: token.login.pin });
    const wish = { requestPem: await requestPem() };
    await expect(signCsrOffline(layout.home, { ...wish, passphrase: null })).rejects.toMatchObject({
      code: "unauthenticated",
    });
    await expect(
      signCsrOffline(layout.home, { ...wish, passphrase: "0000" }),
    ).rejects.toMatchObject({ code: "forbidden" });
    const { serial } = await signCsrOffline(layout.home, {
      ...wish,
      passphrase: token.login.pin,
    });
    expect(serial).toMatch(/^[0-9a-f]+$/);
  });

  test("is not made with a wrong PIN, and nothing is left of the try", async () => {
    const before = token.keys();
    const tries = { pin: "0000" };
    await expect(initialize(tries)).rejects.toMatchObject({ code: "forbidden" });
    expect(token.keys()).toEqual(before);
    expect(existsSync(layout.home)).toBe(false);
    await expect(initialize({ token: "another" })).rejects.toMatchObject({ code: "not-found" });
  });

  test("has no passphrase to change", async () => {
    await initialize();
    const change = changePassphrase(layout.home, { old: null, new: "new passphrase" });
    await expect(change).rejects.toMatchObject({
      code: "not-supported",
      message: expect.stringContaining(token.login.token) as string,
    });
  });

  test("is restored from a backup that says which keys it does not hold, where the token is reached", async () => {
    await initialize();
    const path = join(await tempFolder(), "backup");
    const passphrase = "of the backup";
    const made = await backUpHome(layout.home, { path, passphrase, keyPassphrase: null });
    expect(made).toMatchObject({
      keys: ["trust-signing"],
      inToken: expect.arrayContaining(["management-1", "traffic-1"]) as unknown,
    });
    const other = join(await tempFolder(), "home");
    const wish = { path, passphrase, keyPassphrase: null, host: null, waived: [] };
    expect(await restoreHome(other, wish)).toMatchObject({ settings: { hostId: "host-1" } });
    expect(existsSync(homeLayout(other).authorityKeyInToken("management-1" as AuthorityId))).toBe(
      true,
    );
  });

  test("gets the key of a new CA in the token when it is recovered", async () => {
    const { settings } = await initialize();
    const wish = { passphrase: null, isNewAuthorityWanted: true, keys: new KeyProtection() };
    expect(await recoverHome(layout.home, wish)).toMatchObject({ replaced: ["management-1"] });
    expect(token.keys()).toContain(`management-2 of ${settings.domain}`);
  });
});
