import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { driverDescription } from "../../test/support/driver-description.ts";
import { onEnd } from "../../test/support/cleanup.ts";
import { realRoot, serverMaterial } from "../../test/support/driver-material.ts";
import { memberOf } from "../../test/support/member.ts";
import { certificatesPem, privateKeyToPem } from "../keys/index.ts";
import { acceptsProbe } from "./accepts-probe.ts";
import type { MemberAt } from "./driver-code.ts";
import type { Material } from "./render-files.ts";

const probeOf = ({ key, leaf }: Material) => ({
  privateKeyPem: privateKeyToPem(key),
  certificateChainPem: certificatesPem([leaf]),
});

async function memberAtPort(port: number, proof: boolean): Promise<MemberAt> {
  const description = await driverDescription("stunnel");
  const trust = {
    ...description.trust,
    ...(proof ? { proof: { send: "hi", expect: "^yes" } } : {}),
  };
  return memberOf({ ...description, served: [{ host: "127.0.0.1", port }], trust });
}

/** A server of TLS that trusts `root`, and what it does with callers; resolves with its port. */
async function listen(
  own: Material,
  answer: (socket: TLSSocket) => void,
  maxVersion: "TLSv1.2" | "TLSv1.3" = "TLSv1.3",
): Promise<number> {
  const { privateKeyPem: key, certificateChainPem: cert } = probeOf(own);
  const ca = certificatesPem(own.anchors);
  const server = createServer(
    { key, cert, ca, requestCert: true, rejectUnauthorized: true, maxVersion },
    (socket) => answer(socket.on("error", () => undefined)),
  );
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onEnd(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe("a probe", () => {
  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "is accepted when the server answers, and not when it ends the connection, in %s",
    async (version) => {
      const own = await serverMaterial(await realRoot());
      const stranger = await serverMaterial(await realRoot("CN=Other"));
      const port = await listen(
        own,
        (socket) => socket.once("data", () => socket.end("yes")),
        version,
      );
      const member = await memberAtPort(port, true);
      expect(await acceptsProbe(member, probeOf(own))).toBe(true);
      expect(await acceptsProbe(member, probeOf(stranger))).toBe(false);
    },
  );

  test("is not accepted when the answer is another one, whatever the handshake said", async () => {
    const own = await serverMaterial(await realRoot());
    const port = await listen(own, (socket) => socket.end("no, yes is for others"));
    expect(await acceptsProbe(await memberAtPort(port, true), probeOf(own))).toBe(false);
  });

  test("is no verdict where nobody listens, or where the driver names no proof", async () => {
    const own = await serverMaterial(await realRoot());
    await expect(acceptsProbe(await memberAtPort(1, true), probeOf(own))).rejects.toMatchObject({
      code: "unreachable",
    });
    await expect(acceptsProbe(await memberAtPort(1, false), probeOf(own))).rejects.toMatchObject({
      code: "not-supported",
    });
  });
});
