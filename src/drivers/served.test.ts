import { createServer as createTcp, type AddressInfo, type Server } from "node:net";
import { createServer as createTls, TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { onEnd } from "../../test/support/cleanup.ts";
import { realRoot, serverMaterial } from "../../test/support/driver-material.ts";
import { certificatesPem, privateKeyToPem } from "../keys/index.ts";
import { fingerprintOf, servedFingerprint, shownOn, untilShown } from "./served.ts";

async function listen(server: Server): Promise<{ host: string; port: number }> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onEnd(() => server.close());
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

async function credential() {
  const { key, leaf } = await serverMaterial(await realRoot());
  const options = { key: privateKeyToPem(key), cert: certificatesPem([leaf]) };
  return { options, fingerprint: fingerprintOf(leaf.der) };
}

describe("the served certificate", () => {
  test("is seen where callers have to show one of their own", async () => {
    const { options, fingerprint } = await credential();
    const server = createTls({ ...options, requestCert: true, rejectUnauthorized: true });
    expect(await servedFingerprint(await listen(server))).toBe(fingerprint);
  });

  test("is seen after what PostgreSQL is asked first", async () => {
    const { options, fingerprint } = await credential();
    const server = createTcp((socket) => {
      socket.once("data", (asked) => {
        expect(asked.toString("hex")).toBe("0000000804d2162f");
        socket.write("S");
        new TLSSocket(socket, { ...options, isServer: true }).on("error", () => undefined);
      });
    });
    const port = await listen(server);
    expect(await servedFingerprint({ ...port, starttls: "postgresql" })).toBe(fingerprint);
  });

  test("is none where the port answers without TLS, or not at all", async () => {
    const plain = await listen(createTcp((socket) => socket.end("hello, this is no TLS\n")));
    await expect(servedFingerprint(plain)).rejects.toMatchObject({ code: "unreachable" });
    await expect(servedFingerprint({ host: "127.0.0.1", port: 1 })).rejects.toMatchObject({
      code: "unreachable",
    });
  });

  test("is waited for until every port shows it several times, and the port that does not is named", async () => {
    const [old, renewed] = [await credential(), await credential()];
    let handshakes = 0;
    const port = await listen(createTls(renewed.options));
    const changing = createTls(old.options);
    // An old and a new worker on one port: the third handshake shows the old one once more.
    changing.on("connection", () => {
      handshakes += 1;
      changing.setSecureContext(handshakes === 2 ? old.options : renewed.options);
    });
    const other = await listen(changing);
    await untilShown(() => shownOn([port, other]), renewed.fingerprint, 5_000);
    expect(handshakes).toBe(6);
    await expect(
      untilShown(() => shownOn([port, other]), old.fingerprint, 10),
    ).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringMatching(/^127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+ did not show/) as string,
    });
  });
});
