import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { formatJoinToken } from "../domain/index.ts";
import { currentSequence } from "../keys/index.ts";
import { encodePem, parseRequestPem, processProfile } from "../pki/index.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { knownProcess, TestDomain } from "../../test/support/test-domain.ts";
import { joinDomain } from "./local.ts";

type Answer = "lost" | "refused" | "admitted";

/** An Admin Node Manager that answers requests to join as `answers` says, one after the other. */
async function startAdmin(answers: Answer[]) {
  const domain = await TestDomain.create();
  const links = [domain.trust.save().link];
  const admin = await domain.nodeManager("host-1", { authorityId: "management-1", role: "anm" });
  const keysAsked: string[] = [];
  const admission = (requestPem: string): unknown => {
    const { spki } = parseRequestPem(requestPem);
    keysAsked.push(Buffer.from(spki).toString("base64"));
    const certificate = domain.sign("management-1", spki, {
      profile: processProfile("nm"),
      subjectAltName: [{ type: "uri", value: `spiffe://${domain.id}/nm/host-2` }],
    });
    return {
      hostId: "host-2",
      nodeManagerId: "nodemanager-2",
      certificatePem: encodePem("CERTIFICATE", certificate.der),
      authorityId: "management-1",
      sequence: keysAsked.length,
      renewFromMs: 0,
      renewUntilMs: 0,
      hostDocument: domain.trust.save().host,
      trust: [],
    };
  };
  const server = createServer(
    { key: admin.identity.keyPem, cert: admin.identity.certificatePem },
    (request, response) => {
      void request.toArray().then((chunks: Buffer[]) => {
        const send = (status: number, body: unknown): void =>
          void response.writeHead(status).end(JSON.stringify(body));
        if (request.method === "GET") return send(200, { links });
        const { requestPem } = JSON.parse(Buffer.concat(chunks).toString()) as {
          requestPem: string;
        };
        const answer = answers.shift();
        const body = admission(requestPem);
        if (answer === "lost") request.socket.destroy();
        else if (answer === "admitted") send(201, body);
        else send(409, { code: "token-used", detail: "the join token was used before" });
      });
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  domain.publish({ admins: [knownProcess("anm-1", "anm", "host-1", [admin], port)] });
  links.push(domain.trust.save().link);
  domain.publishHost("host-2", [knownProcess("nodemanager-2", "nm", "host-2", [])]);
  const trustKeyId = links[0]?.keyId ?? "";
  const home = join(await tempFolder(), "home");
  const request = {
    anmHost: "127.0.0.1",
    anmPort: port,
    token: formatJoinToken({ id: "0".repeat(16), secret: "0".repeat(64), trustKeyId }),
    hostName: "two",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager on two",
    port: 8090,
  };
  return { home, keysAsked, joinOnce: () => joinDomain(home, request) };
}

test("a join whose answer was lost succeeds at the second try, with the same key", async () => {
  const { home, keysAsked, joinOnce } = await startAdmin(["lost", "lost", "admitted"]);
  for (let i = 0; i < 2; i++)
    await expect(joinOnce()).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("run the same command again") as string,
    });
  expect(existsSync(`${home}/conf/node.json`)).toBe(false);
  await joinOnce();
  expect(new Set(keysAsked).size).toBe(1);
  expect(await currentSequence(`${home}/conf/fed/credential`)).toBe(3);
  expect(existsSync(`${home}/conf/joining.key.pem`)).toBe(false);
});

test("a join that was refused leaves nothing behind, also after one whose answer was lost", async () => {
  const { home, joinOnce } = await startAdmin(["refused", "lost", "refused"]);
  await expect(joinOnce()).rejects.toMatchObject({ code: "token-used" });
  expect(existsSync(home)).toBe(false);
  await expect(joinOnce()).rejects.toMatchObject({ code: "unreachable" });
  await expect(joinOnce()).rejects.toMatchObject({ code: "token-used" });
  expect(existsSync(`${home}/conf/joining.key.pem`)).toBe(false);
});
