import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { currentSequence } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { encodePem, parseRequestPem } from "../pki/index.ts";
import { nodeFixture, nodeHostId, type NodeFixture } from "../../test/support/node-fixture.ts";
import { knownProcess } from "../../test/support/test-domain.ts";
import { AdminLink } from "./admin-link.ts";

/** An Admin Node Manager that lets the host back in, and does nothing else. */
async function startAdmin({ domain, state }: NodeFixture): Promise<void> {
  const admin = await domain.nodeManager("host-9", { authorityId: "management-1", role: "anm" });
  const server = createServer(
    { key: admin.identity.keyPem, cert: admin.identity.certificatePem },
    (request, response) => {
      void request.toArray().then((chunks: Buffer[]) => {
        const body = JSON.parse(Buffer.concat(chunks).toString() || "{}") as { requestPem: string };
        const answer = request.url?.endsWith("/return-nonces")
          ? { nonce: "00".repeat(32) }
          : admission(body.requestPem);
        response.writeHead(request.method === "GET" ? 404 : 201).end(JSON.stringify(answer));
      });
    },
  );
  const admission = (requestPem: string | undefined): unknown =>
    requestPem === undefined
      ? {}
      : {
          certificatePem: encodePem(
            "CERTIFICATE",
            domain.sign("management-1", parseRequestPem(requestPem).spki, {}).der,
          ),
          authorityId: "management-1",
          sequence: 2,
          renewFromMs: 0,
          renewUntilMs: 0,
          hostDocument: domain.trust.save().host,
          trust: [],
        };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  domain.publish({ admins: [knownProcess("anm-1", "anm", "host-9", [admin], port)] });
  await state.acceptTrust([domain.trust.save().link]);
}

test.each(["load the new key", "do not answer"])(
  "a host that comes back presents its new certificate after its instances %s",
  async (what) => {
    const node = await nodeFixture();
    const { state, domain } = node;
    await startAdmin(node);
    domain.publishHost(nodeHostId, [knownProcess("nodemanager-1", "nm", nodeHostId, [])]);
    const seen: unknown[] = [];
    const reloadAll = async (): Promise<void> => {
      const sequence = await currentSequence(state.layout.nodeCredential);
      seen.push({ sequence, hostVersion: state.trust.host?.version });
      if (what === "do not answer") throw new DomainError("not-running", "instance-1 is away");
    };
    const link = new AdminLink(state, { reloadAll });
    const refusal = new DomainError("forbidden", "x", { context: { refusal: "expired" } });
    expect(await link.recover(refusal)).toBe(true);
    expect(seen).toEqual([{ sequence: 1, hostVersion: 2 }]);
    expect(await currentSequence(state.layout.nodeCredential)).toBe(2);
  },
);
