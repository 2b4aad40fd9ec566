import { createPublicKey, verify } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { makeLasting, type Lasting } from "../../test/support/cleanup.ts";
import { softToken, type SoftToken } from "../../test/support/soft-token.ts";
import { waitUntil } from "../../test/support/wait-until.ts";
import { TokenKeys, type TokenLogin } from "./token-keys.ts";

let token: SoftToken;
let lasting: Lasting<SoftToken>;

beforeAll(async () => {
  lasting = await makeLasting(softToken);
  token = lasting.made;
  // The library looks there; the processes that are started here inherit it.
  process.env["SOFTHSM2_CONF"] = token.configFile;
});

afterAll(() => lasting.remove());

function keysWith(changes: Partial<TokenLogin> = {}): TokenKeys {
  const keys = new TokenKeys(async () => ({ ...token.login, ...changes }));
  onTestFinished(() => keys.close());
  return keys;
}

const message = Buffer.from("to be signed");

describe("keys in a token", () => {
  test("sign what node:crypto verifies, with each digest", async () => {
    const keys = keysWith();
    const spki = await keys.generate("ca-1");
    const signer = await keys.signer("ca-1");
    expect(signer.spki).toEqual(spki);
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    for (const [algorithm, digest] of [
      ["ecdsa-sha256", "sha256"],
      ["ecdsa-sha384", "sha384"],
      ["ecdsa-sha512", "sha512"],
    ] as const) {
      const signature = await signer.sign(message, algorithm);
      expect(verify(digest, message, key, signature), algorithm).toBe(true);
    }
  });

  test("are found by their label, by another login too, until they are destroyed", async () => {
    const keys = keysWith();
    expect(await keys.find("ca-2")).toBeNull();
    const spki = await keys.generate("ca-2");
    const others = keysWith();
    expect(await others.find("ca-2")).toEqual(spki);
    expect(await keys.destroy("ca-2")).toBe(true);
    expect(await keys.destroy("ca-2")).toBe(false);
    await others.close();
    expect(await others.find("ca-2")).toBeNull();
    await expect(others.signer("ca-2")).rejects.toMatchObject({ code: "authority-unavailable" });
  });

  test("cannot be read from the token", async () => {
    const keys = keysWith();
    await keys.generate("ca-3");
    expect(token.privateValueOf("ca-3")).toBe("CKR_ATTRIBUTE_SENSITIVE");
  });

  test("sign again after their process was killed", async () => {
    const keys = keysWith();
    await keys.generate("ca-4");
    const signer = await keys.signer("ca-4");
    const before = keys.processId ?? 0;
    process.kill(before, "SIGKILL");
    expect(await signer.sign(message)).toBeInstanceOf(Uint8Array);
    expect(keys.processId).not.toBe(before);
  });

  test("are out of reach, with the reason, while the token is away, and there when it is back", async () => {
    const keys = keysWith();
    await keys.generate("ca-5");
    const signer = await keys.signer("ca-5");
    await keys.close();
    token.takeAway();
    await expect(signer.sign(message)).rejects.toMatchObject({
      code: "authority-unavailable",
      message: expect.stringContaining("there is no token") as string,
    });
    token.putBack();
    const isBack = () => signer.sign(message);
    await waitUntil(isBack, { deadlineMs: 10_000, what: "the token signs", pollMs: 100 });
  });
});

describe("a token", () => {
  test.each([
    ["a library that is not there", { module: "/nowhere/lib.so" }, "not-found", "cannot be loaded"],
    ["a label that no token has", { token: "another" }, "not-found", "there is no token another"],
    ["a wrong PIN", { pin: "0000" }, "forbidden", "refuses the PIN"],
  ])("is not opened by %s", async (_what, changes, code, text) => {
    const keys = keysWith(changes);
    const refusal = { code, message: expect.stringContaining(text) as string };
    await expect(keys.open()).rejects.toMatchObject(refusal);
    const later = { ...refusal, code: "authority-unavailable" };
    await expect(keys.find("ca-1")).rejects.toMatchObject(later);
  });

  test("is shown a wrong PIN once, since it counts them", async () => {
    let shown = 0;
    let pin = "0000";
    const keys = new TokenKeys(async () => ({
      ...token.login,
      pin,
      get token() {
        shown += 1;
        return token.login.token;
      },
    }));
    onTestFinished(() => keys.close());
    await expect(keys.open()).rejects.toMatchObject({ code: "forbidden" });
    await expect(keys.open()).rejects.toMatchObject({ code: "forbidden" });
    expect(shown).toBe(1);
    pin = token.login.pin;
    await keys.open();
  });
});
